"""inspect and find_input from Python."""

from pathlib import Path

import onnxruntime
import pytest

from blackbox_dft import InputError, find_input, inspect
from blackbox_dft.demo import assets
from tests.helpers.tone_arrays import Bright, model_bytes, tone_arrays


def test_a_function_is_inspected_on_arrays() -> None:
    target = Bright()
    found = inspect(target, tone_arrays(), price=0.001, model_classes=["dark", "bright"])
    assert (found["classes"], found["scores"]["kind"], found["path"]) == (("dark", "bright"), "logits", "array")
    assert target.scored == found["queries"] <= 100
    assert "--" not in found["advice"]


def test_the_form_of_a_models_input_is_found() -> None:
    found = find_input(assets() / "digits.onnx", str(assets() / "labels.csv"), budget=120)
    assert (found.keywords, found.queries <= 120) == ({}, True)
    session = onnxruntime.InferenceSession(model_bytes(), providers=["CPUExecutionProvider"])
    with pytest.raises(InputError, match="pass the path of a CSV or a folder as data"):
        find_input(session, tone_arrays())  # type: ignore[arg-type]


def test_a_wrong_option_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no option provder=: did you mean provider="):
        inspect(assets() / "digits.onnx", provder="cpu")  # type: ignore[call-arg]
