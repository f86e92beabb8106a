"""Spaces joined by ``+``: vectors side by side, changes from left to right."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from blackbox_dft._utils.types import Floats, Images
from blackbox_dft.spaces.base import Space
from blackbox_dft.spaces.onnx_builder import OnnxBuilder


@dataclass(frozen=True, eq=False)
class Composed:
    """Several spaces, applied in order."""

    parts: tuple[Space, ...]

    @property
    def spec(self) -> str:
        """The parts' texts joined by ``+``."""
        return "+".join(part.spec for part in self.parts)

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return sum(part.size for part in self.parts)

    @property
    def names(self) -> tuple[str, ...]:
        """The parts' names, after the part's own."""
        return tuple(f"{part.spec} {name}" for part in self.parts for name in part.names)

    @property
    def lower(self) -> Floats:
        """Declared least values."""
        return np.concatenate([part.lower for part in self.parts])

    @property
    def upper(self) -> Floats:
        """Declared greatest values."""
        return np.concatenate([part.upper for part in self.parts])

    @property
    def epsilon(self) -> float | None:
        """What bounds the additive part, if there is one."""
        return next((e for part in self.parts if (e := getattr(part, "epsilon", None)) is not None), None)

    @property
    def channels(self) -> str | None:
        """The additive part's, if there is one."""
        return next((c for part in self.parts if (c := getattr(part, "channels", None)) is not None), None)

    def initial(self) -> Floats:
        """The parts' identities."""
        return np.concatenate([part.initial() for part in self.parts])

    def split(self, z: Floats) -> list[Floats]:
        """``z (k,)`` or ``(N, k)`` cut into the parts' own."""
        return np.split(z, np.cumsum([part.size for part in self.parts])[:-1], axis=-1)

    def rest(self, z: Floats, but: Collection[int]) -> Floats:
        """``z (k,)`` with all parts at their identity except those numbered in ``but``."""
        own = zip(self.parts, self.split(z), strict=True)
        return np.concatenate([mine if number in but else part.initial() for number, (part, mine) in enumerate(own)])

    def apply(self, images: Images, z: Floats) -> Images:
        """One part after the other."""
        for part, own in zip(self.parts, self.split(z), strict=True):
            images = part.apply(images, own)
        return images

    def graph(self, graph: OnnxBuilder, planes: str, z: str) -> str:
        """The same as ONNX nodes."""
        start = 0
        for part in self.parts:
            own = graph.op("Gather", z, graph.constant(np.arange(start, start + part.size)), axis=1)
            planes = part.graph(graph, planes, own)
            start += part.size
        return planes
