"""A result as a notebook shows it: the verdict, accuracy before and after, three pairs of images."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Protocol

import numpy as np

from blackbox_dft.api.figures import Run
from blackbox_dft.errors import InputError
from blackbox_dft.report.breakdown import chosen_images, decided_names
from blackbox_dft.report.figures.thumbnails import Thumbnail, thumbnail
from blackbox_dft.report.outcome import Outcome, accuracy_beside
from blackbox_dft.run.summary import Accuracy

PAIRS = 3
HEIGHT = 96
"""Pixels of an image as it is shown."""
CELL = "padding:0 1em 0 0;text-align:left"


class Shown(Run, Protocol):
    """What is shown; a ``Result`` is one."""

    path: Path

    @property
    def accuracy(self) -> Accuracy:
        """Of the test images."""
        ...

    def sentence(self) -> str:
        """The verdict in words."""
        ...


def result_html(result: Shown) -> str:
    """The fragment of HTML that a notebook shows for ``result``."""
    summary = result.summary
    document = summary.to_json()
    shown = Outcome.of(document)
    gain = f"{shown.change(shown.gain)} {shown.unit}, 95 %: {shown.interval(shown.ci95)}"
    rows = {
        f"test {shown.title} before": shown.level(shown.before),
        "after": f"{shown.level(shown.after)} ({gain})",
        **({"accuracy": text.removeprefix("accuracy ")} if (text := accuracy_beside(document)) else {}),
        "free threshold": shown.level(shown.threshold),
        "test images": f"{shown.n:,}",
        "queries": f"{summary.queries.total:,} of {summary.budget:,}",
        "folder": str(result.path),
    }
    table = "".join(
        f"<tr><th style='{CELL}'>{escape(name)}</th><td style='{CELL}'>{escape(text)}</td></tr>"
        for name, text in rows.items()
    )
    return f"<div><p><b>{escape(result.sentence())}</b></p><table>{table}</table>{_pairs(result)}</div>"


def _pairs(result: Shown) -> str:
    """Test images before and after: those that became right first."""
    predictions = result.predictions()
    chosen = chosen_images(predictions, PAIRS, PAIRS)
    positions = np.concatenate([chosen["mended"], chosen["typical"], chosen["broken"]])[:PAIRS]
    try:
        images, changed = result.pictures(positions)
    except InputError as error:
        return f"<p>No images: {escape(str(error))}</p>"
    names = [decided_names(predictions.classes, p) for p in (predictions.before, predictions.after)]
    cells = []
    for place, position in enumerate(positions.tolist()):
        truth = predictions.classes[predictions.labels[position]]
        pair = _picture(thumbnail(images[place])) + _picture(thumbnail(changed[place]))
        words = f"{names[0][position]} → {names[1][position]} (is {truth})"
        style = "display:inline-block;margin:0 1.5em 0 0"
        cells.append(f"<figure style='{style}'>{pair}<figcaption>{escape(words)}</figcaption></figure>")
    return "".join(cells)


def _picture(picture: Thumbnail) -> str:
    pixels = ";image-rendering:pixelated" if picture.coarse else ""
    return f'<img alt="" style="height:{HEIGHT}px;margin:0 4px 0 0{pixels}" src="{picture.src}">'
