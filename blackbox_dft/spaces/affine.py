"""The space ``affine``: zoom, shift and rotation about the centre, bilinear, with a choice of borders.

With z of 1 for each: content grows by ``exp(.1)``, moves right and down by .05 of the image, turns counter-clockwise by
5 degrees. An output pixel q is read at ``c + R(-angle) (q - c - shift) / zoom``. Exact bilinear interpolation defines
the warp for all backends: the ``warpAffine`` of OpenCV 5, or the same from parts of OpenCV 4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.types import Array, Floats, ImageBytes, Images
from blackbox_dft.errors import InputError
from blackbox_dft.images.encoding import to_floats
from blackbox_dft.spaces.base import Change, SupportsBlocks, SupportsLongSteps, ZeroIdentity
from blackbox_dft.spaces.blocks import changed_images, rows_of
from blackbox_dft.spaces.onnx_builder import OnnxBuilder
from blackbox_dft.spaces.scratch import Scratch
from blackbox_dft.spaces.warp import is_exact, warp

Border = Literal["edge", "black", "white", "mean", "mirror"]
"""What lies beyond the image: its outer pixels drawn out, black, white, its mean colour, or its mirror image."""
BORDERS: tuple[Border, ...] = get_args(Border)
DEFAULT_BORDER: Border = "edge"

UNIT = np.array([0.1, 0.05, 0.05, np.deg2rad(5)])
"""Size of a step: log of the zoom, shifts relative to the image, angle in radians, at z of 1."""
MAX_Z = np.array([7.0, 6.0, 6.0, 9.0])
"""Upper bounds of z (zoom 2, shifts of .3, 45 degrees); the lower bounds are their negatives."""

FULL = np.float32(255)
MARGIN = 8
"""Pixels beyond the image on each side that are there before it is warped: within, OpenCV reads pixels in two thirds of
the time that it takes where it has to ask for each whether it lies beyond."""
LONG_ZOOM = 3.5
"""Half of the range: zooms .7 and 1.42, then .5 and 2."""


@dataclass(frozen=True, eq=False)
class Affine(ZeroIdentity, SupportsBlocks, SupportsLongSteps):
    """Zoom, shift right and down, rotation: four coordinates.

    >>> dot = np.zeros((1, 4, 4, 1), np.float32)
    >>> dot[0, 1, 1] = 1
    >>> space = Affine((4, 4, 1))
    >>> space.apply(dot, np.array([0, 5, 0, 0]))[0, 1, :, 0]  # right by 5 * .05 * 4 = 1 pixel
    array([0., 0., 1., 0.], dtype=float32)
    >>> ramp = np.array([1, 2, 3, 4], np.float32).reshape(1, 1, 4, 1).repeat(4, 1) / 8
    >>> for border in BORDERS:
    ...     print(8 * Affine((4, 4, 1), border).apply(ramp, np.array([0, 5, 0, 0]))[0, 1, :, 0], border)
    [1. 1. 2. 3.] edge
    [0. 1. 2. 3.] black
    [8. 1. 2. 3.] white
    [2.5 1.  2.  3. ] mean
    [2. 1. 2. 3.] mirror
    """

    shape: tuple[int, int, int]
    border: Border = DEFAULT_BORDER
    names: tuple[str, ...] = ("zoom", "right", "down", "turn")
    size: int = 4

    @property
    @override
    def spec(self) -> str:
        return "affine" if self.border == DEFAULT_BORDER else f"affine:{self.border}"

    @property
    @override
    def upper(self) -> Floats:
        return MAX_Z.copy()

    @property
    @override
    def lower(self) -> Floats:
        return -MAX_Z

    @override
    def long_steps(self) -> Floats:
        # Only zoom: beside it, shifts, turns and tone gain little at once (docs/research/research.md).
        return np.array([[LONG_ZOOM, 0, 0, 0]])

    @override
    def apply(self, images: Images, z: Floats) -> Images:
        return changed_images(self, images, z, levels=False)

    @override
    def change_by(self, z: Floats, scratch: Scratch) -> Change:
        import cv2

        matrices = self._matrix(np.clip(z, -MAX_Z, MAX_Z))
        height, width, depth = self.shape
        modes = {"edge": cv2.BORDER_REPLICATE, "mirror": cv2.BORDER_REFLECT_101}
        mode = modes.get(self.border, cv2.BORDER_CONSTANT)
        # OpenCV warps four channels in half the time of three, to the same bits.
        wide_depth = 4 if depth == 3 else depth
        margin = MARGIN if is_exact() and self.border != "mirror" else 0
        matrices[:, :, 2] += margin
        padded = height + 2 * margin, width + 2 * margin
        frames = {kind: scratch((*padded, depth), kind) for kind in (np.uint8, np.float32)}
        levels, wide = scratch((*padded, wide_depth), np.uint8), scratch((*padded, wide_depth))
        warped = scratch((height, width, wide_depth))
        flat_levels, flat_wide = levels.reshape(padded[0], -1), wide.reshape(padded[0], -1)
        # What is left of other batches may be no numbers, which below would be 0 times no number.
        wide.fill(0)
        black_or_white = (255.0,) * 4 if self.border == "white" else ()
        room: Images | None = None

        def widen(image: Array, beyond: Sequence[float]) -> None:
            """An image as levels of 0 to 255 in ``wide``, within its margin; ``beyond`` in the range of the image."""
            is_bytes = image.dtype == np.uint8
            if margin:
                framed = frames[np.uint8 if is_bytes else np.float32]
                cv2.copyMakeBorder(image, margin, margin, margin, margin, mode, framed, beyond)
                image = framed
            out = levels if is_bytes else wide
            if depth == 3:
                cv2.cvtColor(image, cv2.COLOR_RGB2RGBA, dst=out)
            else:
                out[...] = image
            if is_bytes:
                # 1 x + 0 y: converts bytes to floats in half of the time that numpy takes.
                cv2.accumulateWeighted(flat_levels, flat_wide, 1)
            else:
                np.multiply(wide, FULL, out=wide)

        def change(images: ImageBytes | Images, rows: slice) -> Images:
            nonlocal room
            if self.border == "mean":
                images = to_floats(images)
            full = 255.0 if images.dtype == np.uint8 else 1.0
            given: Array = np.ascontiguousarray(images)
            room = scratch(images.shape) if room is None else room
            out = room[: len(images)]
            beyond: Sequence[float] = black_or_white
            framing: Sequence[float] = [full / 255 * tone for tone in beyond]
            for image, matrix, own in zip(given, rows_of(matrices, rows, len(images)), out, strict=True):
                if self.border == "mean":
                    framing = cv2.mean(image)
                    beyond = [255 * tone for tone in framing]
                widen(image, framing)
                if depth == 3:
                    warp(wide, matrix, warped, mode, beyond)
                    cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB, dst=own)
                else:
                    warp(wide, matrix, own, mode, beyond)
            return np.divide(out, FULL, out=out)

        return change

    @cached_property
    def _mirrors(self) -> tuple[int, int]:
        """Number of double reflections, (across, down), that bring the farthest position within the bounds back.

        One for square images; more for long ones, whose rotation reads far beyond their short side.
        """
        sides = self.shape[1], self.shape[0]
        zoom, right, down, _ = MAX_Z * UNIT
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
        matrix = np.empty((len(z), 2, 3))
        matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 0, 2] = cos, -sin, mx - cos * tx + sin * ty
        matrix[:, 1, 0], matrix[:, 1, 1], matrix[:, 1, 2] = sin, cos, my - sin * tx - cos * ty
        return matrix

    @override
    def graph(self, graph: OnnxBuilder, planes: str, z: str) -> str:
        height, width, _ = self.shape

        def number(value: float) -> str:
            return graph.constant(np.float32(value))

        def unit(index: int) -> str:
            column = graph.op("Gather", z, graph.constant(np.array([index])), axis=1)
            bound = float(MAX_Z[index])
            clipped = graph.op("Clip", column, number(-bound), number(bound))
            return graph.op(
                "Reshape", graph.op("Mul", clipped, number(UNIT[index])), graph.constant(np.array([-1, 1, 1], np.int64))
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
        places = []
        for at, length, mirrors in zip((across, down), (width, height), self._mirrors, strict=True):
            inside = _mirrored(graph, at, length, mirrors) if self.border == "mirror" else at
            places.append(graph.op("Unsqueeze", _in_grid_units(graph, inside, length), last))
        grid = graph.op("Concat", *places, axis=-1)
        # With one z for all images: one grid per image.
        batch = graph.op("Shape", planes, start=0, end=1)
        shape = graph.op("Concat", batch, graph.constant(np.array([height, width, 2], np.int64)), axis=0)
        grid = graph.op("Expand", grid, shape)
        if self.border in ("edge", "mirror"):
            return graph.op("GridSample", planes, grid, align_corners=1, padding_mode="border")
        if self.border == "black":
            return graph.op("GridSample", planes, grid, align_corners=1, padding_mode="zeros")
        # White, or the mean colour, becomes zero, which is what lies beyond; the last bit may pass the range on the way
        # back.
        tone = number(1) if self.border == "white" else graph.mean(planes, (2, 3), np.float32(1 / (height * width)))
        warped = graph.op("GridSample", graph.op("Sub", planes, tone), grid, align_corners=1, padding_mode="zeros")
        return graph.op("Clip", graph.op("Add", warped, tone), number(0), number(1))


def affine(argument: str, shape: tuple[int, int, int], **_: object) -> Affine:
    """Makes the space ``affine``; epsilon, channels and levels have no effect on it."""
    border: Border | None = next((known for known in BORDERS if known == (argument or DEFAULT_BORDER)), None)
    if border is None:
        choices = f"{', '.join(BORDERS[:-1])} or {BORDERS[-1]}"
        raise InputError(f"space affine has no border {argument!r}: write affine, or after a colon {choices}.")
    if min(shape[:2]) < 2:
        raise InputError(f"space affine needs images of at least 2x2 pixels, not {shape[0]}x{shape[1]}: take others.")
    return Affine(shape, border)


def _mirrored(graph: OnnxBuilder, at: str, length: int, mirrors: int) -> str:
    """Positions reflected at the outer pixels: 3 2 1 | 0 1 2 3 | 2 1 0."""
    last = graph.constant(np.float32(length - 1))
    # |last - |last - |at||| reflects positions up to 3 last, with one more pair up to 5 last; none within moves.
    at = graph.op("Abs", at)
    for _ in range(2 * mirrors):
        at = graph.op("Abs", graph.op("Sub", last, at))
    return graph.op("Min", at, last)


def _in_grid_units(graph: OnnxBuilder, at: str, length: int) -> str:
    """Positions in the units of GridSample: -1 and 1 are the outer pixels."""
    scaled = graph.op("Mul", at, graph.constant(np.float32(2 / (length - 1))))
    return graph.op("Sub", scaled, graph.constant(np.float32(1)))
