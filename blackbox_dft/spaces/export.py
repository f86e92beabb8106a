"""The change as an ONNX file: alone, image to image, or in front of a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from blackbox_dft.arrays import Array, Floats
from blackbox_dft.errors import InputError
from blackbox_dft.files import write_atomically
from blackbox_dft.spaces.base import Space
from blackbox_dft.spaces.graph import Graph

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 17
IR_VERSION = 8
INPUT = "image"
"""Name of the input of every file written here: float32 ``(N, 3, H, W)``, RGB in [0, 1]."""


class InputForm(Protocol):
    """How a model wants its images; ``blackbox_dft.targets.layout`` finds it out."""

    @property
    def layout(self) -> str:
        """``nchw`` or ``nhwc``."""

    @property
    def channels(self) -> str:
        """``rgb``, ``bgr`` or ``grey``."""

    @property
    def range(self) -> str:
        """``0..1``, ``0..255`` or ``-1..1``."""

    @property
    def mean(self) -> tuple[float, ...] | None:
        """Subtracted from images in [0, 1]."""

    @property
    def std(self) -> tuple[float, ...] | None:
        """Divides them after that."""

    @property
    def dtype(self) -> str:
        """numpy's name of the type."""


def export_onnx(space: Space, z: Floats, shape: tuple[int, int, int], path: str | Path, *, levels: bool = True) -> None:
    """Writes the change by ``z (k,)`` as image -> image, both float32 ``(N, 3, H, W)`` RGB in [0, 1].

    Args:
        shape: of the images the space was made for, (H, W, 3).
        levels: round to 8 bits, as the target was sent them.
    """
    from onnx import TensorProto, helper

    graph = Graph("change")
    changed = _changed(graph, space, z, levels)
    graph.nodes.append(helper.make_node("Transpose", [changed], ["changed"], perm=[0, 3, 1, 2]))
    height, width, depth = shape
    sides: list[str | int] = ["N", depth, height, width]
    out = helper.make_tensor_value_info("changed", TensorProto.FLOAT, sides)
    _write(_model(graph, sides, [out], OPSET), path)


def fuse_onnx(
    space: Space,
    z: Floats,
    shape: tuple[int, int, int],
    model: str | Path,
    path: str | Path,
    *,
    form: InputForm,
    levels: bool = True,
) -> None:
    """Writes ``model`` with the change in front of it: unchanged images in, its own outputs out.

    Whatever the model wants (layout, channel order, range, mean and standard deviation, type), the file takes float32
    ``(N, 3, H, W)`` RGB in [0, 1] as ``image``.

    Raises:
        InputError: the model is older than the operators the change needs and cannot be brought up to them.
    """
    import onnx
    from onnx import helper

    proto = _recent(onnx.load(str(model)), Path(model))
    opset = next(entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx"))
    weights = {tensor.name for tensor in proto.graph.initializer}
    old = next(value for value in proto.graph.input if value.name not in weights)

    graph = Graph("bbdft_change")
    changed = _changed(graph, space, z, levels)
    prepared = _prepared(graph, changed, form, old.type.tensor_type.elem_type)
    taken = {name for node in proto.graph.node for name in [*node.input, *node.output]} | weights
    if clash := taken & {name for node in graph.nodes for name in node.output}:
        raise InputError(f"{model} already holds a change ({sorted(clash)[0]}): fuse the original model.")
    # The model keeps its names; only what it called its input may not collide with ours.
    entry = "bbdft_prepared"
    graph.nodes.append(helper.make_node("Identity", [prepared], [entry]))
    for node in proto.graph.node:
        for position, name in enumerate(node.input):
            if name == old.name:
                node.input[position] = entry
    height, width, depth = shape
    fused = _model(graph, ["N", depth, height, width], list(proto.graph.output), opset)
    fused.graph.node.extend(proto.graph.node)
    fused.graph.initializer.extend(proto.graph.initializer)
    fused.graph.value_info.extend(value for value in proto.graph.value_info if value.name != INPUT)
    fused.functions.extend(proto.functions)
    fused.metadata_props.extend(proto.metadata_props)
    known = {e.domain for e in fused.opset_import}
    fused.opset_import.extend(e for e in proto.opset_import if e.domain not in {*known, "ai.onnx"})
    fused.ir_version = max(fused.ir_version, proto.ir_version)
    _write(fused, path)


def _changed(graph: Graph, space: Space, z: Floats, levels: bool) -> str:
    """NHWC images changed by a constant z, from the file's NCHW input."""
    images = graph.op("Transpose", INPUT, perm=[0, 2, 3, 1])
    changed = space.graph(graph, images, graph.constant(np.asarray(z, np.float32)[None]))
    if not levels:
        return changed
    scaled = graph.op("Mul", changed, graph.constant(np.float32(255)))
    whole = graph.op("Floor", graph.op("Add", scaled, graph.constant(np.float32(0.5))))
    return graph.op("Div", whole, graph.constant(np.float32(255)))


def _prepared(graph: Graph, images: str, form: InputForm, kind: int) -> str:
    """NHWC RGB images in [0, 1] as the model wants them."""
    if form.channels == "bgr":
        images = graph.op("Gather", images, graph.constant(np.array([2, 1, 0])), axis=3)
    elif form.channels == "grey":
        images = graph.op("MatMul", images, graph.constant(np.array([[0.299], [0.587], [0.114]], np.float32)))
    scale, shift = _scale(form)
    if np.any(scale != 1) or np.any(shift != 0):
        images = graph.op("Add", graph.op("Mul", images, graph.constant(scale)), graph.constant(shift))
    if not np.issubdtype(np.dtype(form.dtype), np.floating):
        images = graph.op("Floor", graph.op("Add", images, graph.constant(np.float32(0.5))))
    if form.layout == "nchw":
        images = graph.op("Transpose", images, perm=[0, 3, 1, 2])
    return images if form.dtype == "float32" else graph.op("Cast", images, to=kind)


def _scale(form: InputForm) -> tuple[Array, Array]:
    top, bottom = {"0..1": (1.0, 0.0), "0..255": (255.0, 0.0), "-1..1": (2.0, -1.0)}[form.range]
    mean, std = np.array(form.mean or 0.0), np.array(form.std or 1.0)
    # (x top + bottom - mean) / std, with mean and std in units of [0, 1] images and bottom 0 wherever they are given.
    return (top / std).astype(np.float32), ((bottom - mean * top) / std).astype(np.float32)


def _recent(proto: ModelProto, path: Path) -> ModelProto:
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


def _model(graph: Graph, sides: list[str | int], outputs: list[Any], opset: int) -> ModelProto:
    from onnx import TensorProto, helper

    image = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, sides)
    body = helper.make_graph(graph.nodes, "bbdft", [image], outputs, graph.constants)
    return helper.make_model(
        body, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION, producer_name="blackbox-dft"
    )


def _write(model: ModelProto, path: str | Path) -> None:
    import onnx

    onnx.checker.check_model(model, full_check=True)
    write_atomically(path, lambda file: file.write(model.SerializeToString()))
