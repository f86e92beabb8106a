"""Runs of a comparison side by side in threads, for a device that one run alone leaves idle.

They share the target's session and the images on the device. Each has its own ledger and its own random numbers, so its
result depends on no other run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from blackbox_dft.comparison.grid import GridRun
from blackbox_dft.comparison.learning_curve import Scored, learning_curve
from blackbox_dft.run.experiment import Experiment


def in_threads(
    experiment: Experiment,
    runs: Sequence[GridRun],
    budgets: Sequence[int],
    cap: Sequence[int],
    out: Path,
    batch: int,
    *,
    threads: int,
    scored: Scored,
    done: Callable[[GridRun], None],
) -> None:
    """Computes the ``learning_curve`` of all ``runs``, so many ``threads`` at a time.

    Args:
        experiment: data and target of all runs, opened.
        runs: those to compute, in this order.
        budgets, cap, out, batch: as of ``learning_curve``.
        threads: runs side by side.
        scored: called here with the images scored and those of them paid for.
        done: called here with each finished run.

    Raises:
        BlackboxError: of the first run that failed; the others are stopped, and continue from their ledgers next time.
    """
    # The callbacks are called here, as those who gave them may not expect other threads.
    events: SimpleQueue[Callable[[], None]] = SimpleQueue()
    stopped = threading.Event()

    def counted(images: int, paid: int) -> None:
        if stopped.is_set():
            raise _StoppedError
        events.put(partial(scored, images, paid))

    def work(run: GridRun) -> None:
        try:
            if not stopped.is_set():
                learning_curve(experiment, run, budgets, cap, out, batch, counted)
            events.put(partial(finished, run))
        except BaseException as error:
            events.put(partial(_fail, error))

    left = len(runs)

    def finished(run: GridRun) -> None:
        nonlocal left
        left -= 1
        done(run)

    with ThreadPoolExecutor(threads, "run") as pool:
        try:
            for run in runs:
                pool.submit(work, run)
            while left:
                events.get()()
        finally:
            # Each run ends at its next score; what it has scored is in its ledger.
            stopped.set()


class _StoppedError(Exception):
    """Ends a run as another one failed, or on Ctrl-C."""


def _fail(error: BaseException) -> None:
    raise error
