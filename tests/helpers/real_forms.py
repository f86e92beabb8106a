"""Small models in the form of well-known exports: names, shapes, operators, metadata and the files beside them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 16
CAFFE_MEANS = (103.939, 116.779, 123.68)
"""Of blue, green and red."""
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}


def constant(name: str, value: Any, kind: Any = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value, kind), name)


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    constants: list[onnx.TensorProto],
    meta: dict[str, str] | None = None,
    opset: int = 13,
) -> Path:
    graph = helper.make_graph(nodes, "g", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 2)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=7)
    helper.set_model_props(model, meta or {})
    onnx.save(model, path)
    return path


def image(name: str, sides: list[Any], kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, sides)


def channel_means(pixels: str, scores: str, classes: int = 3) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """A convolution of each channel alone and the mean of each: scores are what the convolution receives."""
    weight = np.eye(classes, 3, dtype=np.float32)[:, :, None, None]
    nodes = [
        helper.make_node("Conv", [pixels, "conv_w"], ["features"], kernel_shape=[1, 1]),
        helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], [scores]),
    ]
    # Each weight twice, so that it is no scaling of one channel.
    return nodes, [constant("conv_w", weight + 1e-9)]


def preprocessed(path: Path, nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto], **more: Any) -> Path:
    """A model of ``x`` [N, 3, SIDE, SIDE] whose ``nodes`` make ``y``; its scores are the means of the channels of y."""
    body, weights = channel_means("y", "scores")
    return save(
        path,
        [*nodes, *body],
        [image("x", more.pop("sides", ["N", 3, SIDE, SIDE]), more.pop("kind", TensorProto.FLOAT))],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 3])],
        [*constants, *weights],
        **more,
    )


def microsoft_mnist(path: Path) -> Path:
    """Microsoft's mnist.onnx: grey pixels in 0..255, said by its metadata alone; weights are inputs, as in IR 3."""
    weights = [
        constant("Parameter5", np.random.default_rng(0).normal(size=(4, 1, 5, 5))),
        constant("Parameter193", np.random.default_rng(1).normal(size=(4 * 28 * 28, 10)) / 1e4),
        constant("shape", [1, -1], np.int64),
    ]
    nodes = [
        helper.make_node("Conv", ["Input3", "Parameter5"], ["Convolution28_Output_0"], auto_pad="SAME_UPPER"),
        helper.make_node("Relu", ["Convolution28_Output_0"], ["ReLU32_Output_0"]),
        helper.make_node("Reshape", ["ReLU32_Output_0", "shape"], ["Pooling160_Output_0_reshape0"]),
        helper.make_node("MatMul", ["Pooling160_Output_0_reshape0", "Parameter193"], ["Plus214_Output_0"]),
    ]
    inputs = [
        image("Input3", [1, 1, 28, 28]),
        image("Parameter5", [4, 1, 5, 5]),
        image("Parameter193", [4 * 28 * 28, 10]),
        image("shape", [2], TensorProto.INT64),
    ]
    meta = {
        "Image.BitmapPixelFormat": "Gray8",
        "Image.ColorSpaceGamma": "SRGB",
        "Image.NominalPixelRange": "NominalRange_0_255",
    }
    return save(path, nodes, inputs, [image("Plus214_Output_0", [1, 10])], weights, meta, opset=8)


def custom_vision(path: Path, names: tuple[str, ...] = ("blue", "green", "red")) -> Path:
    """Azure Custom Vision: BGR in 0..255, said by its metadata; a text and a ZipMap as outputs; labels.txt."""
    body, weights = channel_means("centred", "channels")
    nodes = [
        helper.make_node("Identity", ["data"], ["centred"]),
        *body,
        helper.make_node("Softmax", ["channels"], ["model_outputs0"], axis=1),
        helper.make_node("ArgMax", ["model_outputs0"], ["best"], axis=1, keepdims=1),
        helper.make_node("ArrayFeatureExtractor", ["names", "best"], ["chosen"], domain="ai.onnx.ml"),
        helper.make_node("Reshape", ["chosen", "column"], ["classLabel"]),
        helper.make_node("ZipMap", ["model_outputs0"], ["loss"], domain="ai.onnx.ml", classlabels_strings=list(names)),
    ]
    constants = [*weights, constant("names", names, object), constant("column", [-1, 1], np.int64)]
    table = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    outputs = [
        image("classLabel", ["None", 1], TensorProto.STRING),
        helper.make_value_info("loss", helper.make_sequence_type_proto(table)),
    ]
    meta = {
        "Image.BitmapPixelFormat": "Bgr8",
        "Image.ColorSpaceGamma": "SRGB",
        "Image.NominalPixelRange": "NominalRange_0_255",
    }
    (path.parent / "labels.txt").write_text("\n".join(names) + "\n")
    return save(path, nodes, [image("data", ["None", 3, SIDE, SIDE])], outputs, constants, meta)


def keras_resnet50(path: Path, *, reverses: bool = True) -> Path:
    """A Keras application: NHWC, ``preprocess_input`` in caffe mode inside, which reverses the channels."""
    nodes, pixels = [], "input_1"
    constants = [
        constant("minus", [-mean for mean in CAFFE_MEANS]),
        constant("pads", [0, 0, 3, 3, 0, 0, 3, 3], np.int64),
    ]
    if reverses:
        pixels = "reversed"
        nodes.append(helper.make_node("Slice", ["input_1", "from", "to", "axis", "step"], [pixels]))
        constants += [
            constant(name, [value], np.int64)
            for name, value in (("from", -1), ("to", -(2**31)), ("axis", 3), ("step", -1))
        ]
    body, weights = channel_means("padded", "channels")
    nodes += [
        helper.make_node("Add", [pixels, "minus"], ["centred"]),
        helper.make_node("Transpose", ["centred"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Pad", ["planes", "pads"], ["padded"]),
        *body,
        helper.make_node("Softmax", ["channels"], ["predictions"], axis=1),
    ]
    outputs = [image("predictions", ["unk__617", 3])]
    return save(path, nodes, [image("input_1", ["unk__616", SIDE, SIDE, 3])], outputs, [*constants, *weights])


def hugging_face(folder: Path, preprocessor: dict[str, Any] | None = None, **config: Any) -> Path:
    """An export by ``optimum``: every side is free, and what the model wants is in the files beside it."""
    body, weights = channel_means("pixel_values", "logits")
    sides = ["batch_size", "num_channels", "height", "width"]
    outputs = [image("logits", ["batch_size", 3])]
    path = save(folder / "model.onnx", body, [image("pixel_values", sides)], outputs, weights)
    usual = {
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_processor_type": "ViTImageProcessor",
        "resample": 2,
        "rescale_factor": 0.00392156862745098,
        "size": {"height": 24, "width": 24},
        **IMAGENET,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(usual | (preprocessor or {})))
    id2label = {"0": "cat", "1": "dog", "2": "guinea pig"}
    described = {"architectures": ["ViTForImageClassification"], "model_type": "vit", "id2label": id2label}
    (folder / "config.json").write_text(json.dumps(described | config))
    return path
