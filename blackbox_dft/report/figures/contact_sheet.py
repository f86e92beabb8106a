"""The contact sheet: images before and after the change, and their magnified difference, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from blackbox_dft._utils.types import Array, ImageBytes
from blackbox_dft.report.figures.style import DPI, LIGHT, drawing, fitted, font, one_line, text_width
from blackbox_dft.report.figures.thumbnails import magnified_difference

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

# Pixels, as all numbers here: smaller images are enlarged by a whole factor, larger ones shrunk.
MIN_TILE, MAX_TILE = 112, 256
MAX_CAPTION = 160
"""Columns widen for long captions up to this."""
MAX_WIDTH = 1200
MARGIN, GAP, GROUP_GAP = 28, 12, 44
TITLE_SIZE, HEAD_SIZE, CAPTION_SIZE = 20, 14, 13
MIN_CAPTION_SIZE = 11
"""A long caption is set smaller, down to this, before it is cut."""


class Caption(NamedTuple):
    """The text under an image; ``right`` makes it green with a tick, or red with a cross."""

    text: str
    right: bool | None = None


def contact_sheet(
    before: ImageBytes, after: ImageBytes, captions: Sequence[Sequence[Caption]], title: str = "", subtitle: str = ""
) -> Figure:
    """Draws before, after and their magnified difference side by side, image by image.

    Args:
        before: ``(N, H, W, C)`` with N > 0, RGB or one grey channel.
        after: the same images, changed.
        captions: ``(N, 3)``, for before, after and difference.
        title: one line over everything.
        subtitle: a smaller one beneath it.

    Returns:
        A figure of up to 1200 pixels in width.
    """
    from blackbox_dft.report.figures.shown_figure import ShownFigure

    difference, factor = magnified_difference(before, after)
    heads = ("before", "after", f"difference × {factor}")
    trios = [[_tile(image) for image in trio] for trio in zip(before, after, difference, strict=True)]
    texts = [[_marked(caption) for caption in trio] for trio in captions]
    height, width = trios[0][0].shape[:2]
    with drawing():
        bold, plain = font(HEAD_SIZE, bold=True), font(CAPTION_SIZE)
        widest = min(MAX_CAPTION, max(text_width(text, plain) for trio in texts for text in trio))
        cell = max(width, MIN_TILE, *(int(np.ceil(room)) for room in (widest, text_width(heads[-1], bold))))
        group, row = 3 * cell + 2 * GAP + GROUP_GAP, height + CAPTION_SIZE + 27
        # Two rows at least before a second column: a sheet is read down its columns.
        columns = min((MAX_WIDTH - 2 * MARGIN + GROUP_GAP) // group, -(-len(trios) // 2))
        top = MARGIN + (TITLE_SIZE + 24 if title else 0) + HEAD_SIZE + 14
        below, top = top - HEAD_SIZE - 14, top + (CAPTION_SIZE + 14 if subtitle else 0)
        sheet_height = top + -(-len(trios) // columns) * row + MARGIN - GAP
        sheet_width = 2 * MARGIN + columns * group - GROUP_GAP
        sheet = np.full((sheet_height, sheet_width, 3), 255, np.uint8)
        figure = ShownFigure(figsize=(sheet_width / DPI, sheet_height / DPI), dpi=DPI)

        def write(text: str, x: int, y: int, room: int, font: FontProperties, **style: Any) -> None:
            text = fitted(text, room, font)
            figure.text(x / sheet_width, 1 - y / sheet_height, text, fontproperties=font, va="baseline", **style)

        write(title, MARGIN, MARGIN + TITLE_SIZE, sheet_width - 2 * MARGIN, font(TITLE_SIZE, bold=True))
        write(subtitle, MARGIN, below, sheet_width - 2 * MARGIN, plain)
        for number, (trio, words, marks) in enumerate(zip(trios, texts, captions, strict=True)):
            y = top + number // columns * row
            for part, (image, text, caption) in enumerate(zip(trio, words, marks, strict=True)):
                x = MARGIN + number % columns * group + part * (cell + GAP)
                left, middle = x + (cell - width) // 2, x + cell // 2
                if number < columns:
                    write(heads[part], middle, y - 12, cell, bold, ha="center")
                sheet[y - 1 : y + height + 1, left - 1 : left + width + 1] = tuple(bytes.fromhex(LIGHT.line[1:]))
                sheet[y : y + height, left : left + width] = image
                small = font(MIN_CAPTION_SIZE) if text_width(text, plain) > cell else plain
                color = {None: LIGHT.ink, True: LIGHT.good, False: LIGHT.bad}[caption.right]
                write(text, middle, y + height + CAPTION_SIZE + 8, cell, small, color=color, ha="center")
        figure.figimage(sheet)
    return figure


def _tile(image: Array) -> Array:
    """``image`` as RGB in the size it is shown in."""
    height, width = image.shape[:2]
    longer = max(height, width)
    scale = MAX_TILE / longer if longer > MAX_TILE else -(-MIN_TILE // longer)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    sized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    return sized if sized.ndim == 3 else np.repeat(sized[..., None], 3, axis=-1)


def _marked(caption: Caption) -> str:
    # The mark is for readers who cannot tell red from green.
    mark = {None: "", True: "✔ ", False: "✘ "}[caption.right]
    return mark + one_line(caption.text)
