"""What a model's metadata and the files beside it say: used, noted, and overruled by options."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from blackbox_dft import TargetOptions, make_target
from blackbox_dft.targets.onnx.target import OnnxTarget
from tests.helpers.mean_model import IMAGES, SIDE, build
from tests.helpers.real_forms import (
    IMAGENET,
    custom_vision,
    hugging_face,
    microsoft_mnist,
)

CPU = TargetOptions(provider="cpu")


def opened(path: Path, **options: Any) -> OnnxTarget:
    target = make_target(str(path), TargetOptions(provider="cpu", **options))
    assert isinstance(target, OnnxTarget)
    return target


def notes(target: OnnxTarget) -> str:
    return "\n".join(target.describe()["notes"])


def test_microsoft_mnist(tmp_path: Path) -> None:
    target = opened(microsoft_mnist(tmp_path / "mnist.onnx"))
    form = target.input_format
    assert (form.channels, form.range, form.size, form.batch) == ("grey", "0..255", (28, 28), 1)
    assert "image metadata" in notes(target)
    assert target.scores(np.zeros((3, 28, 28, 3), np.uint8)).shape == (3, 10)


def test_custom_vision(tmp_path: Path) -> None:
    """BGR in 0..255 by the metadata, and scores and class names before the ZipMap."""
    target = opened(custom_vision(tmp_path / "model.onnx"))
    form = target.input_format
    assert (form.layout, form.channels, form.range) == ("nchw", "bgr", "0..255")
    assert target.classes == ("blue", "green", "red")
    blue = np.full((2, 16, 16, 3), (0, 0, 9), np.uint8)
    scores = target.scores(blue)
    np.testing.assert_allclose(scores[0], np.exp([9, 0, 0]) / np.exp([9, 0, 0]).sum(), atol=1e-5)
    assert opened(tmp_path / "model.onnx", output="loss").fingerprint == target.fingerprint


@pytest.mark.parametrize(
    ("pixel_format", "nominal", "channels", "expected"),
    [
        ("Bgr8", "NominalRange_0_255", "bgr", [200.0, 100.0, 10.0]),
        ("Rgb8", "Normalized_0_1", "rgb", [10 / 255, 100 / 255, 200 / 255]),
        ("Bgra8", "Normalized_1_1", "bgr", [145 / 255, -55 / 255, -235 / 255]),
        ("rgb8", "NominalRange_16_235", "rgb", [16 + 219 * 10 / 255, 16 + 219 * 100 / 255, 16 + 219 * 200 / 255]),
        ("Gray8", "unknown", "rgb", [10 / 255, 100 / 255, 200 / 255]),
    ],
)
def test_image_metadata_of_the_standard(
    pixel_format: str, nominal: str, channels: str, expected: list[float], tmp_path: Path
) -> None:
    meta = {"Image.BitmapPixelFormat": pixel_format, "Image.NominalPixelRange": nominal}
    path = build(tmp_path / "m.onnx", meta=meta)
    pixels = np.full((1, SIDE, SIDE, 3), (10, 100, 200), np.uint8)
    assert opened(path).input_format.channels == channels
    np.testing.assert_allclose(opened(path).scores(pixels)[0], expected, rtol=1e-4)
    plain = opened(path, channels="rgb", range="0..1")
    np.testing.assert_allclose(plain.scores(pixels)[0], np.array([10, 100, 200]) / 255, rtol=1e-4)


def test_image_metadata_comes_before_the_first_operators(tmp_path: Path) -> None:
    path = build(tmp_path / "m.onnx", scale=255.0, meta={"Image.NominalPixelRange": "Normalized_0_1"})
    assert opened(path).input_format.range == "0..1"


def test_linear_light_is_noted(tmp_path: Path) -> None:
    path = build(tmp_path / "m.onnx", meta={"Image.ColorSpaceGamma": "Linear"})
    assert "linear light" in notes(opened(path))


def test_denotations_of_axes_tell_the_layout(tmp_path: Path) -> None:
    model = onnx.load(build(tmp_path / "m.onnx", side="S"))
    for dim, denotation in zip(
        model.graph.input[0].type.tensor_type.shape.dim,
        ("DATA_BATCH", "DATA_CHANNEL", "DATA_FEATURE", "DATA_FEATURE"),
        strict=True,
    ):
        dim.denotation = denotation
        dim.ClearField("dim_value")
        dim.dim_param = f"free{denotation}"
    onnx.save(model, tmp_path / "n.onnx")
    assert opened(tmp_path / "n.onnx").input_format.layout == "nchw"


def test_a_hugging_face_export(tmp_path: Path) -> None:
    path = hugging_face(tmp_path)
    target = opened(path)
    form = target.input_format
    assert (form.layout, form.channels, form.range, form.size) == ("nchw", "rgb", "0..1", (24, 24))
    assert (form.mean, form.std) == (tuple(IMAGENET["image_mean"]), tuple(IMAGENET["image_std"]))
    assert target.classes == ("cat", "dog", "guinea pig")
    assert "preprocessor_config.json" in notes(target)
    assert "config.json (else give --model-classes)" in notes(target)
    # As if all were given.
    given = TargetOptions(
        provider="cpu", layout="nchw", size=(24, 24), mean=form.mean, std=form.std, classes=("x", "y", "z")
    )
    bare = tmp_path / "bare"
    bare.mkdir()
    path.rename(bare / "model.onnx")
    assert make_target(str(bare / "model.onnx"), given).fingerprint == target.fingerprint


def test_options_come_before_the_files_beside_a_model(tmp_path: Path) -> None:
    target = opened(hugging_face(tmp_path), range="-1..1", size=(8, 8), channels="bgr", classes=("x", "y", "z"))
    form = target.input_format
    assert (form.range, form.mean, form.size, form.channels) == ("-1..1", None, (8, 8), "bgr")
    assert target.classes == ("x", "y", "z")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"do_normalize": False}, [0.2, 0.4, 0.8]),
        ({"do_normalize": False, "do_rescale": False}, [51, 102, 204]),
        ({"do_normalize": False, "rescale_factor": 1 / 127.5, "rescale_offset": True}, [-0.6, -0.2, 0.6]),
        ({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}, [-0.6, -0.2, 0.6]),
        ({"image_mean": 0.5, "image_std": 0.5}, [-0.6, -0.2, 0.6]),
        (
            {"do_rescale": False, "image_mean": [127.5] * 3, "image_std": [127.5] * 3},
            [-0.6, -0.2, 0.6],
        ),
        ({"rescale_factor": 1 / 127.5, "image_mean": [1] * 3, "image_std": [1] * 3}, [-0.6, -0.2, 0.6]),
        ({"do_flip_channel_order": True, "do_normalize": False}, [0.8, 0.4, 0.2]),
        ({"image_mean": None, "image_std": None, "do_normalize": None}, [0.2, 0.4, 0.8]),
    ],
)
def test_what_image_processors_compute(config: dict[str, Any], expected: list[float], tmp_path: Path) -> None:
    target = opened(hugging_face(tmp_path, config))
    pixels = np.full((1, 24, 24, 3), (51, 102, 204), np.uint8)
    np.testing.assert_allclose(target.scores(pixels)[0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("config", "size", "note"),
    [
        ({"size": 32}, (32, 32), ""),
        ({"size": [48, 32]}, (32, 48), ""),
        ({"size": {"height": 32, "width": 40}}, (32, 40), ""),
        (
            {"size": {"shortest_edge": 36}, "do_center_crop": True, "crop_size": {"height": 32, "width": 32}},
            (32, 32),
            "a centre crop of 32x32 out of 36 pixels",
        ),
        ({"size": {"shortest_edge": 28}, "crop_pct": 0.875}, (28, 28), "a centre crop of 28x28 out of 32 pixels"),
        ({"resample": 3}, (24, 24), "bicubic resizing"),
    ],
)
def test_sizes_and_crops(config: dict[str, Any], size: tuple[int, int], note: str, tmp_path: Path) -> None:
    target = opened(hugging_face(tmp_path, config))
    assert target.image_size == size
    assert note in notes(target)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "null", '{"image_mean": "a"}', '{"image_mean": [0.5], "size": {"height": "x", "width": 2}}', "\udcff"],
)
def test_files_that_cannot_be_read_do_no_harm(text: str, tmp_path: Path) -> None:
    path = build(tmp_path / "m.onnx")
    for name in ("preprocessor_config.json", "config.json", "labels.txt"):
        (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    target = opened(path)
    assert target.input_format.range == "0..1"
    assert target.input_format.mean is None


def test_a_graph_that_scales_pixels_itself_comes_before_the_files_beside_it(tmp_path: Path) -> None:
    path = build(tmp_path / "m.onnx", scale=255.0)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(IMAGENET))
    target = opened(path)
    assert (target.input_format.range, target.input_format.mean) == ("0..255", None)
    assert "left out, as the model scales pixels itself" in notes(target)


@pytest.mark.parametrize("place", ["metadata", "config.json", "m.json", "flat"])
def test_timm(place: str, tmp_path: Path) -> None:
    config = {"input_size": [3, 24, 20], "mean": [0.5, 0.4, 0.3], "std": [0.2] * 3, "crop_pct": 0.9, "classifier": "fc"}
    meta = {"pretrained_cfg": json.dumps(config)} if place == "metadata" else {}
    if place == "flat":
        meta = {key: str(value) for key, value in config.items()}
    path = build(tmp_path / "m.onnx", side="S", meta=meta)
    if not meta:
        described = {"architecture": "resnet18", "pretrained_cfg": config, "label_names": ["a", "b", "c"]}
        (tmp_path / place).write_text(json.dumps(described))
    target = opened(path)
    form = target.input_format
    assert (form.range, form.mean, form.std, form.size) == ("0..1", (0.5, 0.4, 0.3), (0.2, 0.2, 0.2), (24, 20))
    assert "a centre crop of 0.9" in notes(target)
    assert target.classes == (None if meta else ("a", "b", "c"))


def test_ultralytics(tmp_path: Path) -> None:
    meta = {"names": "{0: 'a', 1: 'b', 2: 'c'}", "imgsz": "[24, 20]", "task": "classify", "stride": "1"}
    target = opened(build(tmp_path / "m.onnx", side="S", meta=meta))
    assert (target.classes, target.image_size) == (("a", "b", "c"), (24, 20))
    # The size of the input itself comes first.
    assert opened(build(tmp_path / "n.onnx", meta=meta)).image_size == (SIDE, SIDE)


@pytest.mark.parametrize(
    ("name", "text", "classes"),
    [
        ("labels.txt", "a\nb\nc\n", ("a", "b", "c")),
        ("classes.txt", "\ufeff0 a\n1 b\n2 c\n", ("a", "b", "c")),
        ("m.labels.txt", "a\nb\nc\n", ("a", "b", "c")),
        ("labels.json", '{"0": "a", "1": "b", "2": "c"}', ("a", "b", "c")),
        ("config.json", '{"label2id": {"a": 0, "b": 1, "c": 2}}', ("a", "b", "c")),
        ("labels.txt", "a\nb\n", None),
        ("labels.txt", "a.png 0\nb.png 1\nc.png 2\n", None),
        ("other.txt", "a\nb\nc\n", None),
    ],
)
def test_label_files(name: str, text: str, classes: tuple[str, ...] | None, tmp_path: Path) -> None:
    path = build(tmp_path / "m.onnx")
    (tmp_path / name).write_text(text, encoding="utf-8")
    target = opened(path)
    assert target.classes == classes
    if classes:
        assert f"class names are those of {name}" in notes(target)


def test_names_in_the_file_come_before_those_beside_it(tmp_path: Path) -> None:
    path = build(tmp_path / "m.onnx", meta={"class_names": "['x', 'y', 'z']"})
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    assert opened(path).classes == ("x", "y", "z")


def test_files_above_a_folder_named_onnx(tmp_path: Path) -> None:
    path = hugging_face(tmp_path)
    (tmp_path / "onnx").mkdir()
    path.rename(tmp_path / "onnx" / "model_quantized.onnx")
    target = opened(tmp_path / "onnx" / "model_quantized.onnx")
    assert target.input_format.mean == tuple(IMAGENET["image_mean"])
    assert target.classes == ("cat", "dog", "guinea pig")


def test_resolved_options_need_no_file_beside_the_model(tmp_path: Path) -> None:
    target = opened(hugging_face(tmp_path))
    for file in tmp_path.glob("*.json"):
        file.unlink()
    alone = make_target(str(tmp_path / "model.onnx"), target.resolved_options)
    assert (alone.fingerprint, alone.classes) == (target.fingerprint, target.classes)


def test_bytes_are_not_normalised(tmp_path: Path) -> None:
    path = build(tmp_path / "m.onnx", kind="uint8")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(IMAGENET))
    target = opened(path)
    assert (target.input_format.range, target.input_format.mean) == ("0..255", None)
    np.testing.assert_allclose(target.scores(IMAGES), IMAGES.mean(axis=(1, 2)), rtol=1e-5)


def test_a_mean_of_other_channels_is_left_out(tmp_path: Path) -> None:
    path = build(tmp_path / "m.onnx")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.1, 0.2], "image_std": [1, 1]}))
    target = opened(path)
    assert target.input_format.mean is None
    assert "do not fit 3 channels" in notes(target)
