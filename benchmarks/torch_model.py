"""An ONNX classifier as a PyTorch function, for gradients; only what the models of ``../shared`` are made of.

onnx2torch would do, but it needs torchvision, whose wheels do not load beside a CPU-only torch.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor
from torch.nn import functional

Operation = Callable[..., Tensor]


class TorchModel:
    """``model(images (N, 3, H, W))`` returns the output called ``output``, or the only one there is."""

    def __init__(self, path: Path, output: str | None = None) -> None:
        graph = onnx.load(path).graph
        self._constants = {
            tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer
        }
        self._input = next(value.name for value in graph.input if value.name not in self._constants)
        self._output = output or graph.output[0].name
        self._nodes = [
            (OPERATIONS[node.op_type], list(node.input), node.output[0], _attributes(node)) for node in graph.node
        ]

    def __call__(self, images: Tensor) -> Tensor:
        values = {**self._constants, self._input: images}
        for operation, inputs, output, attributes in self._nodes:
            values[output] = operation(*(values[name] for name in inputs if name), **attributes)
        return values[self._output]


def _attributes(node: Any) -> dict[str, Any]:
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


def _padded(x: Tensor, pads: list[int] | None, value: float = 0.0) -> Tensor:
    """ONNX gives all beginnings, then all ends; and other ends than beginnings, which layers of PyTorch do not know."""
    if not pads or not any(pads):
        return x
    top, left, bottom, right = pads
    return functional.pad(x, (left, right, top, bottom), value=value)


def _conv(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, pads: Any = None, strides: Any = (1, 1),
    dilations: Any = (1, 1), group: int = 1, kernel_shape: Any = None,
) -> Tensor:  # fmt: skip
    return functional.conv2d(
        _padded(x, pads), weight, bias, stride=tuple(strides), dilation=tuple(dilations), groups=group
    )


def _max_pool(x: Tensor, *, kernel_shape: Any, pads: Any = None, strides: Any = (1, 1)) -> Tensor:
    return functional.max_pool2d(_padded(x, pads, -float("inf")), tuple(kernel_shape), tuple(strides))


def _gemm(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, alpha: float = 1.0, beta: float = 1.0, transA: int = 0,
    transB: int = 0,
) -> Tensor:  # fmt: skip
    product = alpha * (x.T if transA else x) @ (weight.T if transB else weight)
    return product if bias is None else product + beta * bias


def _batch_norm(
    x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, *, epsilon: float = 1e-5, **_: Any
) -> Tensor:
    return functional.batch_norm(x, mean, variance, scale, bias, eps=epsilon)


OPERATIONS: dict[str, Operation] = {
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Relu": torch.relu,
    "Conv": _conv,
    "MaxPool": _max_pool,
    "Gemm": _gemm,
    "BatchNormalization": _batch_norm,
    "GlobalAveragePool": lambda x: x.mean(dim=(2, 3), keepdim=True),
    "Flatten": lambda x, axis=1: x.flatten(axis),
    "Softmax": lambda x, axis=-1: torch.softmax(x, axis),
}
