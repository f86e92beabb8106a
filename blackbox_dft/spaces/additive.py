"""Additive spaces ``pixel``, ``dct`` and ``grid``: one perturbation for all images, at most epsilon in the max norm.

``x' = clip(x + clip(P(z), -epsilon, epsilon), 0, 1)`` with ``P(z) = epsilon * scale * (rows Z columns^T)``: z fills a
small matrix Z for each colour direction, which two bases spread over the image. The scale makes a standard normal z
move the brightness of pixels by epsilon (root mean square).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.types import Array, Floats, Images, Ints
from blackbox_dft.errors import InputError
from blackbox_dft.spaces.base import Additive, Unbounded
from blackbox_dft.spaces.onnx_builder import OnnxBuilder

Channels = Literal["rgb", "luma"]

OPPONENT = np.array([[1, 1, 1], [-0.5, -0.5, 1], [1, -1, 0]], np.float32)
"""Colour directions: brightness, blue-yellow, red-green; largest entry 1."""
DIRECTIONS = ("luma", "blue-yellow", "red-green")
CHROMA_WEIGHT = 0.35
"""Scale of the two colour directions beside brightness: as in JPEG, brightness matters most."""


@dataclass(frozen=True, eq=False)
class PerPixel(Unbounded):
    """Base of spaces with one coordinate per pixel value: k = H W C, or H W if only brightness changes."""

    shape: tuple[int, int, int]
    epsilon: float
    bound: float
    """Largest change of a pixel: epsilon, or the whole 8-bit levels in it."""
    channels: Channels

    @property
    def planes(self) -> int:
        """Coordinates per pixel."""
        return 1 if self.channels == "luma" else self.shape[2]

    @property
    @override
    def size(self) -> int:
        return self.shape[0] * self.shape[1] * self.planes

    @property
    @override
    def names(self) -> tuple[str, ...]:
        # Row, column, channel.
        return tuple(",".join(map(str, place)) for place in np.ndindex(*self.shape[:2], self.planes))


@dataclass(frozen=True, eq=False)
class Pixels(PerPixel, Additive):
    """One coordinate per pixel value, added: the perturbation is ``epsilon z``."""

    spec: str = "pixel"

    @override
    def apply(self, images: Images, z: Floats) -> Images:
        return _add(images, self._field(z), self.bound)

    @override
    def distance(self, z: Floats) -> Floats:
        return _mean_square(self._field(z), self.bound)

    def field(self, graph: OnnxBuilder, z: str) -> str:
        """The perturbation before it is clipped, as ONNX nodes: ``(M, C or 1, H, W)``."""
        values = graph.op("Mul", z, graph.constant(np.float32(self.epsilon)))
        sides = np.array([-1, *self.shape[:2], self.planes], np.int64)
        return graph.op("Transpose", graph.op("Reshape", values, graph.constant(sides)), perm=[0, 3, 1, 2])

    @override
    def graph(self, graph: OnnxBuilder, planes: str, z: str) -> str:
        return _add_graph(graph, planes, self.field(graph, z), self.bound)

    def _field(self, z: Floats) -> Array:
        """``(M, H, W, planes)``, not clipped."""
        values: Array = np.atleast_2d(z).astype(np.float32) * np.float32(self.epsilon)
        return values.reshape(-1, *self.shape[:2], self.planes)


@dataclass(frozen=True, eq=False)
class Separable(Unbounded, Additive):
    """A perturbation spanned by the products of two bases, one over rows and one over columns."""

    kind: str
    """``dct`` or ``grid``."""
    shape: tuple[int, int, int]
    epsilon: float
    bound: float
    channels: Channels
    places: tuple[tuple[int, int], ...]
    """(row, column) in Z of each coordinate of a colour direction."""
    rows: Array
    """``(H, n)``."""
    columns: Array
    """``(W, n)``."""
    mix: Array
    """``(directions, channels)``: colour of each direction, scale included."""

    @property
    @override
    def spec(self) -> str:
        return f"{self.kind}:{self.rows.shape[1]}"

    @property
    @override
    def size(self) -> int:
        return len(self.mix) * len(self.places)

    @property
    @override
    def names(self) -> tuple[str, ...]:
        return tuple(f"{direction} {v},{u}" for direction in DIRECTIONS[: len(self.mix)] for v, u in self.places)

    @cached_property
    def order(self) -> Ints:
        """``(n * n,)``: index in the flattened Z of each coordinate of a colour direction."""
        return np.array([v * self.columns.shape[1] + u for v, u in self.places])

    @override
    def apply(self, images: Images, z: Floats) -> Images:
        if np.ndim(z) == 1:
            return _add_clipped(images, self._last_field(z))
        return _add(images, self._field(z), self.bound)

    @override
    def distance(self, z: Floats) -> Floats:
        return _mean_square(self._field(z), self.bound)

    def _last_field(self, z: Floats) -> Array:
        """The clipped field ``(1, H, W, channels)`` of one z, kept until another comes.

        Services change one image at a time by the same z: small products on many BLAS threads take 30 ms.
        """
        key = np.asarray(z, np.float64).tobytes()
        # One tuple, replaced as a whole: other threads see a z with its own field.
        last: tuple[bytes, Array] | None = self.__dict__.get("_last")
        if last is None or last[0] != key:
            field = self._field(z)
            last = key, np.clip(field, -np.float32(self.bound), np.float32(self.bound), out=field)
            self.__dict__["_last"] = last
        return last[1]

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_last"}

    def _field(self, z: Floats) -> Array:
        """``(M, H, W, channels)``, not clipped."""
        z = np.atleast_2d(z)
        directions, depth = self.mix.shape
        values = z.astype(np.float32).reshape(len(z), directions, -1)
        planes = np.zeros((len(z), values.shape[2], depth), np.float32)
        # Elementwise here, and below one matrix product per image: the bits must not depend on N.
        for direction in range(directions):
            planes[:, self.order] += values[:, direction, :, None] * self.mix[direction]
        filled = planes.reshape(len(z), self.rows.shape[1], -1)
        field: Array = np.matmul(np.matmul(self.rows, filled), self._spread)
        return field.reshape(len(z), *self.shape[:2], depth)

    def field(self, graph: OnnxBuilder, z: str) -> str:
        """The perturbation before it is clipped, as ONNX nodes: ``(M, C or 1, H, W)``."""
        directions, depth = self.mix.shape
        rows, columns = self.rows.shape[1], self.columns.shape[1]
        split = graph.constant(np.array([-1, directions, len(self.order)], np.int64))
        # Reordered by Gather: a permutation matrix for dct:64 would take 600 MB.
        placed = graph.op("Gather", graph.op("Reshape", z, split), graph.constant(np.argsort(self.order)), axis=2)
        mixed = graph.op("MatMul", graph.constant(np.ascontiguousarray(self.mix.T)), placed)
        filled = graph.op("Reshape", mixed, graph.constant(np.array([-1, depth, rows, columns], np.int64)))
        across = graph.op("MatMul", graph.constant(self.rows), filled)
        return graph.op("MatMul", across, graph.constant(np.ascontiguousarray(self.columns.T)))

    @override
    def graph(self, graph: OnnxBuilder, planes: str, z: str) -> str:
        return _add_graph(graph, planes, self.field(graph, z), self.bound)

    @cached_property
    def _spread(self) -> Array:
        """``columns^T`` for channels side by side: ``(n * C, W * C)``."""
        return np.kron(self.columns.T, np.eye(self.mix.shape[1], dtype=np.float32))


def _mean_square(field: Array, bound: float) -> Floats:
    clipped = np.clip(field, -bound, bound).reshape(len(field), -1).astype(np.float64)
    return np.asarray((clipped**2).mean(axis=1), np.float64)


def _add(images: Images, field: Images, bound: float) -> Images:
    return _add_clipped(images, np.clip(field, -np.float32(bound), np.float32(bound), out=field))


def _add_clipped(images: Images, field: Images) -> Images:
    out = images + field
    return np.clip(out, 0, 1, out=out)


def _add_graph(graph: OnnxBuilder, planes: str, field: str, bound: float) -> str:
    field = graph.op("Clip", field, graph.constant(-np.float32(bound)), graph.constant(np.float32(bound)))
    zero, one = graph.constant(np.float32(0)), graph.constant(np.float32(1))
    return graph.op("Clip", graph.op("Add", planes, field), zero, one)


def pixel(argument: str, shape: tuple[int, int, int], *, epsilon: float, channels: Channels, levels: bool) -> Pixels:
    """Makes the space ``pixel``: every pixel value by itself.

    >>> space = pixel("", (2, 2, 1), epsilon=0.1, channels="rgb", levels=False)
    >>> space.apply(np.full((1, 2, 2, 1), 0.5, np.float32), np.array([1, -1, 9, 0]))[0, :, :, 0]  # 9 is clipped
    array([[0.6, 0.4],
           [0.6, 0.5]], dtype=float32)
    """
    if argument:
        raise InputError(f"space pixel takes no number: write pixel instead of pixel:{argument}.")
    return Pixels(shape, epsilon, whole_levels(epsilon, levels), channels)


def dct(argument: str, shape: tuple[int, int, int], *, epsilon: float, channels: Channels, levels: bool) -> Separable:
    """Makes the space ``dct:n``: the n x n lowest frequencies of the cosine transform (DCT-II, as in JPEG).

    Coordinates are in zigzag order, brightness before colour.

    >>> space = dct("2", (4, 4, 3), epsilon=8 / 255, channels="luma", levels=True)
    >>> space.names
    ('luma 0,0', 'luma 0,1', 'luma 1,0', 'luma 1,1')
    """
    height, width, _ = shape
    n = _number("dct", argument, min(height, width), "frequencies a side")
    cosines = [
        np.cos(np.pi * np.outer(np.arange(length) + 0.5, np.arange(n)) / length).astype(np.float32)
        for length in (height, width)
    ]
    zigzag = sorted(((v, u) for v in range(n) for u in range(n)), key=lambda p: (p[0] + p[1], p))
    return _separable("dct", shape, epsilon, channels, levels, cosines[0], cosines[1], zigzag)


def grid(argument: str, shape: tuple[int, int, int], *, epsilon: float, channels: Channels, levels: bool) -> Separable:
    """Makes the space ``grid:n``: values at the centres of n x n tiles, bilinear between them, constant outside.

    >>> space = grid("2", (4, 4, 1), epsilon=0.1, channels="luma", levels=False)
    >>> change = space.apply(np.full((1, 4, 4, 1), 0.5, np.float32), 0.01 * np.array([1, 0, 0, 0])) - 0.5
    >>> (change[0, 0, :, 0] / change[0, 0, 0, 0]).round(2)
    array([1.  , 0.75, 0.25, 0.  ], dtype=float32)
    """
    height, width, _ = shape
    n = _number("grid", argument, min(height, width), "tiles a side")
    tents = [_tents(length, n) for length in (height, width)]
    places = [(v, u) for v in range(n) for u in range(n)]
    return _separable("grid", shape, epsilon, channels, levels, tents[0], tents[1], places)


def _separable(
    kind: str,
    shape: tuple[int, int, int],
    epsilon: float,
    channels: Channels,
    levels: bool,
    rows: Array,
    columns: Array,
    places: list[tuple[int, int]],
) -> Separable:
    depth = shape[2]
    # Inverse of the root mean square that standard normal coordinates give, from the mean square of each basis.
    scale = 1 / math.sqrt(math.prod(float((basis**2).sum(axis=1).mean()) for basis in (rows, columns)))
    if channels == "luma" or depth == 1:
        mix = np.full((1, 1), epsilon * scale, np.float32)
    else:
        mix = (OPPONENT * np.array([[1], [CHROMA_WEIGHT], [CHROMA_WEIGHT]]) * epsilon * scale).astype(np.float32)
    return Separable(
        kind=kind,
        shape=shape,
        epsilon=epsilon,
        bound=whole_levels(epsilon, levels),
        channels=channels,
        places=tuple(places),
        rows=rows,
        columns=columns,
        mix=mix,
    )


def _tents(length: int, n: int) -> Array:
    """Bilinear weights ``(length, n)`` of n tile centres at each of ``length`` pixels."""
    at = np.clip((np.arange(length) + 0.5) * n / length - 0.5, 0, n - 1)
    weights: Array = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(n)))
    return weights.astype(np.float32)


def _number(name: str, argument: str, maximum: int, what: str) -> int:
    # ASCII and short: int() refuses superscripts, which isdigit() accepts, and thousands of digits.
    if not (argument.isascii() and argument.isdigit() and len(argument) < 9 and 1 <= int(argument) <= maximum):
        raise InputError(f"space {name}:{argument} needs {what} from 1 to {maximum}: write {name}:{min(8, maximum)}.")
    return int(argument)


def whole_levels(epsilon: float, levels: bool) -> float:
    """``epsilon``, rounded down to whole 8-bit levels if images are rounded to ``levels``.

    >>> whole_levels(0.03, levels=True) == 7 / 255
    True

    Raises:
        InputError: epsilon is below one level.
    """
    if not levels:
        return epsilon
    # The small term makes 8/255 read from text eight levels.
    whole = math.floor(epsilon * 255 + 1e-6)
    if not whole:
        raise InputError(f"epsilon {epsilon:g} is below one 8-bit level: give 1/255 or more, or --encoding none.")
    return whole / 255
