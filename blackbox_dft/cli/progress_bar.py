"""Progress of a run on stderr: one moving line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from typing_extensions import override

from blackbox_dft.errors import TargetError
from blackbox_dft.search.progress import NoProgress, Point, Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Display

PHASES = {"select": "choosing", "tune": "tuning", "evaluate": "evaluating"}
"""Words for the phases of a run."""
ACCURACY_DECAY = 0.9
"""Weight of a minibatch in the running accuracy relative to the one after it."""
MIN_WEIGHT = 5
"""Weight of all minibatches together below which the running accuracy says too little to be the best."""


class PlainProgress(Progress):
    """Plain lines for files and pipes: the notes, and one line at every tenth of the search."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self._phase, self._size, self._passed, self._tenth = "", 0, 0, 0
        self._accuracy = RunningAccuracy()

    @override
    def note(self, text: str) -> None:
        click.echo(text, err=True)

    @override
    def phase(self, name: str, queries: int) -> None:
        self._phase, self._size, self._passed, self._tenth = name, queries, 0, 0

    @override
    def scored(self, images: int, paid: int) -> None:
        self.done += images
        self._passed += images
        tenth = 10 * self._passed // self._size if self._size else 0
        if self._phase == "tune" and tenth > self._tenth:
            self._tenth = tenth
            self.note(f"{PHASES[self._phase]}: {self.done:,} of {self.total:,} queries{self._accuracy}")

    @override
    def step(self, point: Point) -> None:
        self._accuracy.add(point.accuracy)


class BarProgress(Progress):
    """One line of a terminal: phase, time left, queries of the budget, images/s, accuracy; notes appear above it.

    Args:
        display: where the line is shown; it is started and stopped by the caller.
        total: queries of the run.
    """

    def __init__(self, display: Display, total: int) -> None:
        self._display = display
        self._task = display.add_task("starting", total=total, tail="")
        self._started = time.perf_counter()
        self._paid = 0
        self._accuracy = RunningAccuracy()

    @override
    def note(self, text: str) -> None:
        self._display.console.print(text, markup=False, highlight=False, soft_wrap=True)

    @override
    def phase(self, name: str, queries: int) -> None:
        self._display.update(self._task, description=PHASES.get(name, name))

    @override
    def scored(self, images: int, paid: int) -> None:
        self._paid += paid
        rate = self._paid / max(time.perf_counter() - self._started, 1e-9)
        self._display.update(self._task, advance=images, tail=f"{rate:,.0f} images/s{self._accuracy}")

    @override
    def step(self, point: Point) -> None:
        self._accuracy.add(point.accuracy)


class RunningAccuracy:
    """Exponentially weighted accuracy of the latest minibatches, and the best it has been.

    >>> accuracy = RunningAccuracy()
    >>> for value in (0.5, 1.0):
    ...     accuracy.add(value)
    >>> str(accuracy)
    '  train accuracy 0.763'
    """

    def __init__(self) -> None:
        self._sum = self._weight = self._best = 0.0

    def add(self, accuracy: float) -> None:
        """Adds the accuracy of one minibatch."""
        self._sum = ACCURACY_DECAY * self._sum + accuracy
        self._weight = ACCURACY_DECAY * self._weight + 1
        if self._weight > MIN_WEIGHT:
            self._best = max(self._best, self._sum / self._weight)

    def __str__(self) -> str:
        if not self._weight:
            return ""
        best = f" (best {self._best:.3f})" if self._best else ""
        return f"  train accuracy {self._sum / self._weight:.3f}{best}"


@contextmanager
def show_progress(total: int, quiet: bool) -> Iterator[Progress]:
    """The progress display of a run of ``total`` queries that suits stderr."""
    if quiet:
        yield NoProgress()
    elif not sys.stderr.isatty():
        yield PlainProgress(total)
    else:
        # Takes longer to load than some commands take.
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Display

        with Display(
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=24),
            TimeRemainingColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} queries"),
            TextColumn("{task.fields[tail]}"),
            console=Console(stderr=True),
        ) as display:
            yield BarProgress(display, total)


@contextmanager
def resume_hint(run: Path) -> Iterator[None]:
    """Says how to continue a run that stops before its end."""
    hint = f"all scores are kept: continue with 'bbdft resume {run}'"
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"\nbbdft: stopped; {hint}.", err=True)
        raise click.exceptions.Exit(130) from None
    except TargetError as error:
        raise TargetError(f"{str(error).rstrip('.')}; {hint}.") from error
