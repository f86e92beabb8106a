"""Spaces: what may change in an image, as a function of a short vector z."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from blackbox_dft._utils import plugins
from blackbox_dft._utils.types import Floats
from blackbox_dft.errors import InputError
from blackbox_dft.spaces.base import Additive, Space

SPACES = {
    "pixel": "blackbox_dft.spaces.additive:pixel",
    "dct": "blackbox_dft.spaces.additive:dct",
    "grid": "blackbox_dft.spaces.additive:grid",
    "tanh": "blackbox_dft.spaces.tanh:tanh",
    "color": "blackbox_dft.spaces.color:color",
    "affine": "blackbox_dft.spaces.affine:affine",
}

EPSILON = 8 / 255
AUTO = "affine+color+dct:8"
"""What ``auto`` stands for: geometry and tone, which gain most, and a faint pattern beside them."""


def make_space(
    spec: str,
    shape: tuple[int, int, int],
    *,
    epsilon: float | None = None,
    channels: Literal["rgb", "luma"] = "rgb",
    levels: bool = True,
) -> Space:
    """The space ``spec`` for images of ``shape`` (height, width, channels): ``"dct:8"``, ``"affine+color"``.

    Args:
        spec: ``auto``, or parts joined by ``+``, applied in that order; a part is a name and, for some, a number after
            a colon.
        epsilon: largest change of a pixel by additive parts (pixel, tanh, dct, grid), in (0, 1]; 8/255 unless given.
        channels: whether the additive parts change colour or brightness only.
        levels: whether images are rounded to 8 bits afterwards; epsilon then holds after rounding.

    Raises:
        InputError: unknown, empty or repeated part, missing or useless number, or an epsilon outside its range.
    """
    from blackbox_dft.spaces.composed import Composed

    bound = EPSILON if epsilon is None else epsilon
    if not 0 < bound <= 1:
        raise InputError(f"epsilon {bound:g} is outside (0, 1]: give --epsilon 8/255 or the like.")
    if spec.strip() == "auto":
        spec = AUTO
    words = [part.strip() for part in spec.split("+")]
    names: list[str] = []
    parts: list[Space] = []
    for word in words:
        name, _, argument = word.partition(":")
        if not name:
            raise InputError(f"space {spec!r} has an empty part: write parts joined by '+', such as affine+color.")
        if name in names:
            raise InputError(f"space {spec!r} names {name} twice: once is enough.")
        names.append(name)
        make = plugins.find(name, SPACES, "spaces")
        parts.append(make(argument, shape, epsilon=bound, channels=channels, levels=levels))
    return parts[0] if len(parts) == 1 else Composed(tuple(parts))


def distance_of(space: Space) -> Callable[[Floats], Floats] | None:
    """The mean squared perturbation, ``(M, k)`` to ``(M,)``, of all additive parts; None where there are none."""
    from blackbox_dft.spaces.composed import Composed

    if isinstance(space, Additive):
        return space.distance
    if not isinstance(space, Composed):
        return None
    parts = [(number, part.distance) for number, part in enumerate(space.parts) if isinstance(part, Additive)]
    if not parts:
        return None

    def total(z: Floats) -> Floats:
        own = space.split(z)
        return np.asarray(sum(distance(own[number]) for number, distance in parts), np.float64)

    return total
