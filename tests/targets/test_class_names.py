"""Class names in metadata, as exporters and people write them."""

import json
from pathlib import Path

import onnx
import pytest

from blackbox_dft import make_target
from blackbox_dft.targets.class_names import names_of, parse_lines, parse_names

FORMS = [
    "dark,bright",
    "dark, bright",
    "dark; bright",
    "dark\nbright\n",
    '["dark", "bright"]',
    "['dark', 'bright']",
    "('dark', 'bright')",
    "{0: 'dark', 1: 'bright'}",
    '{"0": "dark", "1": "bright"}',
    '{"1": "bright", "0": "dark"}',
    '{"dark": 0, "bright": 1}',
    "{'dark': 0, 'bright': 1}",
    '[{"id": 0, "name": "dark"}, {"id": 1, "name": "bright"}]',
    "\ufeff['dark', 'bright']",
]


@pytest.mark.parametrize("text", FORMS)
def test_names_are_read_in_every_form(text: str) -> None:
    assert parse_names(text) == ("dark", "bright")


@pytest.mark.parametrize("key", ["classes", "names"])
@pytest.mark.parametrize("text", ["['dark', 'bright']", '{"0": "dark", "1": "bright"}', "dark,bright"])
def test_an_onnx_file_names_its_classes(key: str, text: str, tiny: Path, tmp_path: Path) -> None:
    model = onnx.load(tiny / "model.onnx")
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {key: text})
    onnx.save(model, tmp_path / "model.onnx")
    assert make_target(str(tmp_path / "model.onnx")).classes == ("dark", "bright")


def test_names_with_commas_stay_whole() -> None:
    names = ["tench, Tinca tinca", "goldfish"]
    for text in (json.dumps(names), repr(names), repr(dict(enumerate(names))), "\n".join(names)):
        assert parse_names(text) == tuple(names)


@pytest.mark.parametrize("text", ["", "['dark'", "{1: 'dark'", '{"dark": 0, "bright": 5}', "[]", "{}", "[['a']]"])
def test_what_names_no_classes_is_ignored(text: str) -> None:
    assert parse_names(text) is None


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
