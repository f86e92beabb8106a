"""Every pixel by itself, added inside a tanh, which keeps images in range without clipping: the paper's space.

With ``x = (tanh(a) + 1) / 2`` the changed pixel is ``(tanh(a + n) + 1) / 2``, a the pixel's own place and n the same in
all images (the change of variables of Carlini and Wagner 2017 with a shared n). Written without a, by the addition
theorem, ``x' - x = 2 t x (1 - x) / (1 - t + 2 x t)`` with ``t = tanh(n)``: black and white stay what they are, middle
grey moves by ``t / 2``. The change is clipped to epsilon, as in all additive spaces; 1 leaves it to the distance term.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blackbox_dft._utils.types import Array, Floats, Images
from blackbox_dft.errors import InputError
from blackbox_dft.spaces.additive import Channels, PerPixel, whole_levels
from blackbox_dft.spaces.onnx_builder import OnnxBuilder

UNIT = 2 * 8 / 255
"""n at z of 1: moves a pixel of middle grey by 8 levels."""
LARGEST = 1 - 1e-6
"""Of t: beyond it black and white would divide zero by zero."""


@dataclass(frozen=True, eq=False)
class Tanh(PerPixel):
    """Every pixel by itself, moved along a tanh."""

    spec: str = "tanh"

    def distance(self, z: Floats) -> Floats:
        """Mean squared change ``(M,)`` of a pixel of middle grey under each of ``z (M, k)``; pixels in [0, 1]."""
        change = np.minimum(np.abs(self._slopes(z)) / 2, np.float32(self.bound))
        return np.asarray((change.astype(np.float64) ** 2).mean(axis=1), np.float64)

    def apply(self, images: Images, z: Floats) -> Images:
        """Moves every pixel along its tanh."""
        t = self._slopes(z).reshape(-1, *self.shape[:2], self.planes)
        change: Array = 2 * t * images * (1 - images) / (1 - t + 2 * images * t)
        np.clip(change, -np.float32(self.bound), np.float32(self.bound), out=change)
        change += images
        return np.clip(change, 0, 1, out=change)

    def graph(self, graph: OnnxBuilder, planes: str, z: str) -> str:
        """The same as ONNX nodes."""

        def number(value: float) -> str:
            return graph.constant(np.float32(value))

        t = graph.op("Tanh", graph.op("Mul", z, number(UNIT)))
        t = graph.op("Clip", t, number(-LARGEST), number(LARGEST))
        shape = graph.constant(np.array([-1, *self.shape[:2], self.planes], np.int64))
        t = graph.op("Transpose", graph.op("Reshape", t, shape), perm=[0, 3, 1, 2])
        twice = graph.op("Mul", graph.op("Mul", planes, t), number(2))
        above = graph.op("Mul", twice, graph.op("Sub", number(1), planes))
        below = graph.op("Add", graph.op("Sub", number(1), t), twice)
        change = graph.op("Clip", graph.op("Div", above, below), number(-self.bound), number(self.bound))
        return graph.op("Clip", graph.op("Add", planes, change), number(0), number(1))

    def _slopes(self, z: Floats) -> Array:
        """t ``(M, k)``."""
        t: Array = np.tanh(np.atleast_2d(z).astype(np.float32) * np.float32(UNIT))
        return np.clip(t, -np.float32(LARGEST), np.float32(LARGEST), out=t)


def tanh(argument: str, shape: tuple[int, int, int], *, epsilon: float, channels: Channels, levels: bool) -> Tanh:
    """Every pixel inside a tanh."""
    if argument:
        raise InputError(f"space tanh takes no number: write tanh instead of tanh:{argument}.")
    return Tanh(shape, epsilon, whole_levels(epsilon, levels), channels)
