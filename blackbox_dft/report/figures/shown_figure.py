"""A matplotlib figure that notebooks show, without pyplot and whatever backend is in use."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class ShownFigure(Figure):
    """A figure that is shown as PNG where a cell of a notebook returns it."""

    def _repr_png_(self) -> bytes:
        from blackbox_dft.report.figures.style import drawing

        file = io.BytesIO()
        with drawing():
            self.savefig(file, format="png", dpi=min(self.dpi, 72), metadata={"Software": None})
        return file.getvalue()
