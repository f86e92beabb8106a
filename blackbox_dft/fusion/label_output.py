"""Label output: appends an output map to an ONNX model, which then also returns probabilities of the user's labels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from blackbox_dft.objectives.heads import Head
from blackbox_dft.objectives.joined_map import JoinedMap
from blackbox_dft.objectives.output_map import MIN_PROBABILITY, OutputMap
from blackbox_dft.objectives.outputs import Kind
from blackbox_dft.spaces.onnx_builder import OnnxBuilder
from blackbox_dft.targets.onnx.metadata import MAPPED_LABELS

if TYPE_CHECKING:
    from onnx import ModelProto

LABELS = "labels"
"""Name of the output, and of the metadata key with the names of its columns as JSON."""


@dataclass(frozen=True, eq=False)
class LabelOutput:
    """What turns raw scores into probabilities of the labels."""

    scores: str
    """Name of the model's output with the scores."""
    kind: Kind
    output_map: OutputMap | JoinedMap
    labels: Sequence[str]
    heads: Sequence[tuple[str, Head]] = ()
    """Further outputs that the map reads, by name."""


def append_labels(proto: ModelProto, added: LabelOutput, views: Sequence[Mapping[str, str]] = ({},)) -> None:
    """Adds the output ``labels`` ``(N, L)`` float32 to the model, in place; its other outputs stay.

    ``views`` says for each view what the model's outputs are called under it, by their own names; those left out keep
    theirs. The nodes compute in float64, as ``OutputDecoder`` does, so that both agree to rounding.
    """
    from onnx import TensorProto, helper

    graph = OnnxBuilder("bbdft_labels")
    joined, columns = added.output_map, len(added.output_map.label_matrix)
    classes = columns - sum(head.columns for _, head in added.heads)
    decoded = []
    for names in views:
        scores = graph.op("Cast", names.get(added.scores, added.scores), to=TensorProto.DOUBLE)
        parts = [_class_probabilities(graph, scores, added.kind, classes)]
        parts += [_features(graph, names.get(output, output), head) for output, head in added.heads]
        decoded.append(graph.op("Concat", *parts, axis=1) if len(parts) > 1 else parts[0])
    if isinstance(joined, JoinedMap):
        mapped = [_mapped(graph, probabilities, joined.each) for probabilities in decoded]
        number = graph.constant(np.float64(len(mapped)))
        found = _mapped(graph, graph.op("Div", graph.op("Concat", *mapped, axis=1), number), joined.joint)
    else:
        found = _mapped(graph, decoded[0], joined)
    name = LABELS if LABELS not in {output.name for output in proto.graph.output} else MAPPED_LABELS
    graph.nodes.append(helper.make_node("Cast", [found], [name], to=TensorProto.FLOAT))
    proto.graph.node.extend(graph.nodes)
    proto.graph.initializer.extend(graph.constants)
    shape = ["N", len(added.labels)]
    proto.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    proto.metadata_props.add(key=MAPPED_LABELS, value=json.dumps(list(added.labels)))


def _class_probabilities(graph: OnnxBuilder, values: str, kind: Kind, classes: int) -> str:
    """``objectives.outputs.probabilities`` as nodes."""
    from onnx import TensorProto

    if kind == "logits":
        return graph.op("Softmax", values, axis=1)
    if kind == "index":
        flat = graph.op("Reshape", values, graph.constant(np.array([-1], np.int64)))
        index = graph.op("Cast", flat, to=TensorProto.INT64)
        # ONNX Runtime has the operator for float32 only.
        ends = graph.constant(np.array([0, 1], np.float32))
        return graph.op(
            "Cast", graph.op("OneHot", index, graph.constant(np.int64(classes)), ends), to=TensorProto.DOUBLE
        )
    one = graph.constant(np.float64(1))
    if kind in ("sigmoid", "logit"):
        second = graph.op("Sigmoid", values) if kind == "logit" else values
        return graph.op("Concat", graph.op("Sub", one, second), second, axis=1)
    zero, columns = graph.constant(np.float64(0)), graph.constant(np.array([1], np.int64))
    if kind == "percent":
        values = graph.op("Div", values, graph.constant(np.float64(100)))
    values = graph.op("Max", values, zero)
    if kind in ("probabilities", "percent"):
        # Missing mass, of classes not returned, is shared among the zero ones.
        empty = graph.op("Cast", graph.op("LessOrEqual", values, zero), to=TensorProto.DOUBLE)
        missing = graph.op("Max", graph.op("Sub", one, graph.op("ReduceSum", values, columns)), zero)
        count = graph.op("Max", graph.op("ReduceSum", empty, columns), one)
        values = graph.op("Add", values, graph.op("Mul", empty, graph.op("Div", missing, count)))
    total = graph.op("ReduceSum", values, columns)
    shares = graph.op("Div", values, graph.op("Max", total, graph.constant(np.float64(1e-300))))
    even = graph.op("Add", graph.op("Mul", values, zero), graph.constant(np.float64(1 / classes)))
    return graph.op("Where", graph.op("Greater", total, zero), shares, even)


def _features(graph: OnnxBuilder, output: str, head: Head) -> str:
    """``Head.__call__`` as nodes, for finite numbers."""
    from onnx import TensorProto

    # As in the joined output that the map was fitted on: float32, one row an image.
    rows = graph.op("Flatten", graph.op("Cast", output, to=TensorProto.FLOAT), axis=1)
    values = graph.op("Cast", rows, to=TensorProto.DOUBLE)
    if not head.centres:
        return values
    distances = graph.op("Sub", values, graph.constant(np.array(head.centres)))
    distances = graph.op("Div", distances, graph.constant(np.array(head.spreads)))
    return graph.op("Concat", graph.op("Sigmoid", distances), graph.op("Sigmoid", graph.op("Neg", distances)), axis=1)


def _mapped(graph: OnnxBuilder, probabilities: str, output_map: OutputMap) -> str:
    """``OutputMap.__call__`` as nodes."""
    if output_map.family in ("none", "counts"):
        matrix = output_map.counts if output_map.family == "counts" else output_map.label_matrix
        return graph.op("MatMul", probabilities, graph.constant(np.asarray(matrix, np.float64)))
    own = graph.op("MatMul", probabilities, graph.constant(np.asarray(output_map.label_matrix, np.float64)))
    logits = graph.op("Mul", _logs(graph, own), graph.constant(np.exp(np.float64(output_map.log_scale))))
    if output_map.bias.size:
        logits = graph.op("Add", logits, graph.constant(output_map.bias))
    if output_map.weights.size:
        logs = _logs(graph, probabilities)
        centred = graph.op("Sub", logs, graph.mean(logs, (1,), np.float64(1 / len(output_map.label_matrix))))
        matrix = output_map.weights.T / output_map.spread
        logits = graph.op("Add", logits, graph.op("MatMul", centred, graph.constant(np.ascontiguousarray(matrix))))
    return graph.op("Softmax", logits, axis=1)


def _logs(graph: OnnxBuilder, values: str) -> str:
    low, high = graph.constant(np.float64(MIN_PROBABILITY)), graph.constant(np.float64(1))
    return graph.op("Log", graph.op("Min", graph.op("Max", values, low), high))
