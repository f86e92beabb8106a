"""What one sees while a run goes on: one line that moves on a terminal, plain lines elsewhere; all on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blackbox_dft.errors import TargetError
from blackbox_dft.search.progress import NoProgress, Point, Progress

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

WORDS = {"select": "choosing", "tune": "tuning", "evaluate": "evaluating"}
MEMORY = 0.9
"""Weight of the past in the running accuracy."""


class PlainProgress:
    """Plain lines: the notes, and a line at every tenth of a phase."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self._phase, self._size, self._passed, self._tenth = "", 0, 0, 0
        self._accuracy = RunningAccuracy()

    def note(self, text: str) -> None:
        """A line over the moving one."""
        click.echo(text, err=True)

    def phase(self, name: str, queries: int) -> None:
        """The phase names the line."""
        self._phase, self._size, self._passed, self._tenth = name, queries, 0, 0

    def scored(self, images: int, paid: int) -> None:
        """Queries answered."""
        self.done += images
        self._passed += images
        tenth = 10 * self._passed // self._size if self._size else 0
        if self._phase == "tune" and tenth > self._tenth:
            self._tenth = tenth
            self.note(f"{WORDS[self._phase]}: {self.done:,} of {self.total:,} queries{self._accuracy}")

    def step(self, point: Point) -> None:
        """A step of the search is done."""
        self._accuracy.add(point.accuracy)


class BarProgress:
    """One line of a terminal: queries used of budget, accuracy, images/s, time left."""

    def __init__(self, bar: ProgressBar[int]) -> None:
        self._bar = bar
        self._began = time.perf_counter()
        self._paid = 0
        self._accuracy = RunningAccuracy()

    def note(self, text: str) -> None:
        """A line over the moving one."""
        # Over the bar's line, which is drawn again below.
        click.echo(f"\r\033[K{text}", err=True)

    def phase(self, name: str, queries: int) -> None:
        """The phase names the line."""
        self._bar.label = f"{WORDS.get(name, name):<10}"
        self._bar.render_progress()

    def scored(self, images: int, paid: int) -> None:
        """Queries answered."""
        self._paid += paid
        self._bar.update(images)

    def step(self, point: Point) -> None:
        """A step of the search is done."""
        self._accuracy.add(point.accuracy)

    def tail(self, _: object) -> str:
        """What stands right of the bar."""
        rate = self._paid / max(time.perf_counter() - self._began, 1e-9)
        return f"queries{self._accuracy}  {rate:,.0f} images/s"


class RunningAccuracy:
    """Accuracy of late minibatches, and the best it was."""

    def __init__(self) -> None:
        self._sum = self._weight = self._best = 0.0

    def add(self, accuracy: float) -> None:
        """A minibatch more."""
        self._sum = MEMORY * self._sum + accuracy
        self._weight = MEMORY * self._weight + 1
        # The first few say little.
        if self._weight > 5:
            self._best = max(self._best, self._sum / self._weight)

    def __str__(self) -> str:
        if not self._weight:
            return ""
        best = f" (best {self._best:.3f})" if self._best else ""
        return f"  train accuracy {self._sum / self._weight:.3f}{best}"


@contextmanager
def watching(total: int, quiet: bool) -> Iterator[Progress]:
    """A watcher for a run of ``total`` queries that suits where stderr goes."""
    if quiet:
        yield NoProgress()
    elif not sys.stderr.isatty():
        yield PlainProgress(total)
    else:
        options: dict[str, Any] = {"length": total, "label": "starting  ", "file": sys.stderr, "width": 24}
        with click.progressbar(**options, show_pos=True, show_percent=False, update_min_steps=1) as bar:
            watcher = BarProgress(bar)
            bar.item_show_func = watcher.tail
            bar.current_item = 0
            yield watcher


@contextmanager
def kept(run: Path) -> Iterator[None]:
    """Says how to go on where a run stops before its end."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"\nbbdft: stopped; all answers are kept: go on with 'bbdft resume {run}'.", err=True)
        raise click.exceptions.Exit(130) from None
    except TargetError as error:
        raise TargetError(
            f"{str(error).rstrip('.')}; all answers are kept: go on with 'bbdft resume {run}'."
        ) from error
