"""Additive spaces: one perturbation, the same in every image, bounded by epsilon in the max norm.

``x' = clip(x + clip(P(z), -epsilon, epsilon), 0, 1)`` with ``P(z) = epsilon * scale * (rows Z columns^T)``: z fills a
small matrix Z for each colour direction, which two bases spread over the image. The scale is such that z of standard
normal numbers moves a pixel's brightness by epsilon on average (root mean square).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from blackbox_dft._utils.types import Array, Floats, Images, Ints
from blackbox_dft.errors import InputError
from blackbox_dft.spaces.onnx_builder import OnnxBuilder

Channels = Literal["rgb", "luma"]

OPPONENT = np.array([[1, 1, 1], [-0.5, -0.5, 1], [1, -1, 0]], np.float32)
"""Colour directions: brightness, blue against yellow, red against green; largest entry 1."""
CHROMA = 0.35
"""Weight of the colour directions: as in JPEG, brightness matters first."""


@dataclass(frozen=True, eq=False)
class PerPixel:
    """A coordinate for every value of an image: k = H W C, or H W on brightness alone."""

    shape: tuple[int, int, int]
    epsilon: float
    bound: float
    """What a pixel's change is clipped to: epsilon, or the whole levels below it."""
    channels: Channels

    @property
    def planes(self) -> int:
        """Values a pixel has."""
        return 1 if self.channels == "luma" else self.shape[2]

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return self.shape[0] * self.shape[1] * self.planes

    @property
    def names(self) -> tuple[str, ...]:
        """Row, column, channel; in the order of an image's values."""
        return tuple(",".join(map(str, place)) for place in np.ndindex(*self.shape[:2], self.planes))

    @property
    def lower(self) -> Floats:
        """No bound: epsilon bounds the image."""
        return np.full(self.size, -np.inf)

    @property
    def upper(self) -> Floats:
        """No bound."""
        return np.full(self.size, np.inf)

    def initial(self) -> Floats:
        """Zero."""
        return np.zeros(self.size)


@dataclass(frozen=True, eq=False)
class Pixels(PerPixel):
    """Every pixel by itself, added."""

    spec: str = "pixel"

    def apply(self, images: Images, z: Floats) -> Images:
        """Adds ``epsilon z``, clipped, and stays within [0, 1]."""
        return _add(images, self._field(z), self.bound)

    def distance(self, z: Floats) -> Floats:
        """Mean squared perturbation ``(M,)`` of each of ``z (M, k)``, before it meets an image; pixels in [0, 1]."""
        return _mean_square(self._field(z), self.bound)

    def field(self, graph: OnnxBuilder, z: str) -> str:
        """The perturbation before it is clipped, as ONNX nodes: ``(M, C or 1, H, W)``."""
        values = graph.op("Mul", z, graph.constant(np.float32(self.epsilon)))
        sides = np.array([-1, *self.shape[:2], self.planes], np.int64)
        return graph.op("Transpose", graph.op("Reshape", values, graph.constant(sides)), perm=[0, 3, 1, 2])

    def graph(self, graph: OnnxBuilder, planes: str, z: str) -> str:
        """The same as ONNX nodes."""
        return _add_graph(graph, planes, self.field(graph, z), self.bound)

    def _field(self, z: Floats) -> Array:
        """``(M, H, W, planes)``, not clipped."""
        values: Array = np.atleast_2d(z).astype(np.float32) * np.float32(self.epsilon)
        return values.reshape(-1, *self.shape[:2], self.planes)


@dataclass(frozen=True, eq=False)
class Separable:
    """A perturbation spanned by two bases, rows and columns."""

    spec: str
    shape: tuple[int, int, int]
    epsilon: float
    bound: float
    channels: Channels
    names: tuple[str, ...]
    rows: Array
    """``(H, n)``."""
    columns: Array
    """``(W, n)``."""
    order: Ints
    """``(n * n,)``: place in Z of each coordinate of a colour direction."""
    mix: Array
    """``(directions, channels)``: colour of each direction, scale included."""

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return len(self.names)

    @property
    def lower(self) -> Floats:
        """No bound: epsilon bounds the image."""
        return np.full(self.size, -np.inf)

    @property
    def upper(self) -> Floats:
        """No bound."""
        return np.full(self.size, np.inf)

    def initial(self) -> Floats:
        """Zero."""
        return np.zeros(self.size)

    def apply(self, images: Images, z: Floats) -> Images:
        """Adds the perturbation, clipped, and stays within [0, 1]."""
        return _add(images, self._field(z), self.bound)

    def distance(self, z: Floats) -> Floats:
        """Mean squared perturbation ``(M,)`` of each of ``z (M, k)``, before it meets an image; pixels in [0, 1]."""
        return _mean_square(self._field(z), self.bound)

    def _field(self, z: Floats) -> Array:
        """``(M, H, W, channels)``, not clipped."""
        z = np.atleast_2d(z)
        directions, depth = self.mix.shape
        values = z.astype(np.float32).reshape(len(z), directions, -1)
        planes = np.zeros((len(z), values.shape[2], depth), np.float32)
        # Elementwise, and below one matrix product an image: the bits must not depend on N.
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
        # Reordered by index: as a matrix the order alone would weigh 600 MB for dct:64.
        placed = graph.op("Gather", graph.op("Reshape", z, split), graph.constant(np.argsort(self.order)), axis=2)
        mixed = graph.op("MatMul", graph.constant(np.ascontiguousarray(self.mix.T)), placed)
        filled = graph.op("Reshape", mixed, graph.constant(np.array([-1, depth, rows, columns], np.int64)))
        across = graph.op("MatMul", graph.constant(self.rows), filled)
        return graph.op("MatMul", across, graph.constant(np.ascontiguousarray(self.columns.T)))

    def graph(self, graph: OnnxBuilder, planes: str, z: str) -> str:
        """The same as ONNX nodes."""
        return _add_graph(graph, planes, self.field(graph, z), self.bound)

    @cached_property
    def _spread(self) -> Array:
        """``columns^T`` for channels side by side: ``(n * C, W * C)``."""
        return np.kron(self.columns.T, np.eye(self.mix.shape[1], dtype=np.float32))


def _mean_square(field: Array, bound: float) -> Floats:
    clipped = np.clip(field, -bound, bound).reshape(len(field), -1).astype(np.float64)
    return np.asarray((clipped**2).mean(axis=1), np.float64)


def _add(images: Images, field: Images, bound: float) -> Images:
    np.clip(field, -np.float32(bound), np.float32(bound), out=field)
    out = images + field
    return np.clip(out, 0, 1, out=out)


def _add_graph(graph: OnnxBuilder, planes: str, field: str, bound: float) -> str:
    field = graph.op("Clip", field, graph.constant(-np.float32(bound)), graph.constant(np.float32(bound)))
    zero, one = graph.constant(np.float32(0)), graph.constant(np.float32(1))
    return graph.op("Clip", graph.op("Add", planes, field), zero, one)


def pixel(argument: str, shape: tuple[int, int, int], *, epsilon: float, channels: Channels, levels: bool) -> Pixels:
    """Every pixel by itself; the paper's space."""
    if argument:
        raise InputError(f"space pixel takes no number: write pixel instead of pixel:{argument}.")
    return Pixels(shape, epsilon, whole_levels(epsilon, levels), channels)


def dct(argument: str, shape: tuple[int, int, int], *, epsilon: float, channels: Channels, levels: bool) -> Separable:
    """The n x n lowest frequencies of the cosine transform (DCT-II, as JPEG's), in zigzag order, brightness first."""
    height, width, _ = shape
    n = _number("dct", argument, min(height, width), "frequencies a side")
    waves = [
        np.cos(np.pi * np.outer(np.arange(length) + 0.5, np.arange(n)) / length).astype(np.float32)
        for length in (height, width)
    ]
    zigzag = sorted(((v, u) for v in range(n) for u in range(n)), key=lambda p: (p[0] + p[1], p))
    return _separable(f"dct:{n}", shape, epsilon, channels, levels, waves[0], waves[1], zigzag)


def grid(argument: str, shape: tuple[int, int, int], *, epsilon: float, channels: Channels, levels: bool) -> Separable:
    """Values at the centres of n x n tiles, bilinear between them, constant beyond the outer centres."""
    height, width, _ = shape
    n = _number("grid", argument, min(height, width), "tiles a side")
    tents = [_tents(length, n) for length in (height, width)]
    places = [(v, u) for v in range(n) for u in range(n)]
    return _separable(f"grid:{n}", shape, epsilon, channels, levels, tents[0], tents[1], places)


def _separable(
    spec: str,
    shape: tuple[int, int, int],
    epsilon: float,
    channels: Channels,
    levels: bool,
    rows: Array,
    columns: Array,
    places: list[tuple[int, int]],
) -> Separable:
    depth = shape[2]
    # What standard normal coordinates amount to, by the mean square of each basis.
    scale = 1 / math.sqrt(math.prod(float((basis**2).sum(axis=1).mean()) for basis in (rows, columns)))
    if channels == "luma" or depth == 1:
        directions, mix = ["luma"], np.full((1, 1), epsilon * scale, np.float32)
    else:
        directions = ["luma", "blue-yellow", "red-green"]
        mix = (OPPONENT * np.array([[1], [CHROMA], [CHROMA]]) * epsilon * scale).astype(np.float32)
    return Separable(
        spec=spec,
        shape=shape,
        epsilon=epsilon,
        bound=whole_levels(epsilon, levels),
        channels=channels,
        names=tuple(f"{direction} {v},{u}" for direction in directions for v, u in places),
        rows=rows,
        columns=columns,
        order=np.array([v * columns.shape[1] + u for v, u in places]),
        mix=mix,
    )


def _tents(length: int, n: int) -> Array:
    """Bilinear weights ``(length, n)`` of n tile centres at each of ``length`` pixels."""
    at = np.clip((np.arange(length) + 0.5) * n / length - 0.5, 0, n - 1)
    weights: Array = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(n)))
    return weights.astype(np.float32)


def _number(name: str, argument: str, most: int, what: str) -> int:
    # Short and ASCII first: int() refuses superscripts, which isdigit() lets pass, and thousands of digits.
    if not (argument.isascii() and argument.isdigit() and len(argument) < 9 and 1 <= int(argument) <= most):
        raise InputError(f"space {name}:{argument} needs {what} from 1 to {most}: write {name}:{min(8, most)}.")
    return int(argument)


def whole_levels(epsilon: float, levels: bool) -> float:
    """``epsilon``, or where images are rounded to 8 bits the whole levels in it.

    Raises:
        InputError: there are none.
    """
    if not levels:
        return epsilon
    # A hair above, so that 8/255 read from text still counts as eight levels.
    whole = math.floor(epsilon * 255 + 1e-6)
    if not whole:
        raise InputError(f"epsilon {epsilon:g} is below one 8-bit level: give 1/255 or more, or --encoding none.")
    return whole / 255
