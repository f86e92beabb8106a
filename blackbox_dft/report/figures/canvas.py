"""Text and colours of the pictures: OpenCV's own font, so that no font file is needed."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, TypeAlias

import cv2

from blackbox_dft._utils.types import Array

Color: TypeAlias = tuple[int, int, int]
"""RGB, like all images of the package."""

WHITE: Color = (255, 255, 255)
INK: Color = (31, 35, 40)
QUIET: Color = (99, 108, 118)
HAIRLINE: Color = (217, 222, 227)
RIGHT: Color = (26, 127, 55)
WRONG: Color = (196, 50, 42)
SERIES: tuple[Color, ...] = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233))
"""Told apart by colour-blind readers too (Okabe and Ito, https://jfly.uni-koeln.de/color/)."""


def mixed(color: Color, share: float) -> Color:
    """``color`` thinned with white; ``share`` 1 leaves it as it is."""
    red, green, blue = (round(255 + share * (channel - 255)) for channel in color)
    return red, green, blue


@cache
def _font() -> Any:
    return cv2.FontFace("sans")


def _printable(text: str) -> str:
    # OpenCV 5.0 crashes on lone surrogates, which stand for undecodable bytes in file names.
    return text.encode(errors="replace").decode()


def text_width(text: str, size: int, weight: int = 400) -> int:
    """Pixels that ``text`` takes in a row, spaces at its end included."""
    return int(cv2.getTextSize((0, 0), _printable(text), (0, 0), _font(), size, weight)[2])


def fitted(text: str, width: int, size: int, weight: int = 400) -> str:
    """``text`` on one line, cut with an ellipsis where it is wider than ``width`` pixels."""
    text = " ".join(text.split())
    if text_width(text, size, weight) <= width:
        return text
    keep = len(text)
    while keep and text_width(text[:keep].rstrip() + "…", size, weight) > width:
        keep -= 1
    return text[:keep].rstrip() + "…"


def draw_text(
    image: Array,
    text: str,
    at: tuple[int, int],
    *,
    size: int,
    color: Color = INK,
    weight: int = 400,
    align: Literal["left", "center", "right"] = "left",
) -> None:
    """Draws ``text`` into ``image``, its baseline at ``at`` (x, y); ``size`` in pixels, ``weight`` 400 is regular."""
    x, y = at
    x -= {"left": 0, "center": text_width(text, size, weight) // 2, "right": text_width(text, size, weight)}[align]
    cv2.putText(image, _printable(text), (x, y), color, _font(), size, weight)
