"""Geometry: zoom, shift and rotation about the centre, bilinear, the border filled by reflection.

With z of 1 for each: content grows by ``exp(.1)``, moves right and down by .05 of the image, turns counter-clockwise by
5 degrees. An output pixel q is read at ``c + R(-angle) (q - c - shift) / zoom``. From 5.0 on, OpenCV's ``warpAffine``
interpolates there exactly, on floats as fast as on bytes; it is the one definition of the warp, whatever scores it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from blackbox_dft._utils.types import Array, Floats, Images
from blackbox_dft.errors import InputError
from blackbox_dft.spaces.onnx_builder import OnnxBuilder

UNIT = np.array([0.1, 0.05, 0.05, np.deg2rad(5)])
REACH = np.array([7.0, 6.0, 6.0, 9.0])
"""Declared range: zoom from 1/2 to 2, shifts to .3 of the image, 45 degrees."""


@dataclass(frozen=True, eq=False)
class Affine:
    """Four numbers."""

    shape: tuple[int, int, int]
    spec: str = "affine"
    names: tuple[str, ...] = ("zoom", "right", "down", "turn")
    size: int = 4

    @property
    def upper(self) -> Floats:
        """Declared range."""
        return REACH.copy()

    @property
    def lower(self) -> Floats:
        """Declared range."""
        return -REACH

    def initial(self) -> Floats:
        """Zero."""
        return np.zeros(self.size)

    def apply(self, images: Images, z: Floats) -> Images:
        """Warps each image of a batch."""
        import cv2

        matrices = self._matrix(np.atleast_2d(np.clip(z, self.lower, self.upper)))
        images = np.ascontiguousarray(images)
        out = np.empty_like(images)
        size = self.shape[1::-1]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        for image, matrix, warped in zip(images, np.broadcast_to(matrices, (len(images), 2, 3)), out, strict=True):
            cv2.warpAffine(image, matrix, size, dst=warped, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
        return out

    @cached_property
    def _mirrors(self) -> tuple[int, int]:
        """How many pairs of mirrors bring the farthest position of the declared range back, across and down.

        One for square images; turning a long one reads far beyond its short side.
        """
        sides = self.shape[1], self.shape[0]
        zoom, right, down, _ = REACH * UNIT
        halves = [(side - 1) / 2 + shift * side for side, shift in zip(sides, (right, down), strict=True)]
        farthest = math.exp(zoom) * math.hypot(*halves)
        across, along = (math.ceil(((farthest + (side - 1) / 2) / (side - 1) - 1) / 2) for side in sides)
        return across, along

    def _matrix(self, z: Floats) -> Array:
        """``(N, 2, 3)``: output pixel to source position, in float64."""
        height, width, _ = self.shape
        zoom, right, down, turn = (z * UNIT).T
        scale = np.exp(-zoom)
        cos, sin = scale * np.cos(turn), scale * np.sin(turn)
        mx, my = (width - 1) / 2, (height - 1) / 2
        tx, ty = mx + right * width, my + down * height
        # Counter-clockwise on the screen, whose rows grow downwards.
        return np.stack(
            [
                np.stack([cos, -sin, mx - cos * tx + sin * ty], -1),
                np.stack([sin, cos, my - sin * tx - cos * ty], -1),
            ],
            axis=1,
        )

    def graph(self, graph: OnnxBuilder, planes: str, z: str) -> str:
        """The same as ONNX nodes, with GridSample (opset 16)."""
        height, width, _ = self.shape

        def number(value: float) -> str:
            return graph.constant(np.float32(value))

        def unit(index: int) -> str:
            column = graph.op("Gather", z, graph.constant(np.array([index])), axis=1)
            reach = float(REACH[index])
            kept = graph.op("Clip", column, number(-reach), number(reach))
            return graph.op(
                "Reshape", graph.op("Mul", kept, number(UNIT[index])), graph.constant(np.array([-1, 1, 1], np.int64))
            )

        mx, my = (width - 1) / 2, (height - 1) / 2
        scale = graph.op("Exp", graph.op("Neg", unit(0)))
        turn = unit(3)
        cos = graph.op("Mul", scale, graph.op("Cos", turn))
        sin = graph.op("Mul", scale, graph.op("Sin", turn))
        # q - c - shift, for all columns (1, 1, W) and rows (1, H, 1).
        x = graph.op(
            "Sub",
            graph.constant(np.arange(width, dtype=np.float32)[None, None] - np.float32(mx)),
            graph.op("Mul", unit(1), number(width)),
        )
        y = graph.op(
            "Sub",
            graph.constant(np.arange(height, dtype=np.float32)[None, :, None] - np.float32(my)),
            graph.op("Mul", unit(2), number(height)),
        )
        across = graph.op("Add", graph.op("Sub", graph.op("Mul", cos, x), graph.op("Mul", sin, y)), number(mx))
        down = graph.op("Add", graph.op("Add", graph.op("Mul", sin, x), graph.op("Mul", cos, y)), number(my))
        last = graph.constant(np.array([-1], np.int64))
        places = [
            graph.op("Unsqueeze", _mirrored(graph, at, length, mirrors), last)
            for at, length, mirrors in zip((across, down), (width, height), self._mirrors, strict=True)
        ]
        grid = graph.op("Concat", *places, axis=-1)
        # One z for all images: as many grids as images.
        batch = graph.op("Shape", planes, start=0, end=1)
        shape = graph.op("Concat", batch, graph.constant(np.array([height, width, 2], np.int64)), axis=0)
        grid = graph.op("Expand", grid, shape)
        return graph.op("GridSample", planes, grid, align_corners=1, padding_mode="border")


def affine(argument: str, shape: tuple[int, int, int], **_: object) -> Affine:
    """The space ``affine``; epsilon and channels do not concern it."""
    if argument:
        raise InputError(f"space affine takes no number: write affine instead of affine:{argument}.")
    if min(shape[:2]) < 2:
        raise InputError(f"space affine needs images of at least 2x2 pixels, not {shape[0]}x{shape[1]}: take others.")
    return Affine(shape)


def _mirrored(graph: OnnxBuilder, at: str, length: int, mirrors: int) -> str:
    """Positions mirrored at the centres of the outer pixels (3 2 1 | 0 1 2 3 | 2 1 0), from -1 to 1 as GridSample's."""
    last = graph.constant(np.float32(length - 1))
    # |last - |last - |at||| is the mirror for all up to 3 last, with one pair more up to 5 last; nothing within moves.
    at = graph.op("Abs", at)
    for _ in range(2 * mirrors):
        at = graph.op("Abs", graph.op("Sub", last, at))
    at = graph.op("Min", at, last)
    scaled = graph.op("Mul", at, graph.constant(np.float32(2 / (length - 1))))
    return graph.op("Sub", scaled, graph.constant(np.float32(1)))
