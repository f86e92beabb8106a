"""Progress of a command on stderr: one moving line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import gc
import logging
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from typing_extensions import override

from blackbox_dft.cli.streams import is_logged, say
from blackbox_dft.errors import DriftError, MisfitError, TargetError
from blackbox_dft.report.progress_display import PHASES, RunningLoss, terminal_bar
from blackbox_dft.search.progress import NoProgress, Point, Progress

LOG = logging.getLogger(__name__)


class PlainProgress(Progress):
    """Plain lines for files and pipes: the notes, and one line at every tenth of the search."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self._phase, self._size, self._passed, self._tenth = "", 0, 0, 0
        self._loss = RunningLoss()

    @override
    def note(self, text: str) -> None:
        say(text)

    @override
    def phase(self, name: str, queries: int) -> None:
        self._phase, self._size, self._passed, self._tenth = name, queries, 0, 0

    @override
    def scored(self, images: int, paid: int) -> None:
        self.done = min(self.done + images, self.total)
        self._passed += images
        tenth = min(10, 10 * self._passed // self._size) if self._size else 0
        if self._phase == "tune" and tenth > self._tenth:
            self._tenth = tenth
            self.note(f"{PHASES[self._phase]}: {self.done:,} of {self.total:,} queries{self._loss}")

    @override
    def step(self, point: Point) -> None:
        self._loss.add(point.loss)


class QuietProgress(NoProgress):
    """Warnings alone: what should stop a run before its budget is spent is worth a line on stderr in any case."""

    @override
    def warning(self, text: str) -> None:
        say(f"WARNING: {text}")


class LoggedProgress(Progress):
    """Shows what another does, and logs the phases."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown

    @override
    def note(self, text: str) -> None:
        self._shown.note(text)

    @override
    def warning(self, text: str) -> None:
        self._shown.warning(text)

    @override
    def phase(self, name: str, queries: int) -> None:
        LOG.info("phase %s: up to %d queries", name, queries)
        self._shown.phase(name, queries)

    @override
    def scored(self, images: int, paid: int) -> None:
        LOG.debug("%d images scored, %d of them paid", images, paid)
        self._shown.scored(images, paid)

    @override
    def step(self, point: Point) -> None:
        self._shown.step(point)


def _logged(progress: Progress) -> Progress:
    return LoggedProgress(progress) if LOG.isEnabledFor(logging.INFO) else progress


@contextmanager
def show_progress(total: int, quiet: bool, price: float | None = None) -> Iterator[Progress]:
    """The progress display of a run of ``total`` queries, of ``price`` each, that suits stderr."""
    with _frozen_memory():
        if quiet:
            yield _logged(QuietProgress())
        elif is_logged() or not sys.stderr.isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
            yield _logged(PlainProgress(total))
        else:
            with terminal_bar(total, price) as progress:
                yield _logged(progress)


@contextmanager
def _frozen_memory() -> Iterator[None]:
    """Within it, the garbage collector leaves alone what was loaded before; to look through all of it takes long."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def resume_hint(run: Path) -> Iterator[None]:
    """Says how to continue a run that stops before its end, if it can be continued and has scores to keep."""
    try:
        yield
    except KeyboardInterrupt:
        hint = f"; {_hint(run)}" if _recorded(run) else " before the first score: give the same command again to start"
        say(f"\nbbdft: stopped{hint}.")
        raise click.exceptions.Exit(130) from None
    except MisfitError:
        raise
    except TargetError as error:
        if not _recorded(run):
            raise
        more = " --accept-drift" if isinstance(error, DriftError) else ""
        raise TargetError(f"{str(error).rstrip('.')}; {_hint(run, more)}.") from error


def _hint(run: Path, more: str = "") -> str:
    return f"all scores are kept: continue with 'bbdft resume {shlex.quote(str(run))}{more}'"


def _recorded(run: Path) -> bool:
    """Whether the run has scores; without any, the same command, mended or not, can be given again."""
    from blackbox_dft.scoring.ledger import LEDGER, count_queries

    queries = count_queries(run / LEDGER) if (run / LEDGER).exists() else None
    return queries is not None and queries[1] > 0
