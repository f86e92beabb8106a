"""The space ``tanh``, that of the paper: one coordinate per pixel value, added inside a tanh, so images stay in range.

With ``x = (tanh(a) + 1) / 2`` the changed pixel is ``(tanh(a + n) + 1) / 2``, where a depends on the image and n is the
same for all images (the change of variables of Carlini and Wagner 2017, with a shared n). By the addition theorem,
``x' - x = 2 t x (1 - x) / (1 - t + 2 x t)`` with ``t = tanh(n)``, without a. Black and white do not change, middle grey
moves by ``t / 2``. The change is clipped to epsilon, as in all additive spaces; with epsilon 1 only the distance term
limits it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.types import Array, Floats, Images
from blackbox_dft.errors import InputError
from blackbox_dft.spaces.additive import Channels, PerPixel, whole_levels
from blackbox_dft.spaces.base import Additive
from blackbox_dft.spaces.onnx_builder import OnnxBuilder

UNIT = 2 * 8 / 255
"""n at z of 1, which moves a pixel of middle grey by 8 levels."""
MAX_T = 1 - 1e-6
"""Bound of the absolute value of t: at 1, black or white would divide zero by zero."""


@dataclass(frozen=True, eq=False)
class Tanh(PerPixel, Additive):
    """One coordinate per pixel value, added inside a tanh.

    >>> space = tanh("", (1, 3, 1), epsilon=1.0, channels="rgb", levels=False)
    >>> images = np.array([0, 0.5, 1], np.float32).reshape(1, 1, 3, 1)
    >>> space.apply(images, np.ones(3)).ravel().round(4)  # middle grey moves by tanh(16 / 255) / 2
    array([0.    , 0.5313, 1.    ], dtype=float32)
    """

    spec: str = "tanh"

    @override
    def distance(self, z: Floats) -> Floats:
        # The change depends on the image: that of a middle-grey one.
        change = np.minimum(np.abs(self._tanh(z)) / 2, np.float32(self.bound))
        return np.asarray((change.astype(np.float64) ** 2).mean(axis=1), np.float64)

    @override
    def apply(self, images: Images, z: Floats) -> Images:
        t = self._tanh(z).reshape(-1, *self.shape[:2], self.planes)
        change: Array = 2 * t * images * (1 - images) / (1 - t + 2 * images * t)
        np.clip(change, -np.float32(self.bound), np.float32(self.bound), out=change)
        change += images
        return np.clip(change, 0, 1, out=change)

    @override
    def graph(self, graph: OnnxBuilder, planes: str, z: str) -> str:
        def number(value: float) -> str:
            return graph.constant(np.float32(value))

        t = graph.op("Tanh", graph.op("Mul", z, number(UNIT)))
        t = graph.op("Clip", t, number(-MAX_T), number(MAX_T))
        shape = graph.constant(np.array([-1, *self.shape[:2], self.planes], np.int64))
        t = graph.op("Transpose", graph.op("Reshape", t, shape), perm=[0, 3, 1, 2])
        twice = graph.op("Mul", graph.op("Mul", planes, t), number(2))
        above = graph.op("Mul", twice, graph.op("Sub", number(1), planes))
        below = graph.op("Add", graph.op("Sub", number(1), t), twice)
        change = graph.op("Clip", graph.op("Div", above, below), number(-self.bound), number(self.bound))
        return graph.op("Clip", graph.op("Add", planes, change), number(0), number(1))

    def _tanh(self, z: Floats) -> Array:
        """t ``(M, k)``."""
        t: Array = np.tanh(np.atleast_2d(z).astype(np.float32) * np.float32(UNIT))
        return np.clip(t, -np.float32(MAX_T), np.float32(MAX_T), out=t)


def tanh(argument: str, shape: tuple[int, int, int], *, epsilon: float, channels: Channels, levels: bool) -> Tanh:
    """Makes the space ``tanh``."""
    if argument:
        raise InputError(f"space tanh takes no number: write tanh instead of tanh:{argument}.")
    return Tanh(shape, epsilon, whole_levels(epsilon, levels), channels)
