"""Scores before a ZipMap or a TopK at the end of a graph."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from blackbox_dft import InputError, TargetOptions, make_target
from blackbox_dft.targets.onnx.target import OnnxTarget
from tests.helpers.brightness_model import IMAGES, SCORES, out, table, with_end

node = helper.make_node
NAMES = ("left", "middle", "right")


def zipped(path: Path, **attributes: Any) -> Path:
    end = [
        node("ArgMax", ["p"], ["best"], axis=1, keepdims=0),
        node("ArrayFeatureExtractor", ["names", "best"], ["chosen"], domain="ai.onnx.ml"),
        node("Reshape", ["chosen", "all"], ["label"]),
        node("ZipMap", ["p"], ["probs"], domain="ai.onnx.ml", **(attributes or {"classlabels_strings": NAMES})),
    ]
    constants = {"names": np.array(NAMES, object), "all": np.array([-1])}
    kind = TensorProto.INT64 if "classlabels_int64s" in attributes else TensorProto.STRING
    return with_end(path, end, [out("label", TensorProto.STRING, ["N"]), table("probs", kind)], constants)


def opened(path: Path, **options: Any) -> OnnxTarget:
    target = make_target(str(path), TargetOptions(provider="cpu", **options))
    assert isinstance(target, OnnxTarget)
    return target


@pytest.mark.parametrize("output", [None, "probs", "p"])
def test_zip_map(output: str | None, tmp_path: Path) -> None:
    target = opened(zipped(tmp_path / "m.onnx"), output=output)
    np.testing.assert_allclose(target.scores(IMAGES), SCORES, rtol=1e-4, atol=1e-5)
    assert target.classes == NAMES
    assert any("before the ZipMap" in note for note in target.describe()["notes"])


def test_zip_map_of_numbers(tmp_path: Path) -> None:
    assert opened(zipped(tmp_path / "m.onnx", classlabels_int64s=[3, 5, 8])).classes == ("3", "5", "8")


def test_a_label_in_words_is_no_score(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'label' is tensor\(string\).*give another --output, p\."):
        opened(zipped(tmp_path / "m.onnx"), output="label")


@pytest.mark.parametrize("output", [None, "values", "indices"])
@pytest.mark.parametrize("k", [2, 3])
def test_top_k_returns_ranks_so_that_the_scores_before_it_are_taken(k: int, output: str | None, tmp_path: Path) -> None:
    end = [node("TopK", ["p", "k"], ["values", "indices"])]
    outputs = [out("values"), out("indices", TensorProto.INT64)]
    path = with_end(tmp_path / "m.onnx", end, outputs, {"k": np.array([k])}, meta={"classes": ",".join(NAMES)})
    target = opened(path, output=output)
    np.testing.assert_allclose(target.scores(IMAGES), SCORES, rtol=1e-4, atol=1e-5)
    assert target.classes == NAMES
    assert any("before the TopK" in note for note in target.describe()["notes"])


def test_sorted_scores_stay_sorted_after_a_softmax(tmp_path: Path) -> None:
    end = [
        node("TopK", ["p", "k"], ["best", "i"]),
        node("Softmax", ["best"], ["s"]),
        node("Mul", ["s", "hundred"], ["out"]),
    ]
    path = with_end(tmp_path / "m.onnx", end, [out("out")], {"k": np.array([3]), "hundred": np.float32(100)})
    np.testing.assert_allclose(opened(path).scores(IMAGES), SCORES, rtol=1e-4, atol=1e-5)


def test_the_index_of_the_best_class_is_a_decision(tmp_path: Path) -> None:
    end = [node("TopK", ["p", "k"], ["values", "indices"])]
    outputs = [out("indices", TensorProto.INT64, ["N", 1])]
    target = opened(with_end(tmp_path / "m.onnx", end, outputs, {"k": np.array([1])}))
    np.testing.assert_array_equal(target.scores(IMAGES)[:, 0], SCORES.argmax(axis=1))


def test_the_smallest_values_are_refused(tmp_path: Path) -> None:
    end = [node("TopK", ["p", "k"], ["values", "indices"], largest=0)]
    path = with_end(tmp_path / "m.onnx", end, [out("values")], {"k": np.array([3])})
    with pytest.raises(InputError, match="distances"):
        opened(path)


def test_all_scores_beside_the_best_ones(tmp_path: Path) -> None:
    end = [node("TopK", ["p", "k"], ["values", "indices"])]
    outputs = [out("p", sides=["N", 3]), out("values"), out("indices", TensorProto.INT64)]
    path = with_end(tmp_path / "m.onnx", end, outputs, {"k": np.array([2])})
    assert opened(path).output.name == "p"


def test_a_run_takes_the_fused_path(tmp_path: Path) -> None:
    from blackbox_dft.fusion.fused_path import FusedPath
    from blackbox_dft.images.encoding import Encoding
    from blackbox_dft.spaces import make_space

    target = opened(zipped(tmp_path / "m.onnx"))
    space = make_space("color", IMAGES.shape[1:])
    scores = FusedPath(IMAGES, space, target, Encoding())(np.arange(9), space.initial())
    np.testing.assert_allclose(scores, SCORES, rtol=1e-3, atol=1e-3)
