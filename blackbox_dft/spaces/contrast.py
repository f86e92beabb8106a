"""The space ``contrast``: changes that depend on each image's own brightness, with numbers that all images share.

In this order, with z of 1 for each: *stretch* ``x + .2 z (stretch(x) - x)``, where stretch maps the image's own darkest
and lightest tones to 0 and 1 (auto-contrast); *level* ``x (.45 / mean)^(.1 z)``, towards a common brightness; *balance*
``channel (mean / channel mean)^(.2 z)``, towards a grey mean (the grey-world assumption). Clipped to [0, 1] after the
first and the last. The darkest and lightest tones are the 2nd and 98th percentile of luma over small blocks, so that
single pixels do not decide.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.types import Array, Floats, ImageBytes, Images
from blackbox_dft.errors import InputError
from blackbox_dft.images.encoding import LUMA_WEIGHTS
from blackbox_dft.spaces.base import SupportsLongSteps, ZeroIdentity
from blackbox_dft.spaces.onnx_builder import OnnxBuilder

UNIT = {"stretch": 0.2, "level": 0.1, "balance": 0.2}
"""Size of a step: the parameter at z of 1."""
MAX_Z = {"stretch": 5.0, "level": 10.0, "balance": 5.0}
"""Upper bounds of z, at which the change is whole; the lower bounds are their negatives."""
TAIL = 0.02
"""Share of the blocks that are darker than black, or lighter than white, after a whole stretch."""
BLOCKS = 32
"""Number of blocks along the short side of an image; single pixels in smaller ones."""
MIN_WIDTH = 1 / 16
"""Least distance of the lightest from the darkest tone: what is flat is noise, and is not stretched beyond this."""
TARGET = 0.45
"""Brightness that level moves the mean to."""
MIN_MEAN = 1 / 64
"""Least mean that a factor is taken from."""


FLAT = 0.4
"""Images whose lightest and darkest tone lie less far apart, at the median, are flat."""


def tone_width(images: Iterable[ImageBytes]) -> float:
    """Median distance of the lightest from the darkest tone, as a share of the range, of images ``(H, W, C)``.

    >>> round(tone_width(np.linspace(25, 76, 100).astype(np.uint8).reshape(1, 10, 10, 1)), 2)
    0.2
    """
    ends = [Contrast((*image.shape[:2], image.shape[2])).tones_of_bytes(image) for image in images]
    return float(np.median([light - dark for dark, light in ends]))


@dataclass(frozen=True, eq=False)
class Contrast(ZeroIdentity, SupportsLongSteps):
    """Stretch, level and, for colour images, balance: three coordinates, two for grey images.

    >>> dim = np.linspace(0.2, 0.4, 100, dtype=np.float32).reshape(1, 10, 10, 1)
    >>> wide = Contrast((10, 10, 1)).apply(dim, np.array([5, 0]))  # the whole stretch
    >>> float(wide.min()), float(wide.max())
    (0.0, 1.0)
    """

    shape: tuple[int, int, int]
    spec: str = "contrast"

    @property
    @override
    def names(self) -> tuple[str, ...]:
        return tuple(UNIT)[: 2 if self.shape[2] == 1 else None]

    @property
    @override
    def size(self) -> int:
        return len(self.names)

    @property
    @override
    def upper(self) -> Floats:
        return np.array([MAX_Z[name] for name in self.names])

    @property
    @override
    def lower(self) -> Floats:
        return -self.upper

    @override
    def long_steps(self) -> Floats:
        # The whole stretch: what dark or flat images need is far from where a search begins.
        return MAX_Z["stretch"] * np.eye(1, self.size)

    @override
    def apply(self, images: Images, z: Floats) -> Images:
        z = np.atleast_2d(np.clip(z, self.lower, self.upper))
        u = (z * [UNIT[name] for name in self.names]).astype(np.float32)
        out = np.array(images, order="C")
        # One image after the other, so that sums do not depend on the batch.
        for image, (stretch, level, *balance) in zip(out, np.broadcast_to(u, (len(out), self.size)), strict=True):
            if stretch:
                self._stretch(image, stretch)
            if level or any(balance):
                means = image.reshape(-1, self.shape[2]).mean(axis=0, dtype=np.float64)
                image *= self._factors(means, level, *balance)
                np.clip(image, 0, 1, out=image)
        return out

    @property
    def _block(self) -> int:
        return max(1, -(-min(self.shape[:2]) // BLOCKS))

    @property
    def _rank(self) -> int:
        """Of the darkest tone among the blocks, from 1."""
        height, width, _ = self.shape
        return max(1, round(TAIL * (height // self._block) * (width // self._block)))

    @property
    def _luma(self) -> Array:
        return LUMA_WEIGHTS if self.shape[2] == 3 else np.ones(1, np.float32)

    def tones(self, image: Images) -> tuple[np.float32, np.float32]:
        """The darkest and the lightest tone of an image ``(H, W, C)``."""
        return self._ends(self._blocks(image).mean(axis=(1, 3)))

    def tones_of_bytes(self, image: ImageBytes) -> tuple[np.float32, np.float32]:
        """The same of bytes, but for the last bit: sums of whole numbers along rows take a tenth of the time."""
        sums = self._blocks(image).sum(axis=1, dtype=np.uint32).sum(axis=2)
        return self._ends(sums.astype(np.float32) / np.float32(255 * self._block**2))

    def _blocks(self, image: Array) -> Array:
        """Whole blocks, ``(rows, block, columns, block, C)``."""
        block, (height, width, depth) = self._block, self.shape
        rows, columns = height // block, width // block
        return image[: rows * block, : columns * block].reshape(rows, block, columns, block, depth)

    def _ends(self, means: Array) -> tuple[np.float32, np.float32]:
        """Darkest and lightest tone of blocks of these means ``(rows, columns, C)``."""
        sorted_tones = np.sort((means @ self._luma).ravel())
        return sorted_tones[self._rank - 1], sorted_tones[-self._rank]

    def _stretch(self, image: Images, share: np.float32) -> None:
        dark, light = self.tones(image)
        inverse = 1 / max(light - dark, np.float32(MIN_WIDTH))
        image *= 1 + share * (inverse - 1)
        image -= share * inverse * dark
        np.clip(image, 0, 1, out=image)

    def _factors(self, means: Array, level: float, balance: float = 0.0) -> Array:
        """Of the channels ``(C,)``."""
        luma = float(means @ self._luma)
        logs = level * np.log(TARGET / max(luma, MIN_MEAN))
        grey = np.log(max(luma, MIN_MEAN) / np.maximum(means, MIN_MEAN))
        return np.asarray(np.exp(logs + balance * grey), np.float32)

    @override
    def graph(self, graph: OnnxBuilder, planes: str, z: str) -> str:
        def number(value: float) -> str:
            return graph.constant(np.float32(value))

        def unit(name: str) -> str:
            column = graph.op("Gather", z, graph.constant(np.array([self.names.index(name)])), axis=1)
            clipped = graph.op("Clip", column, number(-MAX_Z[name]), number(MAX_Z[name]))
            scaled = graph.op("Mul", clipped, number(UNIT[name]))
            return graph.op("Reshape", scaled, graph.constant(np.array([-1, 1, 1, 1], np.int64)))

        zero, one, block = number(0), number(1), self._block
        luma = graph.constant(self._luma.reshape(1, -1, 1, 1))
        tones = graph.op("AveragePool", planes, kernel_shape=[block, block], strides=[block, block])
        tones = graph.op("ReduceSum", graph.op("Mul", tones, luma), graph.constant(np.array([1])), keepdims=0)
        tones = graph.op("Reshape", tones, graph.constant(np.array([0, -1], np.int64)))
        ends = [self._end(graph, tones, largest) for largest in (0, 1)]
        dark, light = (graph.op("Reshape", end, graph.constant(np.array([-1, 1, 1, 1], np.int64))) for end in ends)
        inverse = graph.op("Div", one, graph.op("Max", graph.op("Sub", light, dark), number(MIN_WIDTH)))
        share = unit("stretch")
        factor = graph.op("Add", one, graph.op("Mul", share, graph.op("Sub", inverse, one)))
        offset = graph.op("Mul", graph.op("Mul", share, inverse), dark)
        out = graph.op("Clip", graph.op("Sub", graph.op("Mul", planes, factor), offset), zero, one)
        means = graph.mean(out, (2, 3), np.float32(1 / (self.shape[0] * self.shape[1])))
        mean = graph.op("ReduceSum", graph.op("Mul", means, luma), graph.constant(np.array([1])))
        mean = graph.op("Max", mean, number(MIN_MEAN))
        logs = graph.op("Mul", unit("level"), graph.op("Log", graph.op("Div", number(TARGET), mean)))
        if self.shape[2] == 3:
            grey = graph.op("Log", graph.op("Div", mean, graph.op("Max", means, number(MIN_MEAN))))
            logs = graph.op("Add", logs, graph.op("Mul", unit("balance"), grey))
        return graph.op("Clip", graph.op("Mul", out, graph.op("Exp", logs)), zero, one)

    def _end(self, graph: OnnxBuilder, tones: str, largest: int) -> str:
        """The tone of the rank from one end, ``(N, 1)``."""
        from onnx import helper

        rank = graph.constant(np.array([self._rank], np.int64))
        values, indices = graph.name(), f"{graph.name()}_at"
        graph.nodes.append(
            helper.make_node("TopK", [tones, rank], [values, indices], axis=1, largest=largest, sorted=1)
        )
        return graph.op("Gather", values, graph.constant(np.array([self._rank - 1])), axis=1)


def contrast(argument: str, shape: tuple[int, int, int], **_: object) -> Contrast:
    """Makes the space ``contrast``; epsilon, channels and levels have no effect on it."""
    if argument:
        raise InputError(f"space contrast takes no number: write contrast instead of contrast:{argument}.")
    return Contrast(shape)
