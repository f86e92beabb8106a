"""The learned change: its parameters in words, its PSNR part by part, and what it adds as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from blackbox_dft._utils.types import Floats, ImageBytes
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.images.encoding import to_bytes
from blackbox_dft.images.similarity import psnr
from blackbox_dft.spaces import affine, color, contrast, sharpness
from blackbox_dft.spaces.base import Additive, Space
from blackbox_dft.spaces.composed import Composed

MAX_LISTED_PARAMETERS = 24
"""Of a part whose parameters are listed one by one."""


@dataclass(frozen=True)
class PartEffect:
    """One part of the space: its parameters and how far it alone changes images."""

    spec: str
    numbers: int
    psnr_db: float | None
    """Of the images under this part alone; None if they stay as they are."""
    values: tuple[tuple[str, str, str], ...]
    """Name, z and meaning of each parameter; empty if there are many."""
    additive: bool


def parts(space: Space) -> Sequence[Space]:
    """The parts of a composition; the space itself if it is not one."""
    return space.parts if isinstance(space, Composed) else (space,)


def part_effects(tuning: Tuning, images: ImageBytes) -> list[PartEffect]:
    """The effect of each part of a tuning, measured alone on ``images (N, H, W, C)``."""
    space = tuning.make_space()
    split = space.split(tuning.z) if isinstance(space, Composed) else [tuning.z]
    effects = []
    for number, (part, z) in enumerate(zip(parts(space), split, strict=True)):
        alone = Tuning(
            tuning.space,
            _only(space, tuning.z, [number]),
            tuning.shape,
            tuning.epsilon,
            tuning.channels,
            tuning.encoding,
        )
        values: tuple[tuple[str, str, str], ...] = ()
        if part.size <= MAX_LISTED_PARAMETERS:
            values = tuple((n, f"{v:+.2f}", in_words(n, v)) for n, v in zip(part.names, z.tolist(), strict=True))
        effects.append(
            PartEffect(part.spec, part.size, psnr(images, alone(images)), values, isinstance(part, Additive))
        )
    return effects


def in_words(name: str, z: float) -> str:
    """Meaning of the parameter ``name`` of a space with ranges at ``z``; empty for additive spaces.

    >>> in_words("zoom", 1.0)
    'content 11% larger'
    >>> in_words("dct 0,1", 1.0)
    ''
    """
    if name in ("zoom", "right", "down", "turn"):
        u = z * float(affine.UNIT[("zoom", "right", "down", "turn").index(name)])
        if name == "zoom":
            return f"content {abs(np.exp(u) - 1):.0%} {'larger' if u > 0 else 'smaller'}"
        if name == "turn":
            return f"{abs(np.rad2deg(u)):.1f}° {'counter-clockwise' if u > 0 else 'clockwise'}"
        opposite = {"right": "left", "down": "up"}[name]
        return f"{abs(u):.1%} of the image {name if u > 0 else opposite}"
    if name == "sharpness":
        u = z * sharpness.UNIT
        return f"details × {1 + u:.2f}: {'sharper' if u > 0 else 'blurred'}"
    if name in contrast.UNIT:
        u = z * contrast.UNIT[name]
        goal = {"stretch": "its own full contrast", "level": "a common brightness", "balance": "a grey mean"}[name]
        return f"{abs(u):.0%} of the way {'to' if u > 0 else 'away from'} {goal}"
    if name not in color.UNIT:
        return ""
    u = z * color.UNIT[name]
    return {
        "gain": f"contrast × {1 + u:.2f}",
        "bias": f"{255 * u:+.0f} levels",
        "gamma": f"exponent {np.exp(u):.2f}: middle grey {'darker' if u > 0 else 'lighter'}",
        "saturation": f"colours × {1 + u:.2f}",
        "temperature": f"{'warmer' if u > 0 else 'cooler'}: red × {np.exp(u):.2f}, blue × {np.exp(-u):.2f}",
        "tint": f"{'magenta' if u > 0 else 'green'}: green × {np.exp(-u):.2f}",
    }[name]


def field(tuning: Tuning) -> ImageBytes | None:
    """Middle grey ``(H, W, C)`` changed by the additive parts alone; None if there are none."""
    space = tuning.make_space()
    additive = [number for number, part in enumerate(parts(space)) if isinstance(part, Additive)]
    if not additive:
        return None
    grey = np.full((1, *tuning.shape), 128 / 255, np.float32)
    return np.asarray(to_bytes(space.apply(grey, _only(space, tuning.z, additive)))[0])


def _only(space: Space, z: Floats, but: Sequence[int]) -> Floats:
    return space.rest(z, but) if isinstance(space, Composed) else z
