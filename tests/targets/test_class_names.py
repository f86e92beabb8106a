"""Class names in every form that models carry them in."""

import pytest

from blackbox_dft.targets.class_names import names_of, parse_lines, parse_names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a, b,c", ("a", "b", "c")),
        ("['a', 'b', 'c']", ("a", "b", "c")),
        ('["a", "b", "c"]', ("a", "b", "c")),
        ("('a', 'b')", ("a", "b")),
        ("'a','b'", ("a", "b")),
        ("{0: 'a', 1: 'b'}", ("a", "b")),
        ('{"1": "b", "0": "a"}', ("a", "b")),
        ("{'b': 1, 'a': 0}", ("a", "b")),
        ('[{"id": 0, "name": "a"}, {"id": 1, "name": "b"}]', ("a", "b")),
        ("a\nb\nc", ("a", "b", "c")),
        ("0,1,2", ("0", "1", "2")),
        ("01,02", ("01", "02")),
        (
            '["tench, Tinca tinca", "goldfish, Carassius auratus"]',
            ("tench, Tinca tinca", "goldfish, Carassius auratus"),
        ),
        ('{"0": "LABEL_0", "1": "LABEL_1"}', None),
        ("[1, 2", None),
        ("['a', b]", None),
        ("{0: 'a', 2: 'b'}", None),
        ("[[1], [2]]", None),
        ("3", None),
        ("", None),
        ("[" * 5000, None),
    ],
)
def test_texts(text: str, names: tuple[str, ...] | None) -> None:
    assert parse_names(text) == names


@pytest.mark.parametrize("value", [None, 3, "a", [], {}, [None], {"a": "b"}, [{"id": 1}]])
def test_values_that_are_no_names(value: object) -> None:
    assert names_of(value) is None


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("cat\r\ndog\r\n\r\n", ("cat", "dog")),
        ("0 cat\n1 guinea pig", ("cat", "guinea pig")),
        ("0: cat\n1: dog", ("cat", "dog")),
        ("7 of hearts\n9 of spades", ("7 of hearts", "9 of spades")),
        ("0\n1\n2", ("0", "1", "2")),
        ("a.png 0\nb.jpg 1", None),
        ("", None),
    ],
)
def test_label_files(text: str, names: tuple[str, ...] | None) -> None:
    assert parse_lines(text) == names
