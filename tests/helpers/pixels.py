"""Figures as pixels."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from blackbox_dft._utils.types import Array
from blackbox_dft.report.figures.style import drawing


def noise(*shape: int) -> Array:
    """Random bytes, the same every time."""
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def rendered(figure: Figure) -> Array:
    """RGB ``(height, width, 3)``, as in the PNG."""
    canvas = FigureCanvasAgg(figure)
    with drawing():
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def count(picture: Array, color: str | tuple[int, int, int]) -> int:
    """Pixels of exactly this colour, ``#rrggbb`` or RGB."""
    rgb = tuple(bytes.fromhex(color[1:])) if isinstance(color, str) else color
    return int((picture == rgb).all(axis=-1).sum())
