"""Models of usual shapes with random weights, for timing: nothing is learned and nothing downloaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

CLASSES = 8


class _Net:
    """Layers one after the other; every method returns the name of the tensor it made."""

    def __init__(self, side: int) -> None:
        self.nodes: list[object] = []
        self.weights: list[object] = []
        self.side = side
        self._rng = np.random.default_rng(0)

    def node(self, kind: str, *inputs: str, **attributes: object) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def weight(self, *shape: int, scale: float = 1.0) -> str:
        name = f"w{len(self.weights)}"
        values = self._rng.normal(size=shape).astype(np.float32) * scale
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def conv(self, x: str, into: int, out: int, size: int, stride: int = 1, groups: int = 1, relu: bool = True) -> str:
        scale = (2 / (into // groups * size * size)) ** 0.5
        w, b = self.weight(out, into // groups, size, size, scale=scale), self.weight(out, scale=0.01)
        pads = [size // 2] * 4
        x = self.node("Conv", x, w, b, kernel_shape=[size] * 2, strides=[stride] * 2, pads=pads, group=groups)
        return self.node("Relu", x) if relu else x

    def save(self, path: Path, x: str, channels: int) -> Path:
        pooled = self.node("Flatten", self.node("GlobalAveragePool", x))
        logits = self.node("Gemm", pooled, self.weight(channels, CLASSES, scale=0.1), self.weight(CLASSES))
        self.nodes.append(helper.make_node("Softmax", [logits], ["scores"], axis=-1))
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, self.side, self.side])
        scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", CLASSES])
        graph = helper.make_graph(self.nodes, path.stem, [image], [scores], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, {"classes": ",".join(f"c{i}" for i in range(CLASSES))})
        save(model, path)
        return path


def small_cnn(path: Path, side: int) -> Path:
    """Three strided convolutions; 2.8 million multiplications at 64x64."""
    net = _Net(side)
    x = net.conv("image", 3, 16, 3, 2)
    x = net.conv(x, 16, 32, 3, 2)
    return net.save(path, net.conv(x, 32, 64, 3, 2), 64)


def mobilenet_like(path: Path, side: int) -> Path:
    """MobileNet's depthwise separable blocks at half width (Howard et al. 2017, table 1)."""
    net = _Net(side)
    x, channels = net.conv("image", 3, 16, 3, 2), 16
    for out, stride in [(32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (256, 2), *[(256, 1)] * 5, (512, 2), (512, 1)]:
        x = net.conv(x, channels, channels, 3, stride, groups=channels)
        x, channels = net.conv(x, channels, out, 1), out
    return net.save(path, x, channels)


def resnet18_like(path: Path, side: int) -> Path:
    """ResNet-18 without normalisation, which is folded into convolutions anyway (He et al. 2016, table 1)."""
    net = _Net(side)
    x = net.conv("image", 3, 64, 7, 2)
    x, channels = net.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), 64
    for out in (64, 128, 256, 512):
        for block in range(2):
            stride = 2 if block == 0 and out > 64 else 1
            inner = net.conv(net.conv(x, channels, out, 3, stride), out, out, 3, relu=False)
            short = x if channels == out else net.conv(x, channels, out, 1, stride, relu=False)
            x, channels = net.node("Relu", net.node("Add", inner, short)), out
    return net.save(path, x, channels)


SYNTHETIC: dict[str, tuple[Callable[[Path, int], Path], int]] = {
    "small-cnn-64": (small_cnn, 64),
    "small-cnn-112": (small_cnn, 112),
    "mobilenet-112": (mobilenet_like, 112),
    "resnet18-224": (resnet18_like, 224),
}
REAL = {
    "mini-xception-64": "emotion_mini_xception.onnx",
    "age-gender-112": "age_gender_faceapi.onnx",
    "expression-112": "expression_faceapi.onnx",
}
OUTPUTS = {"age-gender-112": "gender"}


def build(name: str, folder: Path, shared: Path) -> Path:
    """The model called ``name``, as a file."""
    if name in REAL:
        return shared / "models" / REAL[name]
    make, side = SYNTHETIC[name]
    return make(folder / f"{name}.onnx", side)
