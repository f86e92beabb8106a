"""Watch: labels the images of a folder, and those that come to it later, as they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blackbox_dft.deploy.image_list import ListedImage, is_inside
from blackbox_dft.deploy.prediction_table import PredictionTable, recorded_files
from blackbox_dft.errors import TargetError
from blackbox_dft.images.files import list_images
from blackbox_dft.run.in_use import open_run
from blackbox_dft.run.predict import open_prediction, predict, unreadable_table

INTERVAL = 1.0
"""Seconds between two looks at the folder."""
MAX_WAIT = 60.0
"""Seconds that are waited, at most, before a target that failed is tried again."""
MAX_FILES = 256
"""Files that are labelled before their rows are written."""


@dataclass(frozen=True, eq=False)
class Watched:
    """Images that were labelled, and what they cost."""

    table: PredictionTable
    queries: int


def watch(
    run: Path,
    folder: Path,
    out: Path | None = None,
    *,
    budget: int | None = None,
    allow_outside: bool = False,
    warn: Callable[[str], None] = lambda text: None,
    pause: Callable[[float], None] = time.sleep,
    **options: Any,
) -> Iterator[Watched]:
    """Labels all images in ``folder`` and below it, and goes on with new ones; it never ends by itself.

    A file is taken once it no longer grows. If the target fails, the same files are tried again later. What was
    scored is recorded as by ``predict``, so nothing is paid for twice, however often it is stopped and started.

    Args:
        run: the folder of the run.
        folder: what is watched.
        out: a ``.csv`` or ``.jsonl`` that rows are added to; images that it holds are not labelled again.
        budget: most images that may be scored, by all that is done here.
        allow_outside: send a URL images outside the folder too, links followed.
        warn: called with sentences for the user.
        pause: called with seconds to wait.
        options: further ones of ``open_prediction``.

    Raises:
        InputError: the run, the folder or the table cannot be used.
        BudgetError: the next images would cost more than is left of ``budget``.
    """
    opened = open_run(run)
    outside = allow_outside or opened.config.allow_outside or "://" not in opened.config.target
    done = recorded_files(out, opened.tuning.labels) if out else set()
    sizes: dict[Path, tuple[int, int]] = {}
    wait = INTERVAL
    while True:
        new = []
        for path in list_images(folder):
            with suppress(OSError):
                about = path.stat()
                grown, sizes[path] = sizes.get(path), (about.st_size, about.st_mtime_ns)
                if path.as_posix() not in done and grown == sizes[path]:
                    new.append(ListedImage(path.as_posix(), path))
        for start in range(0, len(new), MAX_FILES):
            files = new[start : start + MAX_FILES]
            apart = [] if outside else [image for image in files if not is_inside(image.path, folder)]
            files = [image for image in files if image not in apart]
            try:
                found = [_refused(opened.tuning.labels, apart)] if apart else []
                if files and (bad := unreadable_table(opened, files)):
                    found.append(Watched(bad, 0))
                elif files:
                    names = [image.path for image in files]
                    result = predict(open_prediction(run, names, budget=budget, allow_outside=True, **options))
                    budget = None if budget is None else budget - result.queries
                    found.append(Watched(result.table, result.queries))
            except TargetError as error:
                wait = min(MAX_WAIT, 2 * wait)
                warn(f"{str(error).rstrip('.')}; trying again in {wait:.0f} s")
                break
            wait = INTERVAL
            for one in found:
                if out:
                    one.table.append(out)
                done.update(one.table.files)
                yield one
        pause(wait)


def _refused(labels: tuple[str, ...], images: list[ListedImage]) -> Watched:
    nothing = np.full((len(images), len(labels)), np.nan)
    error = "lies outside the folder and would be sent away"
    return Watched(PredictionTable(labels, tuple(one.name for one in images), nothing, (error,) * len(images)), 0)
