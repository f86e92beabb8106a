"""Progress of a run that Python started: a line in a terminal or a notebook, warnings elsewhere; and callbacks."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

from typing_extensions import override

from blackbox_dft._utils.text import duration
from blackbox_dft.api.messages import in_python
from blackbox_dft.errors import InputError
from blackbox_dft.report.progress_display import PHASES, RecentSpeed, RunningLoss, paid_now, terminal_bar
from blackbox_dft.search.progress import NoProgress, Point, Progress

if TYPE_CHECKING:
    from blackbox_dft.api.result import Result

NOTEBOOK_INTERVAL = 0.25
"""Seconds between two updates of the line in a notebook."""


class RunWarning(UserWarning):
    """Something to look at before a budget is spent, such as decisions that are hardly better than chance."""


class Callback(Protocol):
    """Receives what a run does, from the thread that called ``optimize`` or ``resume``.

    A run calls ``phase`` as each of its phases begins, ``step`` after each step of the search, and ``done`` once, after
    its files are written. A subclass inherits methods that do nothing; an object need not have all three. If one of
    them raises, the run stops with that error; all scores are kept, and ``resume`` goes on from there. A run that is
    resumed repeats its steps from the recorded scores, so ``step`` is called for them again.

    >>> class Print(Callback):
    ...     def step(self, point: Point) -> None:
    ...         print(f"{point.queries} queries: accuracy {point.accuracy:.3f}")
    >>> Print().step(Point(queries=16, loss=0.4, accuracy=0.875))
    16 queries: accuracy 0.875
    """

    def phase(self, name: str, queries: int) -> None:
        """The phase ``name`` (``select``, ``tune``, ``views`` or ``evaluate``) of up to ``queries`` queries begins."""
        return None

    def step(self, point: Point) -> None:
        """A step of the search is done: tuning queries so far, and loss and accuracy of the step's images."""
        return None

    def done(self, result: Result) -> None:
        """The run is finished."""
        return None


class Notices(NoProgress):
    """Passes warnings to Python's ``warnings``, and the rest to callbacks and another progress."""

    def __init__(self, shown: Progress, callbacks: Sequence[object]) -> None:
        self._shown, self._callbacks = shown, callbacks

    def _call(self, name: str, *values: Any) -> None:
        for callback in self._callbacks:
            if method := getattr(callback, name, None):
                method(*values)

    @override
    def note(self, text: str) -> None:
        self._shown.note(in_python(text))

    @override
    def warning(self, text: str) -> None:
        warnings.warn(in_python(text), RunWarning, stacklevel=_callers_level())

    @override
    def phase(self, name: str, queries: int) -> None:
        self._shown.phase(name, queries)
        if name != "done":
            self._call("phase", name, queries)

    @override
    def scored(self, images: int, paid: int) -> None:
        self._shown.scored(images, paid)

    @override
    def step(self, point: Point) -> None:
        self._shown.step(point)
        self._call("step", point)

    def done(self, result: Result) -> None:
        """The run is finished, and its files are written."""
        self._call("done", result)


def _callers_level() -> int:
    """How many frames the code that called the package is away from ``warnings.warn``'s own caller."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and str(frame.f_globals.get("__name__")).startswith("blackbox_dft."):
        frame, level = frame.f_back, level + 1
    return level


class NotebookProgress(NoProgress):
    """One line below a cell of a notebook, which is replaced as the run goes on.

    Args:
        display: ``IPython.display.display``.
        html: ``IPython.display.HTML``.
        total: queries of the run.
        price: of one image, if it has one.
        clock: seconds.
    """

    def __init__(
        self,
        display: Any,
        html: Any,
        total: int,
        price: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._html, self._total, self._price, self._clock = html, total, price, clock
        self._done = self._paid = 0
        self._phase, self._shown_at, self._speed = "starting", 0.0, RecentSpeed(clock)
        self._loss = RunningLoss()
        self._handle = display(self._line(), display_id=True)

    @override
    def phase(self, name: str, queries: int) -> None:
        self._phase = PHASES.get(name, name)
        if name == "done":
            self.close()
        else:
            self._show(at_once=True)

    @override
    def scored(self, images: int, paid: int) -> None:
        self._done = min(self._done + images, self._total)
        self._paid += paid
        self._speed.add(images)
        self._show()

    @override
    def step(self, point: Point) -> None:
        self._loss.add(point.loss)

    def close(self) -> None:
        """Shows the last state."""
        self._show(at_once=True)

    def _show(self, *, at_once: bool = False) -> None:
        now = self._clock()
        if self._handle and (at_once or now - self._shown_at > NOTEBOOK_INTERVAL):
            self._shown_at = now
            self._handle.update(self._line())

    def _line(self) -> Any:
        paid = "" if self._price is None else f"  {paid_now(self._paid, self._price)}"
        left = self._speed.seconds(self._total - self._done) if self._phase != "done" else None
        time_left = "" if left is None else f"  {duration(left)} left at most"
        text = escape(f"{self._phase}: {self._done:,} of up to {self._total:,} queries{paid}{time_left}{self._loss}")
        return self._html(
            f'<progress max="{self._total}" value="{self._done}" style="width:16em"></progress> <code>{text}</code>'
        )


@contextmanager
def shown(
    progress: bool | Progress | None, total: int, callbacks: Sequence[object], price: float | None = None
) -> Iterator[Notices]:
    """What a run of ``total`` queries notifies.

    Args:
        progress: ``None`` shows a line in a notebook or on a terminal; ``True`` on any stderr, ``False`` nothing; or an
            object of the user's.
        total: queries of the run.
        callbacks: objects with some of the methods of ``Callback``.
        price: of one image, if it has one.

    Raises:
        InputError: an object without any of them.
    """
    _check(callbacks)
    if progress is not None and not isinstance(progress, bool):
        yield Notices(progress, callbacks)
    elif progress is not False and (ipython := _notebook()):
        line = NotebookProgress(ipython.display, ipython.HTML, total, price)
        try:
            yield Notices(line, callbacks)
        finally:
            line.close()
    elif progress or (progress is None and sys.stderr is not None and sys.stderr.isatty()):
        with terminal_bar(total, price) as bar:
            yield Notices(bar, callbacks)
    else:
        yield Notices(NoProgress(), callbacks)


def _check(callbacks: object) -> None:
    """Refuses what would be ignored in silence."""
    if not isinstance(callbacks, Sequence):
        raise InputError("callbacks is a list: pass callbacks=[...].")
    for callback in callbacks:
        if not any(callable(getattr(callback, name, None)) for name in ("phase", "step", "done")):
            raise InputError(f"{callback!r} is no callback: give it a method step, phase or done.")


def _notebook() -> Any:
    """``IPython.display`` if this runs in a notebook's kernel."""
    if "IPython" not in sys.modules:
        return None
    from IPython import display, get_ipython

    shell = get_ipython()
    return display if shell is not None and hasattr(shell, "kernel") else None
