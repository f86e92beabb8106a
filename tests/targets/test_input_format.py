"""Input format: what is inferred of a model's input, what must be given, and how images are prepared."""

from pathlib import Path

import numpy as np
import pytest

from blackbox_dft import InputError, TargetOptions, make_target
from blackbox_dft.images.encoding import to_floats
from blackbox_dft.targets.input_format import InputFormat
from tests.helpers.mean_model import IMAGES, SIDE, build


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


def test_scaling_at_the_start_of_the_graph_is_detected(tmp_path: Path) -> None:
    target = make_target(str(build(tmp_path / "m.onnx", scale=255.0)))
    np.testing.assert_allclose(target.scores(IMAGES), IMAGES.mean(axis=(1, 2)) / 255, atol=1e-5)
    assert any("0..255" in note for note in target.describe()["notes"])


def test_what_cannot_be_inferred_must_be_given(tmp_path: Path) -> None:
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
        ({"mean": (0.5,), "range": "0..255"}, "leave out --range"),
        ({"channels": "grey"}, "3 channels"),
        ({"output": "nothing"}, "has no output 'nothing'"),
    ],
)
def test_impossible_options(options: dict[str, object], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence):
        make_target(str(build(tmp_path / "m.onnx")), TargetOptions(**options))


def test_other_channels_than_grey_or_colour(tmp_path: Path) -> None:
    path = str(build(tmp_path / "m.onnx", depth=4))
    with pytest.raises(InputError, match="no axis of 1 or 3 channels"):
        make_target(path)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("channels", ["rgb", "bgr", "grey"])
@pytest.mark.parametrize("value_range", ["0..1", "0..255", "-1..1"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_bytes_and_the_same_floats_give_the_same_bits(layout: str, channels: str, value_range: str, dtype: str) -> None:
    image_format = InputFormat(layout, channels, value_range, None, None, dtype, None, None)
    levels = image_format.prepare(IMAGES)
    np.testing.assert_array_equal(image_format.prepare(to_floats(IMAGES)), levels)
    depth = 1 if channels == "grey" else 3
    assert levels.shape == ((7, depth, SIDE, SIDE) if layout == "nchw" else (7, SIDE, SIDE, depth))
    assert levels.dtype == dtype


def test_prepared_pixels_by_hand() -> None:
    pixel = np.array([[[[0, 51, 255]]]], np.uint8)
    image_format = InputFormat("nchw", "bgr", "0..1", (0.5,), (0.25,), "float32", None, None)
    np.testing.assert_allclose(image_format.prepare(pixel).ravel(), [2, -1.2, -2], atol=1e-6)
    image_format = InputFormat("nhwc", "rgb", "-1..1", None, None, "float32", None, None)
    np.testing.assert_allclose(image_format.prepare(pixel).ravel(), [-1, -0.6, 1], atol=1e-6)
