"""Outputs that hide scores: exposes the tensor of all scores before a ZipMap or a TopK at the end of a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blackbox_dft.targets.graph_constants import constant_tensors

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto

SAME_SCORES = (
    *("Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Dropout"),
    *("Softmax", "Sigmoid", "LogSoftmax", "Mul", "Div", "Exp", "Log"),
)
"""Operators after which sorted scores are sorted scores still."""
MAX_STEPS = 8
"""Operators between a TopK and an output, at most."""


@dataclass(frozen=True)
class InnerScores:
    """A tensor that takes the place of an output of the model."""

    output: str
    """Name of the model's output."""
    tensor: str
    """Name of the tensor of all scores, ``(N, K)``."""
    operator: str
    """What is between both: ``ZipMap``, ``TopK``, or ``TopK of the smallest values``, whose scores are distances."""
    classes: tuple[str, ...] | None
    """Names of the scores, if the operator has them."""


def expose_scores(graph: GraphProto) -> list[InnerScores]:
    """Replaces outputs of ZipMap and TopK by the scores that go into these operators; ``graph`` is modified.

    ZipMap returns dictionaries. TopK returns sorted values, whose columns are ranks and not classes, and indices. The
    index of the first class alone, TopK with k = 1, is a decision and stays.

    >>> from onnx import TensorProto, helper
    >>> image = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 10])
    >>> best = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 5]) for name in ("values", "indices")]
    >>> graph = helper.make_graph([helper.make_node("TopK", ["x", "k"], ["values", "indices"])], "g", [image], best)
    >>> [(one.output, one.tensor, one.operator) for one in expose_scores(graph)]
    [('values', 'x', 'TopK'), ('indices', 'x', 'TopK')]
    >>> [output.name for output in graph.output]
    ['x']
    """
    from onnx import ValueInfoProto

    makers = {name: node for node in graph.node for name in node.output if name}
    constants = constant_tensors(graph)
    found = [
        inner
        for output in graph.output
        if (inner := _zipped(output.name, makers) or _sorted(output.name, makers, constants))
    ]
    if found:
        tensors = {inner.output: inner.tensor for inner in found}
        originals = {output.name: output for output in graph.output}
        # In their order, each once. Those without a type get one from ONNX Runtime.
        names = dict.fromkeys(tensors.get(name, name) for name in originals)
        del graph.output[:]
        graph.output.extend(originals.get(name) or ValueInfoProto(name=name) for name in names)
    return found


def _zipped(output: str, makers: Mapping[str, NodeProto]) -> InnerScores | None:
    node = makers.get(output)
    while node is not None and node.op_type == "Identity":
        node = makers.get(node.input[0])
    if node is None or node.op_type != "ZipMap":
        return None
    names: tuple[str, ...] | None = None
    for attribute in node.attribute:
        if attribute.name == "classlabels_strings" and attribute.strings:
            names = tuple(text.decode("utf-8", "replace") for text in attribute.strings)
        if attribute.name == "classlabels_int64s" and attribute.ints:
            names = tuple(map(str, attribute.ints))
    return InnerScores(output, node.input[0], "ZipMap", names)


def _sorted(output: str, makers: Mapping[str, NodeProto], constants: Mapping[str, TensorProto]) -> InnerScores | None:
    tensor = output
    for _ in range(MAX_STEPS):
        node = makers.get(tensor)
        if node is None:
            return None
        if node.op_type == "TopK":
            if tensor in node.output[1:] and _count(node, constants) == 1:
                return None
            smallest = any(attribute.name == "largest" and attribute.i == 0 for attribute in node.attribute)
            return InnerScores(output, node.input[0], "TopK of the smallest values" if smallest else "TopK", None)
        moved = [name for name in node.input if name and name not in constants]
        if node.op_type not in SAME_SCORES or (node.op_type in ("Mul", "Div") and len(moved) != 1) or not moved:
            return None
        tensor = moved[0]
    return None


def _count(node: NodeProto, constants: Mapping[str, TensorProto]) -> int | None:
    """The k of a TopK, if it is constant."""
    from onnx import numpy_helper

    for attribute in node.attribute:
        if attribute.name == "k":
            return int(attribute.i)
    k = constants.get(node.input[1]) if len(node.input) > 1 else None
    return None if k is None or k.data_location else int(numpy_helper.to_array(k).ravel()[0])
