"""Half precision: scores are near those of the original model, and inspection reports how near."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from blackbox_dft import InputError, TargetOptions, make_target
from blackbox_dft.targets.inspection import inspect_target
from blackbox_dft.targets.onnx.target import OnnxTarget
from tests.helpers.models import form, photos, small_model


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_scores_are_near_and_inspection_reports_it(dtype: str, tmp_path: Path) -> None:
    onnx.save(small_model(form(dtype=dtype)), tmp_path / "m.onnx")
    own, half = (OnnxTarget(tmp_path / "m.onnx", TargetOptions(float16=float16)) for float16 in (False, True))
    images = photos(16)
    apart = float(np.abs(half.scores(images) - own.scores(images)).max())
    # Half precision keeps eleven bits of a weight.
    assert 0 < apart < np.abs(own.scores(images)).max() / 2**8
    assert half.fingerprint != own.fingerprint
    assert own.float16_error(images) is None
    assert half.float16_error(images) == apart
    found = inspect_target(half, images)[0]
    assert (found["precision"], found["float16_effect"]) == ("float16", apart)
    assert "float16_effect" not in inspect_target(own, images)[0]


def test_a_file_that_is_not_a_model(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"not a model")
    with pytest.raises(InputError, match="is not an ONNX file"):
        make_target(str(tmp_path / "m.onnx"), TargetOptions(float16=True))


def test_the_program_of_tensorrt_is_compared_with_the_file(tmp_path: Path) -> None:
    onnx.save(small_model(form()), tmp_path / "m.onnx")
    target = OnnxTarget(tmp_path / "m.onnx", TargetOptions(provider="cpu"))
    # As if TensorRT ran it, and computed something else.
    target.provider = "tensorrt"
    images = photos(16)
    assert target.float16_error(images) == 0
    target.session = OnnxTarget(tmp_path / "m.onnx", TargetOptions(provider="cpu", float16=True)).session
    assert 0 < (target.float16_error(images) or 0) < 0.1
