"""LabelColumns: labels of responses among the known classes."""

import unicodedata

import pytest

from blackbox_dft.targets.http.labels import LabelColumns, listed


def test_labels_match_ignoring_case_and_the_form_of_accents() -> None:
    columns = LabelColumns(["Caf\u00e9", "left"])
    assert columns("CAF\u00c9") == columns(unicodedata.normalize("NFD", "caf\u00e9")) == 0
    assert columns(" Left ") == 1
    assert not columns.unknown


def test_classes_that_differ_in_case_alone_are_matched_exactly() -> None:
    columns = LabelColumns(["Left", "left"])
    assert (columns("Left"), columns("left"), columns("LEFT")) == (0, 1, None)


def test_what_came_instead_is_named_with_the_options_that_mend_it() -> None:
    columns = LabelColumns(["female", "male"])
    columns.row([("LABEL_0", 0.5), ("LABEL_1", 0.5)])
    assert columns.explain() == (
        "it names LABEL_0 and LABEL_1, and not female or male: give --model-classes LABEL_0,LABEL_1, and say which of "
        "them stand for which of your labels, such as --map female=LABEL_0"
    )


def test_names_with_spaces_are_quoted_and_many_are_counted() -> None:
    columns = LabelColumns(["cat"])
    columns("my dog")
    assert "--model-classes 'my dog'" in columns.explain()
    assert "--map 'cat=my dog'" in columns.explain()
    for number in range(2000):
        columns(f"n{number}")
    assert "... (1,000 in all)" in columns.explain()
    assert len(columns.explain()) < 400


@pytest.mark.parametrize(
    ("names", "text"), [([], "nothing"), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_lists_of_names(names: list[str], text: str) -> None:
    assert listed(names) == text
