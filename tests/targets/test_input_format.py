"""Input format: what is inferred of a model's input, what must be given, and how images are prepared."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import TensorProto, helper

from blackbox_dft import InputError, TargetOptions, make_target
from blackbox_dft.images.encoding import to_floats
from blackbox_dft.targets.input_format import InputFormat
from tests.helpers.mean_model import IMAGES, SIDE, build


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        (
            {"x": ["N", 8, 8]},
            "give --layout nchw or nhwc; if it takes grey images without that axis, call it from a Python",
        ),
        (
            {"x": ["N", 64]},
            r"an image input has 4 .*: call it from a Python function that takes images, module:function",
        ),
        ({"x": ["N", 3, 8, 8], "y": [1]}, "has 2 inputs .*: call it from a Python function that gives the others"),
    ],
)
def test_inputs_that_are_no_image_are_for_a_function(
    inputs: dict[str, list[int | str]], sentence: str, tmp_path: Path
) -> None:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()]
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)
    total = helper.make_node("Sum", list(inputs), ["scores"])
    graph = helper.make_graph([total], "total", values, [scores])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    with pytest.raises(InputError, match=sentence):
        make_target(str(tmp_path / "m.onnx"))


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


FORMATS = st.builds(
    InputFormat,
    layout=st.sampled_from(["nchw", "nhwc"]),
    channels=st.sampled_from(["rgb", "bgr", "grey"]),
    range=st.sampled_from(["0..1", "0..255", "-1..1"]),
    mean=st.sampled_from([None, (0.4,)]),
    std=st.sampled_from([None, (0.3,)]),
    dtype=st.sampled_from(["float32", "float16", "float64", "uint8"]),
    size=st.none(),
    batch=st.none(),
)


@settings(max_examples=300, deadline=None)
@given(
    FORMATS,
    arrays(np.uint8, st.tuples(*[st.integers(1, 5)] * 3, st.just(3)), elements=st.integers(0, 255)),
    st.sampled_from([1, 2]),
)
def test_bytes_are_prepared_pixel_by_pixel_to_the_bit(image_format: InputFormat, images: np.ndarray, step: int) -> None:
    # Each pixel by itself, as an image of 1x1: old runs replay only if no bit differs. Strided images come from views.
    given_images = images[:, ::step, ::-step]
    given_images.flags.writeable = False
    depth = 1 if image_format.channels == "grey" else 3
    wanted = np.empty((*given_images.shape[:3], depth), image_format.dtype)
    for place in np.ndindex(given_images.shape[:3]):
        pixel = given_images[place].reshape(1, 1, 1, 3)
        floats = np.divide(pixel, np.float32(255), dtype=np.float32)
        if image_format.channels == "grey":
            red, green, blue = np.float32(0.299), np.float32(0.587), np.float32(0.114)
            floats = floats[..., :1] * red + floats[..., 1:2] * green + floats[..., 2:] * blue
            value = floats if image_format.range == "0..1" else floats * np.float32(255)
        else:
            moved = pixel[..., ::-1] if image_format.channels == "bgr" else pixel
            value = moved.astype(np.float32)
            value = value / np.float32(255) if image_format.range == "0..1" else value
        if image_format.dtype == "uint8":
            levels = floats * np.float32(255) + np.float32(0.5) if image_format.channels == "grey" else moved
            wanted[place] = levels.astype(np.uint8).ravel()
            continue
        if image_format.range == "-1..1":
            value = value * np.float32(2 / 255) - np.float32(1)
        if image_format.mean:
            value = value - np.float32(image_format.mean[0])
        if image_format.std:
            value = value / np.float32(image_format.std[0])
        wanted[place] = value.astype(image_format.dtype).ravel()
    if image_format.layout == "nchw":
        wanted = wanted.transpose(0, 3, 1, 2)
    prepared = image_format.prepare(given_images)
    assert prepared.dtype == image_format.dtype
    assert prepared.flags.c_contiguous
    np.testing.assert_array_equal(prepared, wanted)


def test_prepared_pixels_by_hand() -> None:
    pixel = np.array([[[[0, 51, 255]]]], np.uint8)
    image_format = InputFormat("nchw", "bgr", "0..1", (0.5,), (0.25,), "float32", None, None)
    np.testing.assert_allclose(image_format.prepare(pixel).ravel(), [2, -1.2, -2], atol=1e-6)
    image_format = InputFormat("nhwc", "rgb", "-1..1", None, None, "float32", None, None)
    np.testing.assert_allclose(image_format.prepare(pixel).ravel(), [-1, -0.6, 1], atol=1e-6)
