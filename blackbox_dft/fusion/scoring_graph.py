"""The change in front of a model as one graph for scoring: 8-bit images and z in, the model's own outputs out.

Inputs are all images of a run, ``bbdft_pool``, uint8 ``(P, H, W, 3)``, which can stay on a device, which of them are
meant, ``bbdft_indices``, int64 ``(N,)``, and ``bbdft_z``, float32 ``(1, k)`` or ``(N, k)``. For images that have no
room there, the same graph takes them as they come, ``bbdft_images``, uint8 ``(N, H, W, 3)``. On a CPU leading geometry
and tone stay outside, where OpenCV and numpy are up to six times faster than ONNX Runtime's GridSample, Log and
MatMul; the changed images come in then, ``bbdft_images``, float32 in [0, 1], or as the very bytes of the array path
where nothing is left to change, and z without the coordinates of those parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blackbox_dft.errors import InputError
from blackbox_dft.fusion.merge import divided, image_input, join, prepared, recent
from blackbox_dft.spaces.additive import Pixels, Separable
from blackbox_dft.spaces.affine import Affine
from blackbox_dft.spaces.base import Space
from blackbox_dft.spaces.color import Color
from blackbox_dft.spaces.composed import Composed
from blackbox_dft.spaces.onnx_builder import OnnxBuilder
from blackbox_dft.targets.input_format import InputFormat

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

POOL, INDICES = "bbdft_pool", "bbdft_indices"
IMAGES = "bbdft_images"
Z = "bbdft_z"
QUANTIZERS = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear")
MIDDLE = 128
"""Where zero lies in a perturbation of 8-bit levels."""


@dataclass(frozen=True, eq=False)
class ScoringGraph:
    """A model to run, and what has to happen ahead of it."""

    model: bytes
    ahead: Space | None
    """Applied to the images, with the first coordinates of z, before the graph gets them; else it gets the pool."""
    inside: int
    """Coordinates of z that the graph takes, the last ones."""
    rounds: bool
    """Whether what is applied ahead is rounded to 8 bits there."""
    literal: bool
    """Whether the quantising operators in it are meant as they stand, and not to be made part of the model."""


def fuse_scorer(
    space: Space,
    shape: tuple[int, int, int],
    proto: ModelProto,
    path: Path,
    form: InputFormat,
    *,
    levels: bool,
    cpu: bool,
    pooled: bool = True,
) -> ScoringGraph:
    """One graph of the change by z and the model ``proto``, which came from ``path`` and is used up.

    Args:
        space: for images of ``shape`` (H, W, 3).
        levels: round to 8 bits, as the target would be sent them.
        cpu: write it for the CPU provider.
        pooled: where nothing is done ahead, images are taken from the pool, and not as they come.

    Raises:
        InputError: the model cannot be joined with the change.
    """
    from onnx import TensorProto, helper

    proto = recent(proto, path)
    old = image_input(proto, path)
    # Beside a model's own such operators, ONNX Runtime would take these for a part of it.
    quantizes = cpu and levels and not any(node.op_type in QUANTIZERS for node in proto.graph.node)
    parts = space.parts if isinstance(space, Composed) else (space,)
    ahead = tuple(takewhile(lambda part: isinstance(part, Affine | Color), parts)) if cpu else ()
    rest = parts[len(ahead) :]
    graph = OnnxBuilder("bbdft_query")
    rounds = levels and bool(ahead) and not rest
    pooled = pooled and not ahead
    images = graph.op("Gather", POOL, INDICES, axis=0) if pooled else IMAGES
    planes = _planes(graph, images, rest, floats=bool(ahead) and not rounds, levels=levels, quantizes=quantizes)
    # The array path's bytes become the array path's floats: searches that amplify the last bit end the same then.
    image = divided(graph, planes, form) if rounds and quantizes else None
    image = image or prepared(graph, planes, form, old.type.tensor_type.elem_type, levels=quantizes)
    if len(old.type.tensor_type.shape.dim) == 3:
        image = graph.op("Squeeze", image, graph.constant(np.array([0], np.int64)))
    inside = sum(part.size for part in rest)
    inputs: list[ValueInfoProto] = [
        helper.make_tensor_value_info(name, kind, sides)
        for name, kind, sides in (
            (IMAGES, TensorProto.FLOAT if ahead and not rounds else TensorProto.UINT8, [None, *shape]),
            (POOL, TensorProto.UINT8, [None, *shape]),
            (INDICES, TensorProto.INT64, [None]),
        )
        if (name == IMAGES) != pooled
    ]
    if rest:
        inputs.append(helper.make_tensor_value_info(Z, TensorProto.FLOAT, [None, inside]))
    join(proto, graph, image, inputs, path)
    if quantizes and all(imported.domain != "com.microsoft" for imported in proto.opset_import):
        proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    try:
        model = proto.SerializeToString()
    except Exception as error:
        raise InputError(f"{path} is larger than the 2 GB that a joint graph may have.") from error
    return ScoringGraph(model, Composed(ahead) if ahead else None, inside, rounds, quantizes)


def _planes(
    graph: OnnxBuilder, images: str, parts: Sequence[Space], *, floats: bool, levels: bool, quantizes: bool
) -> str:
    """Changed planes ``(N, 3, H, W)``, as bytes where ``quantizes``, else floats in [0, 1]."""
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
        # It saturates by itself.
        return _levels(graph, graph.unclipped(planes))
    return graph.rounded(planes) if levels else planes


def _added(graph: OnnxBuilder, part: Space, planes: str) -> str | None:
    """Bytes plus a perturbation rounded by itself, which is the same: ``round(x + p) = x + round(p)`` for whole x."""
    if not isinstance(part, Pixels | Separable) or (bound := round(part.bound * 255)) >= MIDDLE:
        return None
    step, zero, middle = (graph.constant(value) for value in (np.float32(1 / 255), np.uint8(0), np.uint8(MIDDLE)))
    field = graph.op("QuantizeLinear", part.field(graph, Z), step, middle)
    low, high = (graph.constant(np.uint8(MIDDLE + side * bound)) for side in (-1, 1))
    field = graph.op("Clip", field, low, high)
    whole = (planes, step, zero, field, step, middle, step, zero)
    return graph.op("QLinearAdd", *whole, domain="com.microsoft")


def _levels(graph: OnnxBuilder, values: str) -> str:
    return graph.op("QuantizeLinear", values, graph.constant(np.float32(1 / 255)), graph.constant(np.uint8(0)))
