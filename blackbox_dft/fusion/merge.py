"""Merges two ONNX graphs: writes the graph of a change in front of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blackbox_dft._utils.types import Array
from blackbox_dft.errors import InputError
from blackbox_dft.images.encoding import LUMA_WEIGHTS
from blackbox_dft.spaces.base import Space
from blackbox_dft.spaces.composed import Composed
from blackbox_dft.spaces.onnx_builder import OnnxBuilder
from blackbox_dft.targets.input_format import InputFormat

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

OPSET = 17
IR_VERSION = 8
RENAME_PREFIX = "bbdft_own_"
"""Prefix for a tensor of the model that has the name of an input of the merged graph."""


def upgrade_opset(proto: ModelProto, path: Path) -> ModelProto:
    """The model from ``path`` at ``OPSET`` or above.

    Raises:
        InputError: it cannot be converted.
    """
    from onnx import version_converter

    versions = {entry.domain: entry.version for entry in proto.opset_import}
    have = versions.get("", versions.get("ai.onnx", 1))
    if have >= OPSET:
        return proto
    try:
        return version_converter.convert_version(proto, OPSET)
    except Exception as error:
        raise InputError(
            f"{path} has ONNX opset {have} and cannot be converted to opset {OPSET}, which the change needs: "
            f"export it for opset {OPSET}."
        ) from error


def check_has_graph(space: Space) -> None:
    """Refuses spaces that cannot be written as ONNX nodes.

    Raises:
        InputError: ``space``, or a part of it, has no method ``graph``.
    """
    for part in space.parts if isinstance(space, Composed) else (space,):
        # A subclass of the Protocol inherits its empty method.
        if getattr(type(part), "graph", None) in (None, Space.graph):
            raise InputError(
                f"the space {part.spec} cannot be written as ONNX nodes, as it has no method 'graph': "
                "'bbdft apply' changes images without it."
            )


def image_input(proto: ModelProto, model: Path) -> ValueInfoProto:
    """The only input of the model from the file ``model``.

    Raises:
        InputError: it has several inputs.
    """
    body = proto.graph
    weights = _weights(body)
    inputs = [value for value in body.input if value.name not in weights]
    if len(inputs) != 1:
        raise InputError(f"{model} has {len(inputs)} inputs: only a model with one image input can be fused.")
    return inputs[0]


def merge(proto: ModelProto, graph: OnnxBuilder, prepared: str, inputs: list[ValueInfoProto], model: Path) -> None:
    """Writes ``graph`` in front of the model ``proto``, in place; the model's names, outputs and metadata stay.

    Args:
        proto: the model from the file ``model``.
        graph: computes the tensor ``prepared``, the model's input, from ``inputs``.
        prepared: name of that tensor.
        inputs: of the merged graph.
        model: named in error messages.

    Raises:
        InputError: the model contains a change already, or one of its outputs has the name of an input.
    """
    from onnx import helper

    body = proto.graph
    entry = image_input(proto, model).name
    taken = {name for node in body.node for name in [*node.input, *node.output]} | _weights(body)
    if clash := taken & {name for node in graph.nodes for name in node.output}:
        raise InputError(f"{model} already contains a change ({min(clash)}): give the original model.")
    for value in inputs:
        if value.name in {output.name for output in body.output}:
            raise InputError(
                f"{model} has an output {value.name!r}, the name of a fused file's input: rename the output."
            )
        if value.name in taken | {entry}:
            own = RENAME_PREFIX + value.name
            entry = own if entry == value.name else entry
            _rename(body, {value.name: own})
    # The change ends in the name of the model's input, so that no node of the model has to be edited.
    graph.nodes.append(helper.make_node("Identity", [prepared], [entry]))
    nodes = [*graph.nodes, *body.node]
    del body.node[:], body.input[:]
    body.node.extend(nodes)
    body.initializer.extend(graph.constants)
    body.input.extend(inputs)
    for imported in proto.opset_import:
        imported.domain = "" if imported.domain == "ai.onnx" else imported.domain
    proto.ir_version = max(IR_VERSION, proto.ir_version)


def _weights(body: GraphProto) -> set[str]:
    return {tensor.name for tensor in body.initializer} | {tensor.values.name for tensor in body.sparse_initializer}


def _rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    """Renames tensors of a graph, and their uses in inner graphs (If, Loop)."""
    for node in graph.node:
        _rename_in(node, names)
    for value in [*graph.initializer, *graph.value_info, *graph.output]:
        value.name = names.get(value.name, value.name)


def _rename_in(node: NodeProto, names: Mapping[str, str]) -> None:
    node.input[:] = [names.get(name, name) for name in node.input]
    node.output[:] = [names.get(name, name) for name in node.output]
    for attribute in node.attribute:
        for inner in [attribute.g, *attribute.graphs]:
            _rename(inner, names)


def repeat(
    proto: ModelProto, nodes: Sequence[NodeProto], entry: str, graph: OnnxBuilder, prepared: str
) -> dict[str, str]:
    """Adds the model of a merged graph once more, with the same weights, on another input; in place.

    Args:
        proto: the model that ``merge`` wrote a change in front of.
        nodes: of the model alone.
        entry: name of its input.
        graph: computes the tensor ``prepared``, the input of the repeated model; its prefix goes before all new names.
        prepared: name of that tensor.

    Returns:
        New names of the model's tensors, its outputs among them, by the old ones.
    """
    from onnx import NodeProto, helper

    body = proto.graph
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    made = {name for node in copies for name in node.output if name}
    names = {name: f"{graph.prefix}_{name}" for name in (entry, *made)}
    for node in copies:
        _rename_in(node, names)
        node.name = f"{graph.prefix}_{node.name}" if node.name else ""
    graph.nodes.append(helper.make_node("Identity", [prepared], [names[entry]]))
    body.node.extend([*graph.nodes, *copies])
    body.initializer.extend(graph.constants)
    return names


def prepare(graph: OnnxBuilder, planes: str, image_format: InputFormat, kind: int, *, levels: bool = False) -> str:
    """RGB planes ``(N, 3, H, W)`` to the model's input.

    Args:
        graph: gets the operators.
        planes: name of the tensor: floats in [0, 1], or bytes if ``levels``.
        image_format: of the model's input.
        kind: ONNX's number of the input's type.
        levels: whether ``planes`` are bytes.
    """
    if image_format.channels == "bgr":
        planes = graph.op("Gather", planes, graph.constant(np.array([2, 1, 0])), axis=1)
    if levels and image_format.dtype == "uint8" and image_format.channels != "grey":
        return _in_layout(graph, planes, image_format)
    scale, shift = _scale(image_format)
    if levels:
        # One operator converts to floats and scales too, if all channels are scaled alike.
        whole, scale = (np.float32(1), scale) if scale.ndim else (np.float32(scale), np.ones((), np.float32))
        step, zero = graph.constant(np.float32(whole / 255)), graph.constant(np.uint8(0))
        planes = graph.op("DequantizeLinear", planes, step, zero)
    if image_format.channels == "grey":
        planes = graph.op("Conv", planes, graph.constant(LUMA_WEIGHTS.reshape(1, 3, 1, 1)))
    if np.any(scale != 1) or np.any(shift != 0):
        each = (graph.constant(value.reshape(-1, 1, 1) if value.ndim else value) for value in (scale, shift))
        planes = graph.op("Add", graph.op("Mul", planes, next(each)), next(each))
    if not np.issubdtype(np.dtype(image_format.dtype), np.floating):
        planes = graph.op("Floor", graph.op("Add", planes, graph.constant(np.float32(0.5))))
    planes = _in_layout(graph, planes, image_format)
    return planes if image_format.dtype == "float32" else graph.op("Cast", planes, to=kind)


def prepare_exactly(graph: OnnxBuilder, images: str, image_format: InputFormat) -> str:
    """Bytes ``(N, H, W, 3)`` to the model's input, by the steps of ``InputFormat.prepare`` in their order.

    Only for formats of which ``is_exact_in_graph`` is true; the model gets the same floats to the bit.
    """
    from onnx import TensorProto

    if image_format.channels == "bgr":
        images = graph.op("Gather", images, graph.constant(np.array([2, 1, 0])), axis=3)
    if image_format.layout == "nchw":
        images = graph.op("Transpose", images, perm=[0, 3, 1, 2])
    values = graph.op("Cast", images, to=TensorProto.FLOAT)
    if image_format.range == "0..1":
        values = graph.op("Div", values, graph.constant(np.float32(255)))
    elif image_format.range == "-1..1":
        values = graph.op("Mul", values, graph.constant(np.float32(2 / 255)))
        values = graph.op("Sub", values, graph.constant(np.float32(1)))
    for operator, each in (("Sub", image_format.mean), ("Div", image_format.std)):
        if each is not None:
            column = np.array(each, np.float32)
            values = graph.op(
                operator, values, graph.constant(column[:, None, None] if image_format.layout == "nchw" else column)
            )
    return values


def is_exact_in_graph(image_format: InputFormat) -> bool:
    """Whether ``prepare_exactly`` can prepare such an input: of colour images, as float32."""
    return image_format.channels != "grey" and image_format.dtype == "float32"


def _in_layout(graph: OnnxBuilder, planes: str, image_format: InputFormat) -> str:
    return planes if image_format.layout == "nchw" else graph.op("Transpose", planes, perm=[0, 2, 3, 1])


def _scale(image_format: InputFormat) -> tuple[Array, Array]:
    top, bottom = {"0..1": (1.0, 0.0), "0..255": (255.0, 0.0), "-1..1": (2.0, -1.0)}[image_format.range]
    mean, std = np.array(image_format.mean or 0.0), np.array(image_format.std or 1.0)
    # (x top + bottom - mean) / std; mean and std are in units of [0, 1] images, and bottom is 0 if they are given.
    return (top / std).astype(np.float32), ((bottom - mean * top) / std).astype(np.float32)
