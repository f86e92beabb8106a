"""Scoring graph: the change by z and the model as one ONNX graph; 8-bit images and z in, the model's outputs out.

Inputs are all images of a run, ``bbdft_pool``, uint8 ``(P, H, W, 3)``, which can stay on a device; ``bbdft_indices`` of
a call, int64 ``(N,)``; and ``bbdft_z``, float32 ``(1, k)`` or ``(N, k)``. For images that do not fit on the device, the
same graph takes the images of a call, ``bbdft_images``, uint8 ``(N, H, W, 3)``.

On a CPU, leading geometry, tone and sharpness are applied outside, by OpenCV and NumPy, which are up to six times
faster there than ONNX Runtime's GridSample, Log and MatMul. The graph then takes the changed images, ``bbdft_images``,
as float32 in [0, 1], and z without the coordinates of those parts. If nothing is left to change, there is no graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blackbox_dft.errors import InputError
from blackbox_dft.fusion.merge import check_has_graph, image_input, merge, prepare, prepare_exactly, upgrade_opset
from blackbox_dft.spaces.additive import Pixels, Separable
from blackbox_dft.spaces.affine import Affine
from blackbox_dft.spaces.base import Space
from blackbox_dft.spaces.color import Color
from blackbox_dft.spaces.composed import Composed
from blackbox_dft.spaces.contrast import Contrast
from blackbox_dft.spaces.onnx_builder import OnnxBuilder
from blackbox_dft.spaces.sharpness import Sharpness
from blackbox_dft.targets.input_format import InputFormat

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

POOL, INDICES = "bbdft_pool", "bbdft_indices"
IMAGES = "bbdft_images"
Z = "bbdft_z"
QUANTIZERS = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear")
OPENCV_SPACES = Affine, Color, Contrast, Sharpness
"""Spaces that are faster outside the graph on a CPU."""
ZERO_POINT = 128
"""The byte that stands for zero in a quantized perturbation."""


@dataclass(frozen=True, eq=False)
class ScoringGraph:
    """The graph to run, and the part of the change to apply before it."""

    model: bytes
    """The ONNX file."""
    outer: Space | None
    """Part of the change that the caller applies, with the first coordinates of z; ``None`` if there is none."""
    inner_size: int
    """Coordinates of z that the graph takes, the last ones."""
    keep_quantizers: bool
    """Whether its quantizing operators must run as they stand; see ``GraphTarget.open_graph``."""


def is_outside(space: Space) -> bool:
    """Whether all of a change is faster outside the graph on a CPU.

    >>> from blackbox_dft.spaces import make_space
    >>> [is_outside(make_space(spec, (8, 8, 3))) for spec in ("affine+color", "color+dct:2")]
    [True, False]
    """
    parts = space.parts if isinstance(space, Composed) else (space,)
    return all(isinstance(part, OPENCV_SPACES) for part in parts)


def fuse_scorer(
    space: Space,
    shape: tuple[int, int, int],
    proto: ModelProto,
    path: Path,
    image_format: InputFormat,
    *,
    levels: bool,
    cpu: bool,
    pooled: bool = True,
) -> ScoringGraph:
    """One graph of the change by z and the model.

    Args:
        space: of the change, for images of ``shape``.
        shape: (H, W, 3).
        proto: the model from the file ``path``; it is modified and must not be used afterwards.
        path: named in error messages.
        image_format: of the model's input.
        levels: round to 8 bits, as the target receives images on the array path.
        cpu: write the graph for the CPU provider, with an outer part.
        pooled: unless there is an outer part, take images from the pool by index instead of with each call.

    Raises:
        InputError: the model cannot be merged with the change.
    """
    from onnx import TensorProto, helper

    check_has_graph(space)
    proto = upgrade_opset(proto, path)
    old = image_input(proto, path)
    # If the model has quantizing operators of its own, ONNX Runtime would fuse these with them.
    quantizes = cpu and levels and not any(node.op_type in QUANTIZERS for node in proto.graph.node)
    parts = space.parts if isinstance(space, Composed) else (space,)
    outer = tuple(takewhile(lambda part: isinstance(part, OPENCV_SPACES), parts)) if cpu else ()
    inner = parts[len(outer) :]
    graph = OnnxBuilder("bbdft_query")
    pooled = pooled and not outer
    images = graph.op("Gather", POOL, INDICES, axis=0) if pooled else IMAGES
    # If nothing is left to change, what is left is to prepare the model's input from the bytes that it is shown.
    takes_floats = bool(outer) and not (levels and not inner)
    if outer and not takes_floats:
        image = prepare_exactly(graph, images, image_format)
    else:
        planes = _planes(graph, images, inner, floats=takes_floats, levels=levels, quantizes=quantizes)
        image = prepare(graph, planes, image_format, old.type.tensor_type.elem_type, levels=quantizes)
    if len(old.type.tensor_type.shape.dim) == 3:
        image = graph.op("Squeeze", image, graph.constant(np.array([0], np.int64)))
    inner_size = sum(part.size for part in inner)
    inputs: list[ValueInfoProto] = [
        helper.make_tensor_value_info(name, kind, sides)
        for name, kind, sides in (
            (IMAGES, TensorProto.FLOAT if takes_floats else TensorProto.UINT8, [None, *shape]),
            (POOL, TensorProto.UINT8, [None, *shape]),
            (INDICES, TensorProto.INT64, [None]),
        )
        if (name == IMAGES) != pooled
    ]
    if inner:
        inputs.append(helper.make_tensor_value_info(Z, TensorProto.FLOAT, [None, inner_size]))
    merge(proto, graph, image, inputs, path)
    if quantizes and all(imported.domain != "com.microsoft" for imported in proto.opset_import):
        proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    try:
        model = proto.SerializeToString()
    except Exception as error:
        raise InputError(f"{path} is larger than the 2 GB that a fused graph may have.") from error
    return ScoringGraph(model, Composed(outer) if outer else None, inner_size, quantizes)


def _planes(
    graph: OnnxBuilder, images: str, parts: Sequence[Space], *, floats: bool, levels: bool, quantizes: bool
) -> str:
    """Changed planes ``(N, 3, H, W)``: bytes if ``quantizes``, else floats in [0, 1]."""
    from onnx import TensorProto

    planes = graph.op("Transpose", images, perm=[0, 3, 1, 2])
    if not parts and not floats and quantizes:
        return planes
    if len(parts) == 1 and not floats and quantizes and (added := _added(graph, parts[0], planes)):
        return added
    if not floats:
        step = graph.constant(np.float32(1 / 255))
        if quantizes:
            planes = graph.op("DequantizeLinear", planes, step, graph.constant(np.uint8(0)))
        else:
            planes = graph.op("Mul", graph.op("Cast", planes, to=TensorProto.FLOAT), step)
    start = 0
    for part in parts:
        own = Z
        if len(parts) > 1:
            own = graph.op("Gather", Z, graph.constant(np.arange(start, start + part.size)), axis=1)
        planes = part.graph(graph, planes, own)
        start += part.size
    if quantizes:
        # QuantizeLinear saturates, so nothing has to be clipped.
        return _levels(graph, graph.unclipped(planes))
    return graph.rounded(planes) if levels else planes


def _added(graph: OnnxBuilder, part: Space, planes: str) -> str | None:
    """Bytes plus a perturbation that is rounded alone: ``round(x + p) = x + round(p)`` for whole x.

    ``None`` if the change is not a perturbation, or too large for a signed byte.
    """
    if not isinstance(part, Pixels | Separable) or (bound := round(part.bound * 255)) >= ZERO_POINT:
        return None
    step, zero, middle = (graph.constant(value) for value in (np.float32(1 / 255), np.uint8(0), np.uint8(ZERO_POINT)))
    field = graph.op("QuantizeLinear", part.field(graph, Z), step, middle)
    low, high = (graph.constant(np.uint8(ZERO_POINT + side * bound)) for side in (-1, 1))
    field = graph.op("Clip", field, low, high)
    whole = (planes, step, zero, field, step, middle, step, zero)
    return graph.op("QLinearAdd", *whole, domain="com.microsoft")


def _levels(graph: OnnxBuilder, values: str) -> str:
    return graph.op("QuantizeLinear", values, graph.constant(np.float32(1 / 255)), graph.constant(np.uint8(0)))
