"""The change as an ONNX file: alone, image to image, or in front of a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blackbox_dft._utils.files import write_atomically
from blackbox_dft._utils.types import Floats
from blackbox_dft.errors import InputError
from blackbox_dft.fusion.merge import IR_VERSION, OPSET, image_input, join, load, prepared, recent
from blackbox_dft.spaces.base import Space
from blackbox_dft.spaces.onnx_builder import OnnxBuilder
from blackbox_dft.targets.input_format import InputFormat

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

INPUT = "image"
"""Name of the input of every file written here: float32 ``(N, 3, H, W)``, RGB in [0, 1]."""


def export_onnx(space: Space, z: Floats, shape: tuple[int, int, int], path: str | Path, *, levels: bool = True) -> None:
    """Writes the change by ``z (k,)`` as image -> image, both float32 ``(N, 3, H, W)`` RGB in [0, 1].

    Args:
        shape: of the images the space was made for, (H, W, 3).
        levels: round to 8 bits, as the target was sent them.

    Raises:
        InputError: z of another length than the space's, or a file that cannot be written.
    """
    from onnx import TensorProto, helper

    graph = OnnxBuilder("change")
    changed = _changed(graph, space, z, levels)
    graph.nodes.append(helper.make_node("Identity", [changed], ["changed"]))
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
    form: InputFormat,
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
    proto = recent(load(model), model)
    old = image_input(proto, model)
    sides, batched = _sides(old, shape, form, model)

    graph = OnnxBuilder("bbdft_change")
    image = prepared(graph, _changed(graph, space, z, levels), form, old.type.tensor_type.elem_type)
    if not batched:
        image = graph.op("Squeeze", image, graph.constant(np.array([0], np.int64)))
    join(proto, graph, image, [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, sides)], model)
    try:
        _write(proto, path)
    except InputError:
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise InputError(f"{model} cannot be joined with the change ({reason}): export it anew.") from error


def _sides(
    old: ValueInfoProto, shape: tuple[int, int, int], form: InputFormat, model: Path
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


def _changed(graph: OnnxBuilder, space: Space, z: Floats, levels: bool) -> str:
    """The file's input changed by a constant z."""
    if np.shape(z) != (space.size,):
        raise InputError(f"z of shape {np.shape(z)} is not of the space {space.spec}, which has {space.size} numbers.")
    changed = space.graph(graph, INPUT, graph.constant(np.asarray(z, np.float32)[None]))
    return graph.rounded(changed) if levels else changed


def _write(model: ModelProto, path: str | Path) -> None:
    import onnx

    onnx.checker.check_model(model, full_check=True)
    write_atomically(path, lambda file: file.write(model.SerializeToString()))
