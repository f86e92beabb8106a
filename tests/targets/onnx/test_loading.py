"""Loading ONNX files, with weights beside them or not, and what is refused."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from blackbox_dft import InputError
from blackbox_dft.targets.onnx.loading import load_model
from tests.helpers.mean_model import build


def test_weights_beside_the_file(tmp_path: Path) -> None:
    model = onnx.load(build(tmp_path / "m.onnx"))
    onnx.save(model, tmp_path / "large.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    (weights,) = load_model(tmp_path / "large.onnx", weights=True).graph.initializer
    np.testing.assert_array_equal(numpy_helper.to_array(weights), np.eye(3))
    (weights,) = load_model(tmp_path / "large.onnx", weights=False).graph.initializer
    assert not weights.raw_data
    (tmp_path / "weights").unlink()
    load_model(tmp_path / "large.onnx", weights=False)
    with pytest.raises(InputError, match="is not an ONNX file, or is cut off"):
        load_model(tmp_path / "large.onnx", weights=True)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (None, "does not exist: give an ONNX file"),
        (b"not a model", "is not an ONNX file, or is cut off"),
        (b"", "has no nodes"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n",
            "pointer of Git LFS: fetch .* 'git lfs pull'",
        ),
    ],
)
@pytest.mark.parametrize("weights", [False, True])
def test_files_that_are_not_models(data: bytes | None, sentence: str, weights: bool, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=sentence):
        load_model(path, weights=weights)
