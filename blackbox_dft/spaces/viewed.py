"""The space of views: an image mirrored, zoomed or shifted a little, then changed by z; for several scores an image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.types import Array, Floats, ImageBytes, Images
from blackbox_dft.spaces.affine import MAX_Z, Affine
from blackbox_dft.spaces.base import Change, Space, SupportsBlocks
from blackbox_dft.spaces.blocks import change_of, changed_images, rows_of
from blackbox_dft.spaces.onnx_builder import OnnxBuilder
from blackbox_dft.spaces.scratch import Scratch

GEOMETRY = 5
"""Coordinates before those of z: whether the image is mirrored, and zoom, shifts and rotation as in ``affine``."""


@dataclass(frozen=True, eq=False)
class Viewed(Space, SupportsBlocks):
    """A space with a change of geometry before it: z is (mirror, zoom, right, down, turn) and the z of ``base``.

    A mirror coordinate above .5 swaps left and right.

    >>> from blackbox_dft.spaces import make_space
    >>> space = Viewed(make_space("color", (2, 2, 3)), (2, 2, 3))
    >>> mirrored = space.view(np.zeros(6), mirror=True)
    >>> image = np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1).repeat(3, axis=3) / 4
    >>> space.apply(image, mirrored)[0, :, :, 0].tolist()
    [[0.25, 0.0], [0.75, 0.5]]
    """

    base: Space
    shape: tuple[int, int, int]

    @property
    @override
    def spec(self) -> str:
        return f"view+{self.base.spec}"

    @property
    @override
    def size(self) -> int:
        return GEOMETRY + self.base.size

    @property
    @override
    def names(self) -> tuple[str, ...]:
        return ("mirror", *(f"view {name}" for name in ("zoom", "right", "down", "turn")), *self.base.names)

    @property
    @override
    def lower(self) -> Floats:
        return np.concatenate([[0.0], -MAX_Z, self.base.lower])

    @property
    @override
    def upper(self) -> Floats:
        return np.concatenate([[1.0], MAX_Z, self.base.upper])

    @property
    def epsilon(self) -> float | None:
        """That of the base."""
        return getattr(self.base, "epsilon", None)

    @property
    def channels(self) -> str | None:
        """Those of the base."""
        return getattr(self.base, "channels", None)

    @override
    def initial(self) -> Floats:
        return np.concatenate([np.zeros(GEOMETRY), self.base.initial()])

    def view(self, z: Floats, *, mirror: bool = False, move: Floats | None = None) -> Floats:
        """The view ``(5 + k,)`` of ``z (k,)``: mirrored, or moved by ``move (4,)`` in the steps of ``affine``.

        If the base has geometry of its own, it takes the movement: an image is then interpolated once.
        """
        made = np.concatenate([[float(mirror)], np.zeros(GEOMETRY - 1), z])
        if move is not None:
            made[self._moved] += move
        return np.asarray(np.clip(made, self.lower, self.upper), np.float64)

    def shortest(self, view: Floats) -> Floats:
        """The z ``(k,)`` of the base that does what ``view (5 + k,)`` does; the view itself if there is none."""
        return view if view[:GEOMETRY].any() else view[GEOMETRY:]

    @override
    def apply(self, images: Images, z: Floats) -> Images:
        return changed_images(self, images, z, levels=False)

    @override
    def change_by(self, z: Floats, scratch: Scratch) -> Change:
        mirrored, moves = z[:, 0] > 0.5, z[:, 1:GEOMETRY]
        move = self._affine.change_by(moves, scratch) if moves.any() else None
        base = change_of(self.base, z[:, GEOMETRY:], scratch)

        def change(images: ImageBytes | Images, rows: slice) -> Images:
            flips = rows_of(mirrored, rows, len(images))
            if flips.any():
                flipped = images[:, :, ::-1]
                mirrors: Array = flipped if flips.all() else np.where(flips[:, None, None, None], flipped, images)
                images = np.ascontiguousarray(mirrors)
            return base(move(images, rows) if move else images, rows)

        return change

    @override
    def graph(self, graph: OnnxBuilder, planes: str, z: str) -> str:
        def columns(start: int, stop: int) -> str:
            return graph.op("Gather", z, graph.constant(np.arange(start, stop)), axis=1)

        mirror = graph.op("Greater", columns(0, 1), graph.constant(np.float32(0.5)))
        mirror = graph.op("Reshape", mirror, graph.constant(np.array([-1, 1, 1, 1], np.int64)))
        planes = graph.op("Where", mirror, self._flipped(graph, planes), planes)
        planes = self._affine.graph(graph, planes, columns(1, GEOMETRY))
        return self.base.graph(graph, planes, columns(GEOMETRY, self.size))

    def constant_graph(self, graph: OnnxBuilder, planes: str, view: Floats) -> str:
        """The change by one ``view (5 + k,)`` as nodes, without those of a geometry that it leaves alone."""
        if view[0] > 0.5:
            planes = self._flipped(graph, planes)
        if view[1:GEOMETRY].any():
            planes = self._affine.graph(graph, planes, _constant(graph, view[1:GEOMETRY]))
        return self.base.graph(graph, planes, _constant(graph, view[GEOMETRY:]))

    def _flipped(self, graph: OnnxBuilder, planes: str) -> str:
        width = self.shape[1]
        return graph.op("Gather", planes, graph.constant(np.arange(width - 1, -1, -1)), axis=3)

    @property
    def _moved(self) -> slice:
        """Coordinates that a movement is added to: those of the base's part ``affine``, or its own."""
        start = GEOMETRY
        for part in getattr(self.base, "parts", (self.base,)):
            if isinstance(part, Affine):
                return slice(start, start + 4)
            start += part.size
        return slice(1, GEOMETRY)

    @cached_property
    def _affine(self) -> Affine:
        return Affine(self.shape)


def _constant(graph: OnnxBuilder, z: Array) -> str:
    return graph.constant(np.asarray(z, np.float32)[None])
