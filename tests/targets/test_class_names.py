"""Class names in metadata, as exporters and people write them."""

import json
from pathlib import Path

import onnx
import pytest

from blackbox_dft import make_target
from blackbox_dft.targets.class_names import parse_names

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
