"""First operators: the range and the channel order that preprocessing inside a graph shows, whatever its form."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from blackbox_dft import TargetOptions, make_target
from blackbox_dft.targets.first_operators import read_first_operators
from blackbox_dft.targets.input_format import infer_input_format
from tests.helpers.mean_model import IMAGES
from tests.helpers.real_forms import CAFFE_MEANS, constant, keras_resnet50, preprocessed, save

node = helper.make_node
MEANS = np.float32(CAFFE_MEANS).reshape(3, 1, 1)
IMAGENET_MEAN, IMAGENET_STD = (np.float32(v).reshape(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
Case = tuple[list[onnx.NodeProto], list[onnx.TensorProto], str]


def quantized(scale: float, zero: int, kind: Any = np.uint8) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    nodes = [node("QuantizeLinear", ["x", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["y"])]
    return nodes, [constant("s", scale), constant("z", zero, kind)]


def batch_normalised(mean: Any, variance: Any, gamma: float = 1) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    numbers = {"gamma": [gamma] * 3, "beta": [0.3] * 3, "mean": mean, "var": variance}
    nodes = [node("BatchNormalization", ["x", *numbers], ["y"])]
    return nodes, [constant(name, value) for name, value in numbers.items()]


def each_channel(scale: float, shifts: Any, order: tuple[int, ...]) -> Case:
    """Channels one by one, and joined in another order, as TensorFlow's VGG and torchvision's Inception do."""
    nodes = [node("Split", ["x"], ["c0", "c1", "c2"], axis=1)]
    for c in range(3):
        nodes += [node("Mul", [f"c{c}", "k"], [f"m{c}"]), node("Add", [f"m{c}", f"b{c}"], [f"d{c}"])]
    nodes.append(node("Concat", [f"d{c}" for c in order], ["y"], axis=1))
    return nodes, [constant("k", scale), *(constant(f"b{c}", shift) for c, shift in enumerate(shifts))], ""


def chain(*steps: tuple[str, Any]) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    names = ["x", *(f"t{i}" for i in range(len(steps) - 1)), "y"]
    nodes = [node(kind, [names[i], f"k{i}"], [names[i + 1]]) for i, (kind, _) in enumerate(steps)]
    return nodes, [constant(f"k{i}", value) for i, (_, value) in enumerate(steps)]


CASES: dict[str, Case] = {
    "bytes / 255": (*chain(("Div", 255)), "0..255"),
    "bytes times 1 / 255": (*chain(("Mul", 1 / 255)), "0..255"),
    "bytes / 127.5 - 1": (*chain(("Div", 127.5), ("Sub", 1)), "0..255"),
    "bytes / 255, minus mean, over std": (
        *chain(("Div", 255), ("Sub", IMAGENET_MEAN), ("Div", IMAGENET_STD)),
        "0..255",
    ),
    "caffe mode, channels reversed": (
        [node("Gather", ["x", "i"], ["g"], axis=1), node("Sub", ["g", "m"], ["y"])],
        [constant("i", [2, 1, 0], np.int64), constant("m", MEANS)],
        "0..255",
    ),
    "caffe mode, given as BGR": (*chain(("Sub", MEANS)), "0..255 bgr"),
    "a mean image": (*chain(("Sub", MEANS + np.zeros((3, 16, 16), np.float32))), "0..255 bgr"),
    "integer means of BGR, then a factor": (
        *chain(("Add", [[[-104.0]], [[-117.0]], [[-123.0]]]), ("Mul", 0.017)),
        "0..255 bgr",
    ),
    "BGR in 0..1": (*chain(("Sub", IMAGENET_MEAN[::-1])), "0..1 bgr"),
    "batch normalisation of bytes": (*batch_normalised([127] * 3, [3000] * 3), "0..255"),
    "batch normalisation of bytes with a small gamma": (*batch_normalised([120, 115, 101], [4000] * 3, 0.01), "0..255"),
    "batch normalisation of 0..1": (*batch_normalised([0.48, 0.45, 0.4], [0.05] * 3, 0.01), "0..1"),
    "clipped to 0..255": (
        [node("Clip", ["x", "lo", "hi"], ["c"]), node("Div", ["c", "k"], ["y"])],
        [constant("lo", 0), constant("hi", 255), constant("k", 255)],
        "0..255",
    ),
    "clipped to 0..255 alone": (
        [node("Clip", ["x", "lo", "hi"], ["y"])],
        [constant("lo", 0), constant("hi", 255)],
        "0..255",
    ),
    "clipped as by ReLU6": (
        [node("Clip", ["x", "lo", "hi"], ["y"])],
        [constant("lo", 0), constant("hi", 6)],
        "0..1",
    ),
    "clipped to -1..1": ([node("Clip", ["x", "lo", "hi"], ["y"])], [constant("lo", -1), constant("hi", 1)], "-1..1"),
    "clipped to 0..1, times 255": (
        [node("Clip", ["x", "lo", "hi"], ["c"]), node("Mul", ["c", "k"], ["y"])],
        [constant("lo", 0), constant("hi", 1), constant("k", 255)],
        "0..1",
    ),
    "resized first": (
        [node("Resize", ["x", "", "s"], ["c"]), node("Mul", ["c", "k"], ["y"])],
        [constant("s", [1, 1, 2, 2]), constant("k", 1 / 255)],
        "0..255",
    ),
    "padded first": (
        [node("Pad", ["x", "p"], ["c"]), node("Div", ["c", "k"], ["y"])],
        [constant("p", [0, 0, 2, 2, 0, 0, 2, 2], np.int64), constant("k", 255)],
        "0..255",
    ),
    "its shape is used beside": (
        [node("Shape", ["x"], ["s"]), node("Reshape", ["x", "s"], ["c"]), node("Div", ["c", "k"], ["y"])],
        [constant("k", 255)],
        "0..255",
    ),
    "bytes by a cast": (
        [node("Cast", ["x"], ["b"], to=TensorProto.UINT8), node("Cast", ["b"], ["y"], to=TensorProto.FLOAT)],
        [],
        "0..255",
    ),
    "a depthwise convolution": (
        [node("Conv", ["x", "w", "b"], ["y"], group=3)],
        [constant("w", np.full((3, 1, 1, 1), 1 / 128)), constant("b", [-1] * 3)],
        "0..255",
    ),
    "quantized by 1": (*quantized(1, 0), "0..255"),
    "quantized by 1 to int8": (*quantized(1, -128, np.int8), "0..255"),
    "quantized by 1 / 255": (*quantized(1 / 255, 0), "0..1"),
    "quantized in -1..1": (*quantized(1 / 128, 128), "-1..1"),
    "quantized in -1..1, otherwise rounded": (*quantized(1 / 127.5, 127), "-1..1"),
    "each channel by itself, in 0..255": (*each_channel(1, [-123.68, -116.779, -103.939], (2, 1, 0))[:2], "0..255"),
    "each channel by itself, in 0..1": (*each_channel(0.458, [-0.03, -0.088, -0.188], (0, 1, 2))[:2], "0..1"),
    "0..1, minus mean, over std": (*chain(("Sub", IMAGENET_MEAN), ("Div", IMAGENET_STD)), "0..1"),
    "0..1 times 255, minus means": (*chain(("Mul", 255), ("Sub", MEANS[::-1])), "0..1"),
    "0..1 times 2 - 1": (*chain(("Mul", 2), ("Sub", 1)), "0..1"),
    "(x + 1) / 2": (*chain(("Add", 1), ("Div", 2)), "-1..1"),
    "(x + 1) 127.5, minus means": (*chain(("Add", 1), ("Mul", 127.5), ("Sub", MEANS[::-1])), "-1..1"),
}


@pytest.mark.parametrize(("nodes", "constants", "expected"), CASES.values(), ids=CASES)
def test_the_range_is_that_for_which_the_operators_make_sense(
    nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto], expected: str, tmp_path: Path
) -> None:
    value_range, _, order = expected.partition(" ")
    path = preprocessed(tmp_path / "m.onnx", nodes, constants)
    image_format = make_target(str(path), TargetOptions(provider="cpu")).input_format
    assert (image_format.range, image_format.channels) == (value_range, order or "rgb")
    # The same of a graph alone.
    graph = onnx.load(path).graph
    alone = infer_input_format("x", ["N", 3, 16, 16], "tensor(float)", TargetOptions(), graph)[0]
    assert (alone.range, alone.channels) == (value_range, order or "rgb")


def test_a_factor_of_one_scales_nothing(tmp_path: Path) -> None:
    graph = onnx.load(preprocessed(tmp_path / "m.onnx", *chain(("Mul", 1), ("Add", 0)))).graph
    assert not read_first_operators(graph, "x", [None, 3, 16, 16], np.float32, channel_axis=1).scales


def test_operators_in_a_function(tmp_path: Path) -> None:
    path = preprocessed(tmp_path / "m.onnx", [node("Rescale", ["x", "k"], ["y"], domain="mine")], [constant("k", 255)])
    model = onnx.load(path)
    opset = [helper.make_opsetid("", 13)]
    rescale = helper.make_function("mine", "Rescale", ["a", "b"], ["c"], [node("Div", ["a", "b"], ["c"])], opset)
    model.functions.append(rescale)
    model.opset_import.append(helper.make_opsetid("mine", 1))
    model.ir_version = 8
    onnx.save(model, path)
    assert make_target(str(path), TargetOptions(provider="cpu")).input_format.range == "0..255"


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE])
@pytest.mark.parametrize("sides", [[4, 3, 16, 16], ["N", 3, "H", "W"], [1, 3, 16, 16]])
def test_other_types_and_shapes(kind: int, sides: list[Any], tmp_path: Path) -> None:
    nodes = [node("Cast", ["x"], ["f"], to=TensorProto.FLOAT), node("Div", ["f", "k"], ["y"])]
    path = preprocessed(tmp_path / "m.onnx", nodes, [constant("k", 255)], kind=kind, sides=sides)
    assert make_target(str(path), TargetOptions(provider="cpu")).input_format.range == "0..255"


@pytest.mark.parametrize("opset", [9, 10, 11, 17, 21])
def test_other_opsets(opset: int, tmp_path: Path) -> None:
    path = preprocessed(tmp_path / "m.onnx", *chain(("Sub", 127.5), ("Mul", 0.0078)), opset=opset)
    assert make_target(str(path), TargetOptions(provider="cpu")).input_format.range == "0..255"


def test_clip_of_an_old_opset(tmp_path: Path) -> None:
    nodes = [node("Clip", ["x"], ["y"], min=0.0, max=255.0)]
    path = preprocessed(tmp_path / "m.onnx", nodes, [], opset=9)
    assert make_target(str(path), TargetOptions(provider="cpu")).input_format.range == "0..255"
    alone = infer_input_format("x", ["N", 3, 16, 16], "tensor(float)", TargetOptions(), onnx.load(path).graph)[0]
    assert alone.range == "0..255"


def test_weights_beside_the_file(tmp_path: Path) -> None:
    mean_image = MEANS + np.zeros((3, 16, 16), np.float32)
    model = onnx.load(preprocessed(tmp_path / "m.onnx", *chain(("Sub", mean_image))))
    onnx.save(model, tmp_path / "n.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    image_format = make_target(str(tmp_path / "n.onnx"), TargetOptions(provider="cpu")).input_format
    assert (image_format.range, image_format.channels) == ("0..255", "bgr")


def test_a_learned_operator_on_the_pixels_themselves_shows_nothing(tmp_path: Path) -> None:
    nodes = [
        node("ReduceMean", ["x"], ["m"], axes=[2, 3]),
        node("Sub", ["x", "m"], ["d"]),
        node("Div", ["d", "k"], ["y"]),
    ]
    graph = onnx.load(preprocessed(tmp_path / "m.onnx", nodes, [constant("k", 255)])).graph
    first = read_first_operators(graph, "x", [None, 3, 16, 16], np.float32, channel_axis=1)
    assert not first.scales
    assert first.range is None


def test_a_range_that_is_none_of_the_known_ones_is_noted(tmp_path: Path) -> None:
    target = make_target(str(preprocessed(tmp_path / "m.onnx", *quantized(0.0186, 114))))
    assert target.input_format.range == "0..1"
    assert any("--mean and --std" in note and "normalised" in note for note in target.describe()["notes"])


@pytest.mark.parametrize(("reverses", "channels"), [(True, "rgb"), (False, "bgr")])
def test_keras_caffe_mode(reverses: bool, channels: str, tmp_path: Path) -> None:
    target = make_target(str(keras_resnet50(tmp_path / "m.onnx", reverses=reverses)), TargetOptions(provider="cpu"))
    form = target.input_format
    assert (form.layout, form.range, form.channels) == ("nhwc", "0..255", channels)


def test_options_win(tmp_path: Path) -> None:
    path = str(preprocessed(tmp_path / "m.onnx", *chain(("Sub", MEANS))))
    form = make_target(path, TargetOptions(provider="cpu", range="0..1", channels="rgb")).input_format
    assert (form.range, form.channels) == ("0..1", "rgb")


def test_layout_and_channels_of_the_first_convolution(tmp_path: Path) -> None:
    """All sides are free, and their names tell nothing."""
    free = ["a", "b", "c", "d"]
    path = preprocessed(tmp_path / "m.onnx", [node("Identity", ["x"], ["y"])], [], sides=free)
    assert make_target(str(path), TargetOptions(provider="cpu")).input_format.layout == "nchw"
    nodes = [node("Transpose", ["x"], ["y"], perm=[0, 3, 1, 2])]
    path = preprocessed(tmp_path / "n.onnx", nodes, [], sides=free)
    assert make_target(str(path), TargetOptions(provider="cpu")).input_format.layout == "nhwc"
    weight = constant("w", np.ones((2, 1, 3, 3)))
    nodes = [node("Conv", ["x", "w"], ["f"]), node("ReduceMean", ["f"], ["y"], axes=[2, 3], keepdims=0)]
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, free)
    path = save(
        tmp_path / "g.onnx", nodes, [image], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [weight]
    )
    target = make_target(str(path), TargetOptions(provider="cpu", size=(8, 8)))
    assert target.input_format.channels == "grey"
    assert target.scores(IMAGES).shape == (7, 2)
