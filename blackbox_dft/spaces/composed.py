"""Composition of spaces (``affine+color``): concatenated vectors, changes applied from left to right."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.types import Floats, ImageBytes, Images
from blackbox_dft.spaces.base import Change, Space, SupportsBlocks, SupportsLongSteps
from blackbox_dft.spaces.blocks import change_of, changed_images
from blackbox_dft.spaces.onnx_builder import OnnxBuilder
from blackbox_dft.spaces.scratch import Scratch


@dataclass(frozen=True, eq=False)
class Composed(Space, SupportsBlocks, SupportsLongSteps):
    """Several spaces, applied in order; z is the concatenation of their vectors.

    >>> from blackbox_dft.spaces import make_space
    >>> space = make_space("affine+color", (2, 2, 3))
    >>> [part.spec for part in space.parts], [len(part) for part in space.split(space.initial())]
    (['affine', 'color'], [4, 6])
    """

    parts: tuple[Space, ...]

    @property
    @override
    def spec(self) -> str:
        return "+".join(part.spec for part in self.parts)

    @property
    @override
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    @property
    @override
    def names(self) -> tuple[str, ...]:
        return tuple(f"{part.spec} {name}" for part in self.parts for name in part.names)

    @property
    @override
    def lower(self) -> Floats:
        return np.concatenate([part.lower for part in self.parts])

    @property
    @override
    def upper(self) -> Floats:
        return np.concatenate([part.upper for part in self.parts])

    @property
    def epsilon(self) -> float | None:
        """Epsilon of the additive parts; None if there are none."""
        return next((e for part in self.parts if (e := getattr(part, "epsilon", None)) is not None), None)

    @property
    def channels(self) -> str | None:
        """Channels (``rgb`` or ``luma``) of the additive parts; None if there are none."""
        return next((c for part in self.parts if (c := getattr(part, "channels", None)) is not None), None)

    @override
    def initial(self) -> Floats:
        return np.concatenate([part.initial() for part in self.parts])

    @override
    def long_steps(self) -> Floats:
        found, before = [np.empty((0, self.size))], 0
        for part in self.parts:
            if isinstance(part, SupportsLongSteps):
                steps = part.long_steps()
                found.append(np.pad(steps, [(0, 0), (before, self.size - before - part.size)]))
            before += part.size
        return np.concatenate(found)

    def split(self, z: Floats) -> list[Floats]:
        """``z (k,)`` or ``(N, k)`` divided into one array per part."""
        found, start = [], 0
        for size in [part.size for part in self.parts]:
            found.append(z[..., start : start + size])
            start += size
        return found

    def rest(self, z: Floats, but: Collection[int]) -> Floats:
        """``z (k,)`` with all parts at their identity, except those whose indices are in ``but``."""
        pairs = zip(self.parts, self.split(z), strict=True)
        return np.concatenate([own if index in but else part.initial() for index, (part, own) in enumerate(pairs)])

    @override
    def apply(self, images: Images, z: Floats) -> Images:
        return changed_images(self, images, z, levels=False)

    @override
    def change_by(self, z: Floats, scratch: Scratch) -> Change:
        changes = [change_of(part, own, scratch) for part, own in zip(self.parts, self.split(z), strict=True)]

        def change(images: ImageBytes | Images, rows: slice) -> Images:
            changed = changes[0](images, rows)
            for later in changes[1:]:
                changed = later(changed, rows)
            return changed

        return change

    @override
    def graph(self, graph: OnnxBuilder, planes: str, z: str) -> str:
        start = 0
        for part in self.parts:
            own = graph.op("Gather", z, graph.constant(np.arange(start, start + part.size)), axis=1)
            planes = part.graph(graph, planes, own)
            start += part.size
        return planes
