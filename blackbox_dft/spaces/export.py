"""The change as an ONNX file: alone, image to image, or in front of a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from blackbox_dft.arrays import Array, Floats
from blackbox_dft.errors import InputError
from blackbox_dft.files import write_atomically
from blackbox_dft.spaces.base import Space
from blackbox_dft.spaces.graph import Graph

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, ValueInfoProto

OPSET = 17
IR_VERSION = 8
INPUT = "image"
"""Name of the input of every file written here: float32 ``(N, 3, H, W)``, RGB in [0, 1]."""
RENAMED = "bbdft_prepared"
"""What a model's own tensor of that name is called in a fused file."""


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

    Raises:
        InputError: z of another length than the space's, or a file that cannot be written.
    """
    from onnx import TensorProto, helper

    graph = Graph("change")
    changed = _changed(graph, space, z, levels)
    graph.nodes.append(helper.make_node("Transpose", [changed], ["changed"], perm=[0, 3, 1, 2]))
    height, width, depth = shape
    image, out = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", depth, height, width])
        for name in (INPUT, "changed")
    )
    body = helper.make_graph(graph.nodes, "bbdft", [image], [out], graph.constants)
    opset = helper.make_opsetid("", OPSET)
    _write(helper.make_model(body, opset_imports=[opset], ir_version=IR_VERSION, producer_name="blackbox-dft"), path)


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
    ``(N, 3, H, W)`` RGB in [0, 1] as ``image``, N being the model's own where it fixes one. All else of the model
    (its names, outputs, metadata) stays.

    Raises:
        InputError: not an ONNX model of one image of this size, one that cannot be joined with the change (too old and
            not to be brought up to its operators, changed already), or z of another length than the space's.
    """
    from onnx import TensorProto, helper

    model = Path(model)
    proto = _recent(_load(model), model)
    body = proto.graph
    weights = {tensor.name for tensor in body.initializer} | {tensor.values.name for tensor in body.sparse_initializer}
    inputs = [value for value in body.input if value.name not in weights]
    if len(inputs) != 1:
        raise InputError(f"{model} has {len(inputs)} inputs: only a model with one image input can be fused.")
    (old,) = inputs
    sides, batched = _sides(old, shape, form, model)

    graph = Graph("bbdft_change")
    prepared = _prepared(graph, _changed(graph, space, z, levels), form, old.type.tensor_type.elem_type)
    if not batched:
        prepared = graph.op("Squeeze", prepared, graph.constant(np.array([0], np.int64)))
    taken = {name for node in body.node for name in [*node.input, *node.output]} | weights
    if clash := taken & {name for node in graph.nodes for name in node.output}:
        raise InputError(f"{model} already holds a change ({min(clash)}): fuse the original model.")
    if INPUT in {value.name for value in body.output}:
        raise InputError(f"{model} calls an output {INPUT!r}, as fused files call their input: rename the output.")
    # The change ends in what the model called its input, so that nothing in the model has to be touched.
    entry = old.name
    if INPUT in taken | {entry}:
        entry = RENAMED if entry == INPUT else entry
        _rename(body, INPUT, RENAMED)
    graph.nodes.append(helper.make_node("Identity", [prepared], [entry]))
    nodes = [*graph.nodes, *body.node]
    del body.node[:], body.input[:]
    body.node.extend(nodes)
    body.initializer.extend(graph.constants)
    body.input.append(helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, sides))
    for imported in proto.opset_import:
        imported.domain = "" if imported.domain == "ai.onnx" else imported.domain
    proto.ir_version = max(IR_VERSION, proto.ir_version)
    try:
        _write(proto, path)
    except InputError:
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise InputError(f"{model} cannot be joined with the change ({reason}): export it anew.") from error


def _load(path: Path) -> ModelProto:
    import onnx

    if not path.exists():
        raise InputError(f"{path} does not exist: give the ONNX file to fuse.")
    try:
        return onnx.load(str(path))
    except Exception as error:
        raise InputError(f"{path} is not an ONNX file, or is cut off: export or copy it again.") from error


def _sides(
    old: ValueInfoProto, shape: tuple[int, int, int], form: InputForm, model: Path
) -> tuple[list[str | int], bool]:
    """The fused input's dimensions, and whether the model's own has one for the batch."""
    height, width, depth = shape
    dims = old.type.tensor_type.shape.dim
    # Without any dimension the model says nothing of its input.
    batched = len(dims) != 3
    places = slice(-2, None) if form.layout == "nchw" else slice(-3, -1)
    wanted = [dim.dim_value for dim in dims[places]]
    if any(want not in (0, have) for want, have in zip(wanted, (height, width), strict=False)):
        raise InputError(
            f"{model} takes images of {wanted[0]}x{wanted[1]}, the change was learned on {height}x{width}: "
            "fuse the model it was learned for."
        )
    batch: str | int = 1
    if batched:
        batch = (dims[0].dim_value or dims[0].dim_param or "N") if dims else "N"
    return [batch, depth, height, width], batched


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


def _changed(graph: Graph, space: Space, z: Floats, levels: bool) -> str:
    """NHWC images changed by a constant z, from the file's NCHW input."""
    if np.shape(z) != (space.size,):
        raise InputError(f"z of shape {np.shape(z)} is not of the space {space.spec}, which has {space.size} numbers.")
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


def _write(model: ModelProto, path: str | Path) -> None:
    import onnx

    onnx.checker.check_model(model, full_check=True)
    write_atomically(path, lambda file: file.write(model.SerializeToString()))
