"""Colours, text and files of the pictures: the pages' light palette, drawn with matplotlib and never with pyplot."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from blackbox_dft._utils.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

DPI = 72
"""Of figures measured in pixels: one point is one pixel."""
FONT_SIZE = 11.0
"""Points."""


class Palette(NamedTuple):
    """Colours as ``#rrggbb``."""

    ink: str
    quiet: str
    line: str
    good: str
    bad: str
    series: tuple[str, ...]


LIGHT = Palette(
    ink="#1f2328",
    quiet="#59636e",
    line="#d9dee3",
    good="#1a7f37",
    bad="#b3261e",
    # Distinct for colour-blind readers, after Okabe and Ito (https://jfly.uni-koeln.de/color/).
    series=("#0072b2", "#d55e00", "#008a66", "#b3588c", "#b47b00", "#3a95c9"),
)
"""The same as in ``templates/page.html``."""

EXTRA_FONTS = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "IPAexGothic", "Hiragino Sans",
    "PingFang SC", "Apple SD Gothic Neo", "Yu Gothic", "Microsoft YaHei", "Malgun Gothic", "Noto Sans Devanagari",
    "Noto Sans Thai", "Noto Sans Arabic", "Noto Sans Hebrew", "Nirmala UI", "Arial Unicode MS",
)  # fmt: skip
"""For characters that matplotlib's own DejaVu Sans lacks; used if they are installed."""


@contextmanager
def drawing(palette: Palette = LIGHT, **settings: Any) -> Iterator[None]:
    """Matplotlib's defaults in ``palette``, whatever the user's ``matplotlibrc`` says; restored at the end."""
    import matplotlib as mpl

    values: Any = {
        "font.family": _fonts(),
        "font.size": FONT_SIZE,
        "text.parse_math": False,
        "text.color": palette.ink,
        "axes.labelcolor": palette.ink,
        "axes.edgecolor": palette.line,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.axisbelow": True,
        "grid.color": palette.line,
        "grid.linewidth": 0.7,
        "xtick.color": palette.line,
        "ytick.color": palette.line,
        "xtick.labelcolor": palette.quiet,
        "ytick.labelcolor": palette.quiet,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "path.simplify": False,
        **settings,
    }
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(values)
        # Drawn as a box that names the script.
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing")
        yield


@cache
def _fonts() -> list[str]:
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    return ["DejaVu Sans", *(name for name in EXTRA_FONTS if name in installed)]


def one_line(text: str) -> str:
    """``text`` with single spaces for all white space; control characters and undecodable bytes become ``\\ufffd``.

    >>> one_line("a \\n b\\x1b")
    'a b\\ufffd'
    """
    return re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", "\ufffd", " ".join(text.split()))


def font(size: float, *, bold: bool = False) -> FontProperties:
    """The font of a text, ``size`` in points; bold letters are DejaVu Sans alone, as few others have them."""
    from matplotlib.font_manager import FontProperties

    if bold:
        return FontProperties(family="DejaVu Sans", size=size, weight="bold")
    return FontProperties(family=_fonts(), size=size)


def text_width(text: str, font: FontProperties) -> float:
    """Points that one line takes; call it within ``drawing``."""
    from matplotlib.backends import backend_agg

    renderer: Any = backend_agg.RendererAgg
    return float(renderer(1, 1, DPI).get_text_width_height_descent(text, font, ismath=False)[0]) if text else 0.0


def fitted(text: str, width: float, font: FontProperties) -> str:
    """``text`` on one line, cut with an ellipsis if it is wider than ``width`` points; call it within ``drawing``."""
    # No letter is narrower than a point.
    text = one_line(text)[: int(width) + 1]
    if text_width(text, font) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        fits = text_width(text[:middle].rstrip() + "…", font) <= width
        low, high = (middle, high) if fits else (low, middle - 1)
    return text[:low].rstrip() + "…"


def write_svg(figure: Figure, path: Path) -> None:
    """Writes ``figure`` as SVG, with letters as text; the same figure gives the same bytes.

    Raises:
        InputError: the folder cannot be written or the disk is full.
    """
    own: dict[str, Any] = {"svg.fonttype": "none", "svg.hashsalt": path.name}
    with drawing(**own):
        write_atomically(
            path, lambda file: figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        )


def write_png(figure: Figure, path: Path) -> None:
    """Writes ``figure`` as PNG; a reader never sees half of it.

    Raises:
        InputError: the folder cannot be written or the disk is full.
    """
    with drawing():
        write_atomically(path, lambda file: figure.savefig(file, format="png", metadata={"Software": None}))
