"""Outputs in bytes become the scores that they stand for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from blackbox_dft import TargetOptions, make_target
from blackbox_dft.objectives.outputs import infer_kind
from tests.helpers.brightness_model import IMAGES, SCORES, out, with_end

node = helper.make_node
SHARES = np.exp(SCORES) / np.exp(SCORES).sum(axis=1, keepdims=True)


def scores(path: Path, end: list[Any], kind: int, constants: dict[str, Any], sides: list[Any]) -> np.ndarray:
    built = with_end(path, end, [out("y", kind, sides)], constants)
    return make_target(str(built), TargetOptions(provider="cpu")).scores(IMAGES)


@pytest.mark.parametrize(("zero", "kind"), [(np.uint8(100), TensorProto.UINT8), (np.int8(-3), TensorProto.INT8)])
@pytest.mark.parametrize("moved", [False, True])
def test_scale_and_zero_point_of_the_operator(zero: Any, kind: int, moved: bool, tmp_path: Path) -> None:
    end = [node("QuantizeLinear", ["p", "s", "z"], ["q" if moved else "y"])]
    end += [node("Reshape", ["q", "same"], ["y"])] if moved else []
    constants = {"s": np.float32(0.1), "z": zero, "same": np.array([-1, 3])}
    got = scores(tmp_path / "m.onnx", end, kind, constants, ["N", 3])
    lowest = -128 if kind == TensorProto.INT8 else 0
    # As far as a byte reaches, and to half a step.
    expected = np.clip(SCORES, (lowest - int(zero)) * 0.1, (lowest + 255 - int(zero)) * 0.1)
    np.testing.assert_allclose(got, expected, atol=0.051)


def test_shares_of_255(tmp_path: Path) -> None:
    end = [
        node("Softmax", ["p"], ["s"], axis=1),
        node("Mul", ["s", "k"], ["m"]),
        node("Round", ["m"], ["r"]),
        node("Cast", ["r"], ["y"], to=TensorProto.UINT8),
    ]
    got = scores(tmp_path / "m.onnx", end, TensorProto.UINT8, {"k": np.float32(255)}, ["N", 3])
    np.testing.assert_allclose(got, SHARES, atol=0.003)
    assert infer_kind(got) == "probabilities"


@pytest.mark.parametrize("kind", [TensorProto.UINT8, TensorProto.INT8])
def test_a_class_index_in_a_byte_stays_one(kind: int, tmp_path: Path) -> None:
    end = [node("ArgMax", ["p"], ["i"], axis=1, keepdims=0), node("Cast", ["i"], ["y"], to=kind)]
    got = scores(tmp_path / "m.onnx", end, kind, {}, ["N"])
    np.testing.assert_array_equal(got[:, 0], SCORES.argmax(axis=1))
