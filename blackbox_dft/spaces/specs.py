"""Texts of spaces: the space ``auto``, and how files spell what a space leaves unsaid.

Files keep the meaning that a text had when they were written. Earlier versions had no other border of ``affine`` than
the mirrored one, so that ``affine`` alone means that one in files, for good; from the command line and from Python it
means today's default, which files spell out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from blackbox_dft._utils.types import ImageBytes
from blackbox_dft.spaces.affine import DEFAULT_BORDER, Border

AUTO_SPEC = "affine+color+dct:8"
"""The space ``auto``: geometry and tone, which gain most, and a faint additive pattern."""
AUTO, AFFINE = "auto", "affine"
FIRST_BORDER = "mirror"
"""That of ``affine`` and ``auto`` alone in files."""
SEEN_BORDER = "auto"
"""Of ``auto`` in files, if it follows from the images."""
PLAIN_TONES, PLAIN_SHARE = 32, 0.5
"""Images end black or white if more than this share of their outer pixels is so near to it."""


def is_auto(spec: str) -> bool:
    """Whether ``spec`` is ``auto``, with or without a border."""
    return "+" not in spec and spec.partition(":")[0].strip() == AUTO


def expanded(spec: str) -> str:
    """``spec`` with the parts that ``auto`` stands for.

    >>> expanded("auto:black")
    'affine:black+color+dct:8'
    """
    if not is_auto(spec):
        return spec
    border = spec.partition(":")[2].strip()
    return AUTO_SPEC.replace(AFFINE, f"{AFFINE}:{border}") if border else AUTO_SPEC


def with_contrast(spec: str) -> str:
    """What ``auto`` stands for if images are dark or flat.

    >>> with_contrast("auto:black")
    'affine:black+contrast+color+dct:8'
    """
    return expanded(spec).replace("+color", "+contrast+color")


def with_seen_border(spec: str, border: Border | None) -> str:
    """``auto`` with the border that the images end with, unless ``spec`` names one.

    >>> with_seen_border("auto", "black"), with_seen_border("auto:mean", "black"), with_seen_border("affine", "black")
    ('auto:black', 'auto:mean', 'affine')
    """
    return f"{AUTO}:{border}" if border and spec.strip() == AUTO else spec


def outer_pixels(image: ImageBytes) -> ImageBytes:
    """Tones of the first and last rows and columns of an image ``(H, W, C)``, ``(P,)``."""
    return np.concatenate([part.ravel() for part in (image[0], image[-1], image[1:-1, 0], image[1:-1, -1])])


def seen_border(tones: ImageBytes) -> Border | None:
    """Black or white, if most of the outer pixels' tones ``(P,)`` are; else None.

    Beyond a digit on black there is more black. Drawn out, a stroke that touches the edge would become a longer stroke.

    >>> seen_border(outer_pixels(np.zeros((4, 4, 3), np.uint8))), seen_border(np.full(12, 128, np.uint8))
    ('black', None)
    """
    if np.mean(tones <= PLAIN_TONES) > PLAIN_SHARE:
        return "black"
    return "white" if np.mean(tones >= 255 - PLAIN_TONES) > PLAIN_SHARE else None


def to_file(spec: str) -> str:
    """``spec`` as files spell it.

    >>> to_file("affine+color"), to_file("affine:mirror+color"), to_file("auto"), to_file("affine:black")
    ('affine:edge+color', 'affine+color', 'auto:auto', 'affine:black')
    """
    return _respelled(spec, {AFFINE: DEFAULT_BORDER, AUTO: SEEN_BORDER}, {AFFINE: FIRST_BORDER, AUTO: FIRST_BORDER})


def from_file(spec: str) -> str:
    """The space that a file spells ``spec``.

    >>> from_file("affine+color"), from_file("affine:edge+color"), from_file("auto"), from_file("dct:8")
    ('affine:mirror+color', 'affine+color', 'auto:mirror', 'dct:8')
    >>> from_file("auto:edge"), from_file("auto:auto")  # of before the border followed from the images, and since
    ('auto:edge', 'auto')
    """
    return _respelled(spec, {AFFINE: FIRST_BORDER, AUTO: FIRST_BORDER}, {AFFINE: DEFAULT_BORDER, AUTO: SEEN_BORDER})


def _respelled(spec: str, unsaid: Mapping[str, str], not_said: Mapping[str, str]) -> str:
    """``spec`` with the border ``unsaid`` named, and ``not_said`` left out, by the name of the part."""

    def part(text: str) -> str:
        name, _, border = (word.strip() for word in text.partition(":"))
        if name not in (AUTO, AFFINE):
            return text
        border = border or unsaid[name]
        return name if border == not_said[name] else f"{name}:{border}"

    return "+".join(map(part, spec.split("+")))
