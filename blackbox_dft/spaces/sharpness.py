"""The space ``sharpness``: blur and sharpening by one number, ``x + .25 z (x - blur(x))``.

The blur is Gaussian, of a standard deviation of 1/64 of the short side (.8 pixels at least), with the outer pixels
drawn out; at z of -4 nothing else is left. Unsharp masking at positive z.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.types import Array, Floats, Images
from blackbox_dft.errors import InputError
from blackbox_dft.spaces.base import ZeroIdentity
from blackbox_dft.spaces.onnx_builder import OnnxBuilder

UNIT = 0.25
"""Weight of what the blur removes, at z of 1."""
MIN_Z, MAX_Z = -4.0, 8.0
"""The blur alone, and details three times as strong."""
SIGMA, MIN_SIGMA = 1 / 64, 0.8
"""Standard deviation of the blur: as a share of the short side, and in pixels at least."""
REACH = 3
"""Standard deviations at which the kernel ends."""


@dataclass(frozen=True, eq=False)
class Sharpness(ZeroIdentity):
    """Blur (negative) and sharpening (positive): one coordinate.

    >>> edge = np.array([0.25, 0.25, 0.75, 0.75], np.float32).reshape(1, 1, 4, 1).repeat(4, 1)
    >>> Sharpness((4, 4, 1)).apply(edge, np.array([2.0]))[0, 0, :, 0].round(2)
    array([0.24, 0.19, 0.81, 0.76], dtype=float32)
    """

    shape: tuple[int, int, int]
    spec: str = "sharpness"
    names: tuple[str, ...] = ("sharpness",)
    size: int = 1

    @property
    @override
    def lower(self) -> Floats:
        return np.array([MIN_Z])

    @property
    @override
    def upper(self) -> Floats:
        return np.array([MAX_Z])

    @cached_property
    def _kernel(self) -> Array:
        """``(2 r + 1,)``, summing to 1."""
        sigma = max(MIN_SIGMA, SIGMA * min(self.shape[:2]))
        radius = int(np.ceil(REACH * sigma))
        weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
        return np.asarray(weights / weights.sum(), np.float32)

    @override
    def apply(self, images: Images, z: Floats) -> Images:
        import cv2

        z = np.atleast_2d(np.clip(z, self.lower, self.upper))
        u = np.broadcast_to((UNIT * z[:, 0]).astype(np.float32), len(images))
        out = np.array(images, order="C")
        for image, weight in zip(out, u, strict=True):
            if weight:
                blurred = cv2.sepFilter2D(image, -1, self._kernel, self._kernel, borderType=cv2.BORDER_REPLICATE)
                image += weight * (image - blurred.reshape(image.shape))
        return np.clip(out, 0, 1, out=out)

    @override
    def graph(self, graph: OnnxBuilder, planes: str, z: str) -> str:
        depth, length = self.shape[2], len(self._kernel)
        radius = length // 2
        blurred = planes
        for axis, side in ((2, self.shape[0]), (3, self.shape[1])):
            # The outer pixels drawn out. Of Pad, newer opsets have versions that CUDA lacks, and the images would go
            # to the host and back.
            drawn_out = np.clip(np.arange(-radius, side + radius), 0, side - 1)
            blurred = graph.op("Gather", blurred, graph.constant(drawn_out), axis=axis)
        for sides in ((1, length), (length, 1)):
            weights = np.broadcast_to(self._kernel.reshape(1, 1, *sides), (depth, 1, *sides))
            blurred = graph.op("Conv", blurred, graph.constant(np.ascontiguousarray(weights)), group=depth)
        low, high, unit = (graph.constant(np.float32(value)) for value in (MIN_Z, MAX_Z, UNIT))
        weight = graph.op("Mul", graph.op("Clip", z, low, high), unit)
        weight = graph.op("Reshape", weight, graph.constant(np.array([-1, 1, 1, 1], np.int64)))
        changed = graph.op("Add", planes, graph.op("Mul", weight, graph.op("Sub", planes, blurred)))
        return graph.op("Clip", changed, graph.constant(np.float32(0)), graph.constant(np.float32(1)))


def sharpness(argument: str, shape: tuple[int, int, int], **_: object) -> Sharpness:
    """Makes the space ``sharpness``; epsilon, channels and levels have no effect on it."""
    if argument:
        raise InputError(f"space sharpness takes no number: write sharpness instead of sharpness:{argument}.")
    return Sharpness(shape)
