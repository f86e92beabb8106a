"""A change in front of a model: two graphs made one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blackbox_dft._utils.types import Array
from blackbox_dft.errors import InputError
from blackbox_dft.images.encoding import LUMA_WEIGHTS
from blackbox_dft.spaces.onnx_builder import OnnxBuilder
from blackbox_dft.targets.input_format import InputFormat

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, ValueInfoProto

OPSET = 17
IR_VERSION = 8
RENAMED = "bbdft_own_"
"""What begins the name of a model's own tensor whose name an input of the joint graph takes."""


def load(path: Path) -> ModelProto:
    """The model in a file.

    Raises:
        InputError: there is none.
    """
    import onnx

    if not path.exists():
        raise InputError(f"{path} does not exist: give the ONNX file to fuse.")
    try:
        return onnx.load(str(path))
    except Exception as error:
        raise InputError(f"{path} is not an ONNX file, or is cut off: export or copy it again.") from error


def recent(proto: ModelProto, path: Path) -> ModelProto:
    """The model at ``OPSET`` or above."""
    from onnx import version_converter

    versions = {entry.domain: entry.version for entry in proto.opset_import}
    have = versions.get("", versions.get("ai.onnx", 1))
    if have >= OPSET:
        return proto
    try:
        return version_converter.convert_version(proto, OPSET)
    except Exception as error:
        raise InputError(
            f"{path} is of ONNX opset {have} and cannot be brought to {OPSET}, which the change needs: export it anew."
        ) from error


def image_input(proto: ModelProto, model: Path) -> ValueInfoProto:
    """The one input of a model.

    Raises:
        InputError: it has several.
    """
    body = proto.graph
    weights = _weights(body)
    inputs = [value for value in body.input if value.name not in weights]
    if len(inputs) != 1:
        raise InputError(f"{model} has {len(inputs)} inputs: only a model with one image input can be fused.")
    return inputs[0]


def join(proto: ModelProto, graph: OnnxBuilder, prepared: str, inputs: list[ValueInfoProto], model: Path) -> None:
    """Puts ``graph``, which makes ``prepared`` out of ``inputs``, in front of the model, in place.

    All else of the model (its names, outputs, metadata) stays.

    Raises:
        InputError: it holds a change already, or calls an output as an input is called.
    """
    from onnx import helper

    body = proto.graph
    entry = image_input(proto, model).name
    taken = {name for node in body.node for name in [*node.input, *node.output]} | _weights(body)
    if clash := taken & {name for node in graph.nodes for name in node.output}:
        raise InputError(f"{model} already holds a change ({min(clash)}): fuse the original model.")
    for value in inputs:
        if value.name in {output.name for output in body.output}:
            raise InputError(
                f"{model} calls an output {value.name!r}, as fused files call their input: rename the output."
            )
        if value.name in taken | {entry}:
            own = RENAMED + value.name
            entry = own if entry == value.name else entry
            _rename(body, value.name, own)
    # The change ends in what the model called its input, so that nothing in the model has to be touched.
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


def _rename(graph: GraphProto, old: str, new: str) -> None:
    """One tensor of a graph, also where inner graphs (If, Loop) read it."""
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs]:
                _rename(inner, old, new)
    for value in [*graph.initializer, *graph.value_info, *graph.output]:
        if value.name == old:
            value.name = new


def divided(graph: OnnxBuilder, planes: str, form: InputFormat) -> str | None:
    """Planes of bytes as the model wants them, to the bit as numpy divides them; nothing where that is not possible."""
    from onnx import TensorProto

    if form.dtype != "float32" or form.channels == "grey":
        return None
    if form.channels == "bgr":
        planes = graph.op("Gather", planes, graph.constant(np.array([2, 1, 0])), axis=1)
    planes = graph.op("Cast", planes, to=TensorProto.FLOAT)
    ranges = {"0..1": [("Div", (255.0,))], "0..255": [], "-1..1": [("Mul", (2 / 255,)), ("Sub", (1.0,))]}
    normalised = [(kind, value) for kind, value in (("Sub", form.mean), ("Div", form.std)) if value is not None]
    for kind, value in [*ranges[form.range], *normalised]:
        planes = graph.op(kind, planes, graph.constant(np.array(value, np.float32).reshape(-1, 1, 1)))
    return _laid_out(graph, planes, form)


def prepared(graph: OnnxBuilder, planes: str, form: InputFormat, kind: int, *, levels: bool = False) -> str:
    """RGB planes ``(N, 3, H, W)`` as the model wants them: in [0, 1], or 8-bit ``levels``.

    ``kind`` is ONNX's number of the model's own type.
    """
    if form.channels == "bgr":
        planes = graph.op("Gather", planes, graph.constant(np.array([2, 1, 0])), axis=1)
    if levels and form.dtype == "uint8" and form.channels != "grey":
        return _laid_out(graph, planes, form)
    scale, shift = _scale(form)
    if levels:
        # One step makes floats of them and scales them too, where all channels are scaled alike.
        whole, scale = (np.float32(1), scale) if scale.ndim else (np.float32(scale), np.ones((), np.float32))
        step, zero = graph.constant(np.float32(whole / 255)), graph.constant(np.uint8(0))
        planes = graph.op("DequantizeLinear", planes, step, zero)
    if form.channels == "grey":
        planes = graph.op("Conv", planes, graph.constant(LUMA_WEIGHTS.reshape(1, 3, 1, 1)))
    if np.any(scale != 1) or np.any(shift != 0):
        each = (graph.constant(value.reshape(-1, 1, 1) if value.ndim else value) for value in (scale, shift))
        planes = graph.op("Add", graph.op("Mul", planes, next(each)), next(each))
    if not np.issubdtype(np.dtype(form.dtype), np.floating):
        planes = graph.op("Floor", graph.op("Add", planes, graph.constant(np.float32(0.5))))
    planes = _laid_out(graph, planes, form)
    return planes if form.dtype == "float32" else graph.op("Cast", planes, to=kind)


def _laid_out(graph: OnnxBuilder, planes: str, form: InputFormat) -> str:
    return planes if form.layout == "nchw" else graph.op("Transpose", planes, perm=[0, 2, 3, 1])


def _scale(form: InputFormat) -> tuple[Array, Array]:
    top, bottom = {"0..1": (1.0, 0.0), "0..255": (255.0, 0.0), "-1..1": (2.0, -1.0)}[form.range]
    mean, std = np.array(form.mean or 0.0), np.array(form.std or 1.0)
    # (x top + bottom - mean) / std, with mean and std in units of [0, 1] images and bottom 0 wherever they are given.
    return (top / std).astype(np.float32), ((bottom - mean * top) / std).astype(np.float32)
