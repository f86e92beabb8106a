"""The contact sheet: images before and after the change, and the difference made visible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from blackbox_dft._utils.types import Array, ImageBytes
from blackbox_dft.report.figures.canvas import HAIRLINE, INK, RIGHT, WHITE, WRONG, Color, draw_text, fitted, text_width

# Pixels: a small image is enlarged until its longer side reaches the first, a large one shrunk to the second.
SMALLEST, LARGEST = 112, 256
# Columns widen for long captions up to this.
CELL = 160
WIDEST = 1200
MARGIN, GAP, GROUP_GAP = 28, 12, 44
TITLE, HEADER, CAPTION, MARK = 20, 15, 14, 16
# A long caption is set smaller, down to this, before it is cut.
FINEST = 11


class Caption(NamedTuple):
    """What stands under an image; ``right`` makes it green with a tick, or red with a cross."""

    text: str
    right: bool | None = None


def contact_sheet(
    before: ImageBytes,
    after: ImageBytes,
    captions: Sequence[Sequence[Caption | str]] | None = None,
    *,
    magnify: float | None = None,
    columns: int | None = None,
    title: str = "",
) -> ImageBytes:
    """Draws before, after and their magnified difference side by side, image by image.

    Args:
        before: ``(N, H, W, C)``, RGB or one grey channel.
        after: the same images, changed.
        captions: for each image up to three, for before, after and difference.
        magnify: the difference is drawn as grey 128 + magnify * (after - before). Without it: the largest power of
            two that keeps 99 % of all differences within what can be shown.
        columns: triples side by side; without it as many as look well within 1200 pixels.
        title: one line over everything.

    Returns:
        RGB, uint8 ``(height, width, 3)``.

    Raises:
        ValueError: no images, or arrays that do not belong together.
    """
    _check(before, after, captions, magnify, columns)
    change = after.astype(np.int16) - before
    factor = automatic_factor(change) if magnify is None else magnify
    difference = np.rint(128 + factor * change).clip(0, 255).astype(np.uint8)
    parts = [caption for image in captions or () for caption in image]
    sheet = _Layout.of(before.shape, columns, captions is not None, bool(title), max(map(_width, parts), default=0))
    canvas = np.full((sheet.height, sheet.width, 3), WHITE, np.uint8)
    if title:
        room = sheet.width - 2 * MARGIN
        draw_text(canvas, fitted(title, room, TITLE, 600), (MARGIN, MARGIN + TITLE), size=TITLE, weight=600)
    for column in range(sheet.columns):
        for part, name in enumerate(("before", "after", f"difference × {factor:g}")):
            x, y = sheet.corner(column, part)
            label = fitted(name, sheet.cell, HEADER, 600)
            draw_text(canvas, label, (x + sheet.cell // 2, y - 12), size=HEADER, weight=600, align="center")
    for number, images in enumerate(zip(before, after, difference, strict=True)):
        for part, image in enumerate(images):
            x, y = sheet.corner(number, part)
            _place(canvas, sheet.sized(image), x + (sheet.cell - sheet.tile[0]) // 2, y)
            if captions is not None and part < len(captions[number]):
                _write(canvas, captions[number][part], x, y + sheet.tile[1] + CAPTION + 7, sheet.cell)
    return canvas


def automatic_factor(change: Array) -> int:
    """The largest power of two that keeps the 99th percentile of ``abs(change)`` within 127 levels; 1 for no change."""
    usual = float(np.quantile(np.abs(change), 0.99))
    largest = usual if usual > 0 else float(np.abs(change).max())
    return 2 ** int(np.log2(127 / largest)) if 0 < largest <= 127 else 1


@dataclass(frozen=True)
class _Layout:
    """Where everything stands; pixels."""

    columns: int
    tile: tuple[int, int]
    cell: int
    top: int
    row: int
    rows: int

    @classmethod
    def of(cls, shape: tuple[int, ...], columns: int | None, captioned: bool, titled: bool, text: int) -> _Layout:
        count, height, width = shape[:3]
        longer = max(height, width)
        scale = LARGEST / longer if longer > LARGEST else -(-SMALLEST // longer)
        tile = max(1, round(width * scale)), max(1, round(height * scale))
        cell = max(tile[0], SMALLEST, min(text, CELL))
        group = 3 * cell + 2 * GAP + GROUP_GAP
        most = max(1, (WIDEST - 2 * MARGIN + GROUP_GAP) // group)
        # Two rows at least before a second column: a sheet reads down its columns' headers.
        chosen = min(columns or min(most, -(-count // 2)), count)
        row = tile[1] + (CAPTION + 26 if captioned else GAP + 4)
        return cls(chosen, tile, cell, MARGIN + (TITLE + 24) * titled + HEADER + 14, row, -(-count // chosen))

    @property
    def width(self) -> int:
        return 2 * MARGIN + self.columns * (3 * self.cell + 2 * GAP + GROUP_GAP) - GROUP_GAP

    @property
    def height(self) -> int:
        return self.top + self.rows * self.row + MARGIN - GAP

    def corner(self, number: int, part: int) -> tuple[int, int]:
        row, column = divmod(number, self.columns)
        group = 3 * self.cell + 2 * GAP + GROUP_GAP
        return MARGIN + column * group + part * (self.cell + GAP), self.top + row * self.row

    def sized(self, image: Array) -> Array:
        shrinks = max(self.tile) < max(image.shape[:2])
        sized = cv2.resize(image, self.tile, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST)
        return sized if sized.ndim == 3 else np.repeat(sized[..., None], 3, axis=-1)


def _place(canvas: Array, image: Array, x: int, y: int) -> None:
    height, width = image.shape[:2]
    canvas[y - 1 : y + height + 1, x - 1 : x + width + 1] = HAIRLINE
    canvas[y : y + height, x : x + width] = image


def _width(caption: Caption | str) -> int:
    """What a caption takes unless it is set smaller."""
    if isinstance(caption, str):
        return text_width(caption, CAPTION)
    return text_width(caption.text, CAPTION) + (0 if caption.right is None else MARK)


def _write(canvas: Array, caption: Caption | str, x: int, y: int, width: int) -> None:
    text, right = (caption, None) if isinstance(caption, str) else caption
    mark = 0 if right is None else MARK
    size = next((size for size in range(CAPTION, FINEST, -1) if text_width(text, size) <= width - mark), FINEST)
    text = fitted(text, width - mark, size)
    left = x + (width - mark - text_width(text, size)) // 2
    color = INK if right is None else RIGHT if right else WRONG
    if right is not None:
        _mark(canvas, left, y, right, color)
    draw_text(canvas, text, (left + mark, y), size=size, color=color)


def _mark(canvas: Array, x: int, y: int, right: bool, color: Color) -> None:
    """A tick or a cross, for readers who see no red and green."""
    strokes = [[(1, -5), (4, -1), (10, -9)]] if right else [[(1, -9), (9, -1)], [(1, -1), (9, -9)]]
    for stroke in strokes:
        # Coordinates in 1/16 pixel, so that the strokes lie on pixel centres.
        points = np.array([(16 * (x + dx), 16 * (y + dy)) for dx, dy in stroke], np.int32)
        cv2.polylines(canvas, [points], False, color, 2, cv2.LINE_AA, 4)


def _check(
    before: Array,
    after: Array,
    captions: Sequence[Sequence[Caption | str]] | None,
    magnify: float | None,
    columns: int | None,
) -> None:
    if before.ndim != 4 or before.shape[-1] not in (1, 3) or 0 in before.shape:
        raise ValueError(f"before must be one or more images (N, H, W, 1 or 3), not {before.shape}.")
    if before.shape != after.shape:
        raise ValueError(f"before {before.shape} and after {after.shape} must be the same images.")
    if before.dtype != np.uint8 or after.dtype != np.uint8:
        raise ValueError(f"before and after must be uint8, not {before.dtype} and {after.dtype}.")
    if captions is not None and len(captions) != len(before):
        raise ValueError(f"{len(captions)} captions for {len(before)} images: give as many.")
    if magnify is not None and not 0 < magnify < float("inf"):
        raise ValueError(f"magnify must be greater than 0, not {magnify}.")
    if columns is not None and columns < 1:
        raise ValueError(f"columns must be 1 or more, not {columns}.")
