"""The space ``color``: gain, bias, gamma, saturation and white balance, six coordinates.

In this order, with z of 1 for each: gain ``x (1 + .1 z)``, bias ``x + .05 z``, both clipped to [0, 1]; gamma
``x ^ exp(.1 z)``; saturation ``x + .2 z (x - luma)``; temperature ``R exp(.05 z), B exp(-.05 z)``; tint
``G exp(-.05 z), R and B exp(.025 z)``; clipped again. Luma is ITU-R BT.601's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.types import Array, Bools, Floats, ImageBytes, Images
from blackbox_dft.errors import InputError
from blackbox_dft.images.encoding import LUMA_WEIGHTS, to_floats
from blackbox_dft.spaces.base import Change, SupportsBlocks, ZeroIdentity
from blackbox_dft.spaces.blocks import changed_images, rows_of
from blackbox_dft.spaces.onnx_builder import OnnxBuilder
from blackbox_dft.spaces.scratch import Scratch

UNIT = {"gain": 0.1, "bias": 0.05, "gamma": 0.1, "saturation": 0.2, "temperature": 0.05, "tint": 0.05}
"""Size of a step: the parameter at z of 1."""
MAX_Z = {"gain": 8.0, "bias": 8.0, "gamma": 12.0, "saturation": 5.0, "temperature": 8.0, "tint": 8.0}
"""Upper bounds of z; the lower bounds are their negatives."""
STEPS, BOUNDS = np.array(list(UNIT.values())), np.array(list(MAX_Z.values()))
TEMPERATURE = np.array([1, 0, -1], np.float32)
TINT = np.array([0.5, -1, 0.5], np.float32)
EYE = np.eye(3, dtype=np.float32)
LEAST, LEAST_EXP = np.float32(1e-45), np.float32(-60)
"""The least float, and the exponent of the least power: OpenCV's logarithm of 0 takes 50 times as long as another."""
NEARLY_ZERO = 1e-12
"""Powers of what stands for zero are below it, and become zero in the end."""
LEVELS = to_floats(np.arange(256, dtype=np.uint8)).reshape(1, 256, 1, 1)
"""All that a byte can be, as an image."""


@dataclass(frozen=True)
class Tone:
    """Gain, bias and gamma of a batch: one number each for all images, or one for each image, ``(M, 1, 1, 1)``."""

    gain: Array
    bias: Array
    exponent: Array
    least: Array
    """What values are raised to before a logarithm is taken."""
    bends: Bools
    """``(M,)``: whether the exponent is not 1, with which exp(log(x)) is not x to the bit."""

    @classmethod
    def of(cls, u: Array) -> Tone:
        """That of parameters ``(M, k)``."""
        gain, bias, exponent = (column.reshape(-1, 1, 1, 1) for column in (1 + u[:, 0], u[:, 1], np.exp(u[:, 2])))
        least = np.where(exponent == 1, np.float32(0), np.maximum(LEAST, np.exp(LEAST_EXP / exponent)))
        return cls(gain, bias, exponent, least, exponent.ravel() != 1)

    def __call__(self, images: Images, rows: slice, out: Images) -> Images:
        """Changes images ``(N, H, W, C)``, which are those rows of the batch, to ``out``."""
        rows = rows if len(self.gain) > 1 else slice(None)
        np.multiply(images, self.gain[rows], out=out)
        out += self.bias[rows]
        np.clip(out, self.least[rows], 1, out=out)
        exponent, bends = self.exponent[rows], self.bends[rows]
        if bends.all():
            _power(out, exponent)
        elif bends.any():
            out[bends] = _power(out[bends], exponent[bends])
        return out


@dataclass(frozen=True, eq=False)
class Color(ZeroIdentity, SupportsBlocks):
    """Tone and colour: six coordinates, three for grey images.

    >>> grey = np.full((1, 2, 2, 3), 0.5, np.float32)
    >>> Color((2, 2, 3)).apply(grey, np.array([0, 2, 0, 0, 0, 0]))[0, 0, 0]  # bias .05 each
    array([0.6, 0.6, 0.6], dtype=float32)
    """

    shape: tuple[int, int, int]
    spec: str = "color"

    @property
    @override
    def names(self) -> tuple[str, ...]:
        return tuple(UNIT)[: 3 if self.shape[2] == 1 else None]

    @property
    @override
    def size(self) -> int:
        return len(self.names)

    @property
    @override
    def upper(self) -> Floats:
        return BOUNDS[: self.size].copy()

    @property
    @override
    def lower(self) -> Floats:
        return -self.upper

    @override
    def apply(self, images: Images, z: Floats) -> Images:
        return changed_images(self, images, z, levels=False)

    @override
    def change_by(self, z: Floats, scratch: Scratch) -> Change:
        import cv2

        bounds = BOUNDS[: self.size]
        u = (np.clip(z, -bounds, bounds) * STEPS[: self.size]).astype(np.float32)
        tone, mixing = Tone.of(u), _mixing(u) if self.size > 3 else None
        least = NEARLY_ZERO if tone.bends.any() else 0.0
        tables: Images | None = None
        room: Images | None = None
        mixed: Images | None = None

        def change(images: ImageBytes | Images, rows: slice) -> Images:
            nonlocal tables, room, mixed
            if scratch.owns(images):
                out = np.asarray(images, np.float32)
            else:
                room = scratch(images.shape) if room is None else room
                out = room[: len(images)]
            if images.dtype == np.uint8:
                if tables is None:
                    tables = tone(LEVELS, slice(None), np.empty((len(u), *LEVELS.shape[1:]), np.float32))
                _look_up(np.asarray(images, np.uint8), rows_of(tables, rows, len(images)), out)
            else:
                tone(np.asarray(images, np.float32), rows, out)
            if mixing is not None:
                # In place, OpenCV would take memory for a copy of each image first.
                mixed = scratch(out.shape) if mixed is None else mixed
                toned, out = out, mixed[: len(out)]
                for image, matrix, own in zip(toned, rows_of(mixing, rows, len(images)), out, strict=True):
                    cv2.transform(image, matrix, dst=own)
            flat = out.reshape(len(out) * out.shape[1], -1)
            cv2.threshold(flat, least, 0, cv2.THRESH_TOZERO, dst=flat)
            cv2.threshold(flat, 1, 1, cv2.THRESH_TRUNC, dst=flat)
            return out

        return change

    @override
    def graph(self, graph: OnnxBuilder, planes: str, z: str) -> str:
        zero, one = graph.constant(np.float32(0)), graph.constant(np.float32(1))

        def unit(name: str, *shape: int) -> str:
            column = graph.op("Gather", z, graph.constant(np.array([self.names.index(name)])), axis=1)
            bound = np.float32(MAX_Z[name])
            clipped = graph.op("Clip", column, graph.constant(-bound), graph.constant(bound))
            scaled = graph.op("Mul", clipped, graph.constant(np.float32(UNIT[name])))
            return graph.op("Reshape", scaled, graph.constant(np.array([-1, *shape], np.int64)))

        out = graph.op("Mul", planes, graph.op("Add", unit("gain", 1, 1, 1), one))
        out = graph.op("Clip", graph.op("Add", out, unit("bias", 1, 1, 1)), zero, one)
        # ONNX Runtime's Pow takes nearly twice as long; zero stays zero, as exp(-inf).
        out = graph.op("Exp", graph.op("Mul", graph.op("Log", out), graph.op("Exp", unit("gamma", 1, 1, 1))))
        if self.size > 3:
            away = graph.op("Mul", unit("saturation", 1, 1), graph.constant(np.eye(3, dtype=np.float32) - LUMA_WEIGHTS))
            warmth = graph.op("Mul", unit("temperature", 1, 1), graph.constant(TEMPERATURE[:, None]))
            tint = graph.op("Mul", unit("tint", 1, 1), graph.constant(TINT[:, None]))
            balance = graph.op("Exp", graph.op("Add", warmth, tint))
            mixing = graph.op("Mul", graph.op("Add", away, graph.constant(np.eye(3, dtype=np.float32))), balance)
            height, width, _ = self.shape
            flat = graph.op("Reshape", out, graph.constant(np.array([0, 3, height * width], np.int64)))
            mixed = graph.op("MatMul", mixing, flat)
            out = graph.op("Reshape", mixed, graph.constant(np.array([0, 3, height, width], np.int64)))
        return graph.op("Clip", out, zero, one)


def color(argument: str, shape: tuple[int, int, int], **_: object) -> Color:
    """Makes the space ``color``; epsilon, channels and levels have no effect on it."""
    if argument:
        raise InputError(f"space color takes no number: write color instead of color:{argument}.")
    return Color(shape)


def _power(values: Images, exponent: Array) -> Images:
    """Powers ``(N, H, W, C)`` of positive values, in place.

    numpy's logarithm and exponential are fast only with AVX-512: six times slower than OpenCV's without it.
    """
    import cv2

    flat = values.reshape(len(values) * values.shape[1], -1)
    cv2.log(flat, dst=flat)
    values *= exponent
    cv2.exp(flat, dst=flat)
    return values


def _look_up(images: ImageBytes, tables: Images, out: Images) -> None:
    """Levels of images ``(N, H, W, C)`` replaced by the entries of tables ``(N, 256, 1, 1)``, to ``out``."""
    import cv2

    flat = len(images), images.shape[1], -1
    pairs = zip(np.ascontiguousarray(images).reshape(flat), tables.reshape(-1, 256), out.reshape(flat), strict=True)
    for image, table, toned in pairs:
        cv2.LUT(image, np.ascontiguousarray(table), dst=toned)


def _mixing(u: Array) -> Array:
    """Saturation and white balance as one matrix for columns of colour, ``(M, 3, 3)``; exact at the identity."""
    saturation, temperature, tint = (u[:, index, None, None] for index in (3, 4, 5))
    mixed = EYE + saturation * (EYE - LUMA_WEIGHTS[:, None])
    for_rows = np.asarray(mixed * np.exp(temperature * TEMPERATURE + tint * TINT), np.float32)
    return np.ascontiguousarray(for_rows.transpose(0, 2, 1))
