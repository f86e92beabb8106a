"""Targets: models of every layout and type, told or inferred, against the same arithmetic in numpy."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from blackbox_dft import TargetOptions, make_target
from blackbox_dft.errors import InputError, TargetError
from blackbox_dft.targets.inspection import inspect_target, rounding_step, smooth
from blackbox_dft.targets.onnx import providers
from blackbox_dft.targets.onnx.target import OnnxTarget
from tests.helpers.models import form, photos, small_model

SIDE = 8
TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}
IMAGES = np.random.default_rng(0).integers(0, 256, (7, SIDE, SIDE, 3)).astype(np.uint8)


def build(
    path: Path,
    *,
    layout: str = "nchw",
    kind: str = "float32",
    depth: int = 3,
    batch: int | str = "N",
    side: int | str = SIDE,
    scale: float | None = None,
    outputs: tuple[str, ...] = ("scores",),
    meta: dict[str, str] | None = None,
) -> Path:
    """A model whose scores are the means of the channels (and of the image) over all pixels."""
    spatial, channel = ([2, 3], 1) if layout == "nchw" else ([1, 2], 3)
    shape = [batch, depth, side, side] if layout == "nchw" else [batch, side, side, depth]
    weights = []
    nodes = [helper.make_node("Cast", ["image"], ["x0"], to=TensorProto.FLOAT)]
    if scale is not None:
        weights.append(numpy_helper.from_array(np.float32(scale), "scale"))
        nodes.append(helper.make_node("Div", ["x0", "scale"], ["x"]))
    else:
        nodes.append(helper.make_node("Identity", ["x0"], ["x"]))
    nodes.append(helper.make_node("ReduceMean", ["x"], ["means"], axes=spatial, keepdims=0))
    made = []
    if "scores" in outputs:
        weights.append(numpy_helper.from_array(np.eye(depth, 3, dtype=np.float32), "mix"))
        nodes.append(helper.make_node("MatMul", ["means", "mix"], ["scores"]))
        made.append(helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, 3]))
    if "label" in outputs:
        nodes.append(helper.make_node("ArgMax", ["means"], ["label"], axis=1, keepdims=0))
        made.append(helper.make_tensor_value_info("label", TensorProto.INT64, [batch]))
    if "age" in outputs:
        nodes.append(helper.make_node("ReduceMean", ["x"], ["age"], axes=[*spatial, channel], keepdims=0))
        made.append(helper.make_tensor_value_info("age", TensorProto.FLOAT, [batch]))
    if "other" in outputs:
        nodes.append(helper.make_node("Identity", ["means"], ["other"]))
        made.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [batch, depth]))
    image = helper.make_tensor_value_info("image", TYPES[kind], shape)
    graph = helper.make_graph(nodes, "means", [image], made, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, meta or {})
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(("layout", "kind"), list(itertools.product(("nchw", "nhwc"), TYPES)))
@pytest.mark.parametrize("batch", ["N", 1, 4])
def test_layouts_types_and_batches(layout: str, kind: str, batch: int | str, tmp_path: Path) -> None:
    target = make_target(str(build(tmp_path / "m.onnx", layout=layout, kind=kind, batch=batch)))
    assert isinstance(target, OnnxTarget)
    assert (target.form.layout, target.form.dtype, target.image_size) == (layout, kind, (SIDE, SIDE))
    top = 255 if kind == "uint8" else 1
    expected = IMAGES.mean(axis=(1, 2)) / 255 * top
    tolerance = 2e-3 if kind == "float16" else 1e-5 * top
    np.testing.assert_allclose(target.scores(IMAGES), expected, atol=tolerance)
    # Bytes and the same levels as floats give the same bits.
    np.testing.assert_array_equal(target.scores(IMAGES / np.float32(255)), target.scores(IMAGES))


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_grey_models_get_luma(layout: str, tmp_path: Path) -> None:
    target = make_target(str(build(tmp_path / "m.onnx", layout=layout, depth=1)))
    expected = (IMAGES / 255).mean(axis=(1, 2)) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(target.scores(IMAGES)[:, 0], expected, atol=1e-5)


def test_normalisation_and_ranges(tmp_path: Path) -> None:
    path = str(build(tmp_path / "m.onnx"))
    means = IMAGES.mean(axis=(1, 2)) / 255

    def scores(**options: object) -> np.ndarray:
        return make_target(path, TargetOptions(**options)).scores(IMAGES)

    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    np.testing.assert_allclose(scores(mean=mean, std=std), (means - mean) / std, atol=1e-4)
    levels = scores(mean=tuple(255 * m for m in mean), std=tuple(255 * s for s in std))
    np.testing.assert_allclose(levels, (means - mean) / std, atol=1e-4)
    np.testing.assert_allclose(scores(mean=(0.5,)), means - 0.5, atol=1e-5)
    np.testing.assert_allclose(scores(range="0..255"), 255 * means, atol=1e-2)
    np.testing.assert_allclose(scores(range="-1..1"), 2 * means - 1, atol=1e-5)
    np.testing.assert_allclose(scores(channels="bgr"), means[:, ::-1], atol=1e-5)


def test_scaling_in_the_graph_is_noticed(tmp_path: Path) -> None:
    target = make_target(str(build(tmp_path / "m.onnx", scale=255.0)))
    np.testing.assert_allclose(target.scores(IMAGES), IMAGES.mean(axis=(1, 2)) / 255, atol=1e-5)
    assert any("0..255" in note for note in target.describe()["notes"])


def test_outputs_are_chosen_or_asked_for(tmp_path: Path) -> None:
    both = str(build(tmp_path / "both.onnx", outputs=("scores", "age")))
    target = make_target(both)
    assert target.scores(IMAGES).shape == (7, 3)
    assert any("output 'scores'" in note for note in target.describe()["notes"])
    assert make_target(both, TargetOptions(output="age")).scores(IMAGES).shape == (7, 1)
    unclear = str(build(tmp_path / "unclear.onnx", outputs=("scores", "other")))
    with pytest.raises(InputError, match=r"several outputs .*--output NAME"):
        make_target(unclear)
    label = make_target(str(build(tmp_path / "label.onnx", outputs=("label",))))
    np.testing.assert_array_equal(label.scores(IMAGES)[:, 0], IMAGES.mean(axis=(1, 2)).argmax(axis=1))


@pytest.mark.parametrize(
    ("meta", "classes"),
    [
        ({"classes": "a, b,c"}, ("a", "b", "c")),
        ({"classes": '["a","b","c"]'}, ("a", "b", "c")),
        ({"names": "{0: 'a', 1: 'b', 2: 'c'}"}, ("a", "b", "c")),
        ({"names": "no table"}, None),
        ({"classes": "a,b"}, None),
        ({}, None),
    ],
)
def test_class_names_in_the_file(meta: dict[str, str], classes: tuple[str, ...] | None, tmp_path: Path) -> None:
    path = str(build(tmp_path / "m.onnx", meta=meta))
    assert make_target(path).classes == classes
    assert make_target(path, TargetOptions(classes=("x", "y", "z"))).classes == ("x", "y", "z")
    with pytest.raises(InputError, match="3 scores"):
        make_target(path, TargetOptions(classes=("x", "y")))


def test_free_sizes(tmp_path: Path) -> None:
    path = str(build(tmp_path / "m.onnx", side="S"))
    assert make_target(path).image_size is None
    assert make_target(path, TargetOptions(size=(16, 16))).image_size == (16, 16)
    assert make_target(path).scores(np.zeros((2, 20, 30, 3), np.uint8)).shape == (2, 3)


def test_what_cannot_be_inferred_is_asked_for(tmp_path: Path) -> None:
    path = str(build(tmp_path / "m.onnx", side=3))
    with pytest.raises(InputError, match="give --layout nchw or nhwc"):
        make_target(path)
    assert make_target(path, TargetOptions(layout="nchw")).image_size == (3, 3)
    with pytest.raises(InputError, match="8x8 only"):
        make_target(str(build(tmp_path / "n.onnx")), TargetOptions(size=(9, 9)))
    with pytest.raises(InputError, match="not nhwc"):
        make_target(str(build(tmp_path / "n.onnx")), TargetOptions(layout="nhwc"))
    with pytest.raises(InputError, match="takes images of 8x8"):
        make_target(str(build(tmp_path / "n.onnx"))).scores(np.zeros((1, 9, 9, 3), np.uint8))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"mean": (0.1, 0.2)}, "--mean has 2 numbers"),
        ({"std": (0.0,)}, "above 0"),
        ({"mean": (0.5,), "range": "0..255"}, "drop --range"),
        ({"channels": "grey"}, "3 channels"),
        ({"output": "nothing"}, "has no output 'nothing'"),
    ],
)
def test_options_that_cannot_be(options: dict[str, object], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence):
        make_target(str(build(tmp_path / "m.onnx")), TargetOptions(**options))


def test_outputs_that_are_no_rows_of_scores(tmp_path: Path) -> None:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])
    for keep, axes in ((True, [2, 3]), (False, [3])):
        nodes = [helper.make_node("ReduceMean", ["image"], ["scores"], axes=axes, keepdims=int(keep))]
        scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)
        graph = helper.make_graph(nodes, "g", [image], [scores])
        onnx.save(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx"
        )
        target = make_target(str(tmp_path / "m.onnx"))
        if keep:  # (N, 3, 1, 1) is one row of scores an image
            np.testing.assert_allclose(target.scores(IMAGES), IMAGES.mean(axis=(1, 2)) / 255, atol=1e-5)
        else:  # (N, 3, 8) is not
            with pytest.raises(TargetError, match=r"shape \(7, 3, 8\).*--output"):
                target.scores(IMAGES)


def test_other_channels_than_grey_or_colour(tmp_path: Path) -> None:
    path = str(build(tmp_path / "m.onnx", depth=4))
    with pytest.raises(InputError, match="no axis of 1 or 3 channels"):
        make_target(path)


@pytest.mark.parametrize(("fixed", "batch"), [("N", 8), (1, 8), (3, 6), (8, 8), (64, 64)])
def test_a_call_fills_fixed_batches(fixed: int | str, batch: int, tmp_path: Path) -> None:
    path = str(build(tmp_path / "m.onnx", batch=fixed))
    assert make_target(path, TargetOptions(provider="cpu")).batch == batch
    assert make_target(path, TargetOptions(batch=5)).batch == 5


def test_threads_get_the_same_bits(tmp_path: Path) -> None:
    target = make_target(str(build(tmp_path / "m.onnx")))
    parts = [IMAGES[i % 7 : i % 7 + 1] for i in range(60)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(target.scores, parts))
    np.testing.assert_array_equal(np.concatenate(together), np.concatenate([target.scores(part) for part in parts]))


def test_fingerprints_tell_models_and_options_apart(tmp_path: Path) -> None:
    one, two = build(tmp_path / "1.onnx"), build(tmp_path / "2.onnx", meta={"classes": "a,b,c"})
    prints = {
        make_target(str(one)).fingerprint,
        make_target(str(two)).fingerprint,
        make_target(str(one), TargetOptions(channels="bgr")).fingerprint,
        make_target(str(one), TargetOptions(mean=(0.5,))).fingerprint,
    }
    assert len(prints) == 4
    assert make_target(str(one), TargetOptions(batch=3)).fingerprint in prints


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_half_precision_is_near_and_said(dtype: str, tmp_path: Path) -> None:
    onnx.save(small_model(form(dtype=dtype)), tmp_path / "m.onnx")
    own, half = (OnnxTarget(tmp_path / "m.onnx", TargetOptions(float16=float16)) for float16 in (False, True))
    images = photos(16)
    apart = float(np.abs(half.scores(images) - own.scores(images)).max())
    # Half precision keeps eleven bits of a weight.
    assert 0 < apart < np.abs(own.scores(images)).max() / 2**8
    assert half.fingerprint != own.fingerprint
    assert own.coarsened(images) is None
    assert half.coarsened(images) == apart
    found = inspect_target(half, images)[0]
    assert (found["precision"], found["float16_effect"]) == ("float16", apart)
    assert "float16_effect" not in inspect_target(own, images)[0]


def test_half_precision_is_for_files(tmp_path: Path) -> None:
    for name in ("https://example.com/v2/models/m", "json:loads"):
        with pytest.raises(InputError, match="--float16 is for ONNX files"):
            make_target(name, TargetOptions(float16=True))
    (tmp_path / "m.onnx").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="is not an ONNX file"):
        make_target(str(tmp_path / "m.onnx"), TargetOptions(float16=True))


def test_inspection_measures(tmp_path: Path) -> None:
    target = make_target(str(build(tmp_path / "m.onnx")))
    found, scores = inspect_target(target)
    assert found["noise"] == 0
    assert found["best_batch"] in (1, 4, 16, 64)
    assert scores.shape == (16, 3)
    assert inspect_target(target, IMAGES[:2])[1].shape == (2, 3)
    assert smooth(3, (10, 12)).shape == (3, 10, 12, 3)


@pytest.mark.parametrize(("digits", "step"), [(1, 0.1), (2, 0.01), (4, 1e-4)])
def test_rounding_is_noticed(digits: int, step: float) -> None:
    scores = np.random.default_rng(0).random((50, 3)).astype(np.float32)
    assert rounding_step(scores) is None
    assert rounding_step(np.round(scores, digits)) == pytest.approx(step)
    assert rounding_step(100 * scores) is None
    if digits < 4:  # In percent, float32 itself is no finer.
        assert rounding_step(np.round(100 * scores, digits)) == pytest.approx(step)


MODULE = """
import numpy as np
def means(images):
    assert images.dtype == np.uint8
    return images.mean((1, 2)) / 255
means.classes = ["r", "g", "b"]
means.batch = 5
def floats(images):
    assert images.dtype == np.float32
    return images.mean((1, 2))
floats.accepts = "float"
def names(images):
    return np.array(["r", "g"])[(images.mean((1, 2))[:, 0] > 127).astype(int)]
def wrong(images):
    return "no scores"
def broken(images):
    raise ValueError("too bright\\nat line 3")
number = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"box_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_functions(module: str) -> None:
    target = make_target(f"{module}:means")
    assert (target.classes, target.batch, target.workers) == (("r", "g", "b"), 5, 1)
    np.testing.assert_allclose(target.scores(IMAGES), IMAGES.mean(axis=(1, 2)) / 255, atol=1e-6)
    np.testing.assert_allclose(make_target(f"{module}:floats").scores(IMAGES), target.scores(IMAGES), atol=1e-6)
    named = make_target(f"{module}:names", TargetOptions(classes=("g", "r")))
    assert set(named.scores(IMAGES)[:, 0]) <= {0, 1}
    with pytest.raises(TargetError, match="give --model-classes"):
        make_target(f"{module}:names").scores(IMAGES)
    with pytest.raises(TargetError, match="returned"):
        make_target(f"{module}:wrong").scores(IMAGES)
    # Names are answered as indices, so their order is part of what the scores are.
    assert named.fingerprint != make_target(f"{module}:names", TargetOptions(classes=("r", "g"))).fingerprint
    with pytest.raises(TargetError, match=r"^\S+:broken raised ValueError: too bright\.$"):
        make_target(f"{module}:broken").scores(IMAGES)
    with pytest.raises(InputError, match="has no 'nothing'"):
        make_target(f"{module}:nothing")
    with pytest.raises(InputError, match="is no function"):
        make_target(f"{module}:number")


@pytest.mark.parametrize("name", ["nothing", "model.pt", "ftp://example.com/score", "x.onnx"])
def test_targets_that_are_not_there(name: str) -> None:
    with pytest.raises(InputError, match=name.split(":", maxsplit=1)[0]):
        make_target(name)


def test_real_models(shared: Path) -> None:
    target = make_target(str(shared / "models/age_gender_faceapi.onnx"))
    assert target.classes == ("male", "female")
    assert target.image_size == (112, 112)
    assert isinstance(target, OnnxTarget)
    assert target.output.name == "gender"
    scores = target.scores(np.zeros((3, 112, 112, 3), np.uint8))
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("script", "found"),
    [("echo 4000", 4000 * 2**19), ("echo no devices; exit 6", None), ("echo '[N/A]'", None), (None, None)],
)
def test_room_for_images_is_half_of_what_a_gpu_has_free(
    script: str | None, found: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin" if script else str(tmp_path))
    if script:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    assert providers.room() == found
