"""Texts of spaces: the space ``auto``, and how files spell what a space leaves unsaid.

Files keep the meaning that a text had when they were written. Earlier versions had no other border of ``affine`` than
the mirrored one, so that ``affine`` alone means that one in files, for good; from the command line and from Python it
means today's default, which files spell out.
"""

from __future__ import annotations

from blackbox_dft.spaces.affine import DEFAULT_BORDER

AUTO_SPEC = "affine+color+dct:8"
"""The space ``auto``: geometry and tone, which gain most, and a faint additive pattern."""
AUTO, AFFINE = "auto", "affine"
FIRST_BORDER = "mirror"
"""That of ``affine`` alone in files."""


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


def to_file(spec: str) -> str:
    """``spec`` as files spell it.

    >>> to_file("affine+color"), to_file("affine:mirror+color"), to_file("auto"), to_file("affine:black")
    ('affine:edge+color', 'affine+color', 'auto:edge', 'affine:black')
    """
    return _respelled(spec, unsaid=DEFAULT_BORDER, not_said=FIRST_BORDER)


def from_file(spec: str) -> str:
    """The space that a file spells ``spec``.

    >>> from_file("affine+color"), from_file("affine:edge+color"), from_file("auto"), from_file("dct:8")
    ('affine:mirror+color', 'affine+color', 'auto:mirror', 'dct:8')
    """
    return _respelled(spec, unsaid=FIRST_BORDER, not_said=DEFAULT_BORDER)


def _respelled(spec: str, *, unsaid: str, not_said: str) -> str:
    """``spec`` with the border ``unsaid`` named, and ``not_said`` left out."""

    def part(text: str) -> str:
        name, _, border = (word.strip() for word in text.partition(":"))
        if name not in (AUTO, AFFINE):
            return text
        border = border or unsaid
        return name if border == not_said else f"{name}:{border}"

    return "+".join(map(part, spec.split("+")))
