"""Scores of quantized models: bytes to the numbers that they stand for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blackbox_dft._utils.types import Scores
from blackbox_dft.targets.graph_constants import constant_tensors

if TYPE_CHECKING:
    from onnx import GraphProto

BYTE_TYPES = {"tensor(uint8)": 0, "tensor(int8)": -128}
"""Lowest value of each type."""
SCALE_INPUTS = {
    "QuantizeLinear": 1,
    "QLinearConv": 6,
    "QLinearMatMul": 6,
    "QLinearAdd": 6,
    "QLinearMul": 6,
    "QGemm": 7,
    "QLinearSoftmax": 3,
    "QLinearSigmoid": 3,
    "QLinearGlobalAveragePool": 3,
}
"""Which input of an operator is the scale of its output; the zero point is the next."""
MOVING = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose")


def dequantizer(graph: GraphProto, output: str, kind: str, folder: Path) -> Callable[[Scores], Scores] | None:
    """What turns the bytes of ``output`` into scores; ``None`` if they are no bytes (``kind`` is its type).

    By scale and zero point of the operator that quantizes them, if the graph has one; else, several bytes for an image
    are shares of 255, and one is a class index.

    >>> from onnx import TensorProto, helper, numpy_helper
    >>> scale, zero = numpy_helper.from_array(np.float32(0.5), "s"), numpy_helper.from_array(np.uint8(10), "z")
    >>> node = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"])
    >>> graph = helper.make_graph([node], "g", [], [], [scale, zero])
    >>> dequantizer(graph, "q", "tensor(uint8)", Path())(np.float32([[8, 12]]))
    array([[-1.,  1.]], dtype=float32)
    """
    if kind not in BYTE_TYPES:
        return None
    scale_and_zero = _scale_and_zero(graph, output, folder)
    lowest = BYTE_TYPES[kind]

    def dequantize(scores: Scores) -> Scores:
        if scale_and_zero is not None:
            scale, zero = scale_and_zero
        elif scores.shape[1] > 1:
            scale, zero = 1 / 255, float(lowest)
        else:
            return scores
        return ((scores - np.float32(zero)) * np.float32(scale)).astype(np.float32)

    return dequantize


def _scale_and_zero(graph: GraphProto, output: str, folder: Path) -> tuple[float, float] | None:
    from onnx import numpy_helper

    makers = {name: node for node in graph.node for name in node.output}
    node = makers.get(output)
    while node is not None and node.op_type in MOVING:
        node = makers.get(node.input[0])
    place = SCALE_INPUTS.get(node.op_type) if node is not None else None
    if node is None or place is None:
        return None
    constants = constant_tensors(graph)
    numbers = []
    for name in [*node.input, ""][place : place + 2]:
        if not name:
            numbers.append(0.0)
            continue
        tensor = constants.get(name)
        values = None if tensor is None else numpy_helper.to_array(tensor, str(folder)).ravel()
        if values is None or values.size != 1:
            return None
        numbers.append(float(values[0]))
    return numbers[0], numbers[1]
