"""Pictures to files."""

from __future__ import annotations

from pathlib import Path

import cv2

from blackbox_dft._utils.files import write_atomically
from blackbox_dft._utils.types import Array


def write_png(path: str | Path, image: Array) -> None:
    """Writes ``image``, uint8 RGB ``(H, W, 3)`` or grey ``(H, W)``, as PNG; a reader never sees half of it.

    Raises:
        InputError: the folder cannot be written or the disk is full.
    """
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    _, png = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    write_atomically(path, lambda file: file.write(png.tobytes()))
