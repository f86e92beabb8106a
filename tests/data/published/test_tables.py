"""Attribute tables: names in any spelling, labels, traits."""

from pathlib import Path

import pytest

from blackbox_dft.data.published.tables import attribute_label, find_attribute, read_lines, trait_columns
from blackbox_dft.errors import InputError

ATTRIBUTES = ["Male", "Attractive Man", "5_o_Clock_Shadow"]


@pytest.mark.parametrize("label", ["Attractive_Man", "attractive man", " Attractive Man "])
def test_attributes_are_found_in_any_spelling(label: str) -> None:
    assert find_attribute(label, ATTRIBUTES, Path("t.txt")) == 1


def test_unknown_attributes_are_refused_with_a_hint() -> None:
    with pytest.raises(InputError, match=r"t\.txt has 3 attributes: choose one with --label"):
        find_attribute("", ATTRIBUTES, Path("t.txt"))
    with pytest.raises(InputError, match=r"no attribute 'attractive_men': did you mean 'Attractive Man'\?"):
        find_attribute("attractive_men", ATTRIBUTES, Path("t.txt"))
    with pytest.raises(InputError, match="it has Male, Attractive Man, 5_o_Clock_Shadow"):
        find_attribute("zzz", ATTRIBUTES, Path("t.txt"))


def test_traits_leave_out_the_label_and_what_the_table_does_not_have() -> None:
    assert trait_columns(("Young", "5 o clock shadow", "male"), ATTRIBUTES, 0) == [2]
    assert trait_columns(("Young", "male"), ATTRIBUTES, 1) == [0]
    assert [attribute_label("Male", present) for present in (True, False)] == ["Male", "not Male"]


def test_blank_lines_and_a_byte_order_mark_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes(b"\xef\xbb\xbfa\r\n\n  \nb")
    assert read_lines(tmp_path / "t.txt", "") == [(1, "a"), (4, "b")]
