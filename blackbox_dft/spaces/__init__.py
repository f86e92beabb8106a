"""Image changes as a function of a short vector z: ``make_space`` and the table of built-in spaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from blackbox_dft._utils import plugins
from blackbox_dft._utils.types import Floats
from blackbox_dft.errors import InputError
from blackbox_dft.spaces.base import Additive, Space
from blackbox_dft.spaces.specs import expanded

SPACES = {
    "pixel": "blackbox_dft.spaces.additive:pixel",
    "dct": "blackbox_dft.spaces.additive:dct",
    "grid": "blackbox_dft.spaces.additive:grid",
    "tanh": "blackbox_dft.spaces.tanh:tanh",
    "color": "blackbox_dft.spaces.color:color",
    "affine": "blackbox_dft.spaces.affine:affine",
    "contrast": "blackbox_dft.spaces.contrast:contrast",
    "sharpness": "blackbox_dft.spaces.sharpness:sharpness",
}

DEFAULT_EPSILON = 8 / 255


def make_space(
    spec: str,
    shape: tuple[int, int, int],
    *,
    epsilon: float | None = None,
    channels: Literal["rgb", "luma"] = "rgb",
    levels: bool = True,
) -> Space:
    """Makes the space ``spec`` for images of ``shape`` (height, width, channels).

    Args:
        spec: ``auto``, or parts joined by ``+`` and applied in that order (``"affine+color"``). A part is a name and,
            for some, a number or a word after a colon (``"dct:8"``, ``"affine:black"``).
        epsilon: largest change of a pixel by additive parts (pixel, tanh, dct, grid), in (0, 1]; 8/255 by default.
        channels: whether the additive parts change colours (``rgb``) or brightness only (``luma``).
        levels: whether images are rounded to 8 bits afterwards; epsilon then holds after rounding.

    Raises:
        InputError: unknown, empty or repeated part, missing or invalid number, or an epsilon outside its range.

    >>> space = make_space("affine+color", (4, 4, 3))
    >>> space.size, space.names[0], space.names[4]
    (10, 'affine zoom', 'color gain')
    >>> images = np.full((1, 4, 4, 3), 0.5, np.float32)
    >>> bool((space.apply(images, space.initial()) == images).all())
    True
    >>> z = space.initial()
    >>> z[4] = 1  # gain times 1.1
    >>> space.apply(images, z)[0, 0, 0]
    array([0.55, 0.55, 0.55], dtype=float32)
    """
    from blackbox_dft.spaces.composed import Composed

    bound = DEFAULT_EPSILON if epsilon is None else epsilon
    if not 0 < bound <= 1:
        raise InputError(f"epsilon {bound:g} is outside (0, 1]: give --epsilon 8/255 or the like.")
    words = [part.strip() for part in expanded(spec).split("+")]
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
    """The function from ``z (M, k)`` to the mean squared perturbation ``(M,)`` of all additive parts; None without any.

    >>> distance = distance_of(make_space("pixel", (2, 2, 1), epsilon=0.1, levels=False))
    >>> distance(np.array([[1.0, 0, 0, 0]])).round(6)  # one of four pixels moves by 0.1
    array([0.0025])
    """
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
