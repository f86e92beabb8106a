"""Progress of a run as one moving line: phase, time left, queries, what was paid, images/s, loss."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from typing_extensions import override

from blackbox_dft.search.progress import Point, Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Display

PHASES = {
    "select": "choosing",
    "input": "finding the input form",
    "tune": "tuning",
    "views": "choosing views",
    "evaluate": "evaluating",
    "predict": "predicting",
    "check": "checking",
}
"""Words for the phases of a run, and of commands on a finished one."""
DECAY = 0.9
"""Weight of a minibatch in the running loss relative to the one after it."""
MIN_WEIGHT = 5
"""Weight of all minibatches together below which the running loss says too little to be the first."""
UPDATE_SECONDS = 0.05
"""Between two updates of the line, at least: the screen shows no more, and thousands of responses a second come."""
MIN_BAR, MAX_BAR = 8, 24
"""Characters of the bar of a terminal."""


RECENT, MIN_RECENT = 30.0, 2
"""Seconds that a speed is measured over, and notices that it needs at least."""


class BarProgress(Progress):
    """One line of a terminal: phase, time left, queries of the budget, cost, images/s, loss; notes appear above it.

    Args:
        display: where the line is shown; it is started and stopped by the caller.
        total: queries of the run.
        price: of one image, if it has one.
    """

    def __init__(self, display: Display, total: int, price: float | None = None) -> None:
        self._display, self._price = display, price
        self._task = display.add_task("starting", total=total, cost="", rate="", loss="", first="")
        self._total, self._done = total, 0
        self._started = time.perf_counter()
        self._paid = 0
        self._shown_at = 0.0
        self._loss = RunningLoss()

    @override
    def note(self, text: str) -> None:
        self._display.console.print(text, markup=False, highlight=False)

    @override
    def phase(self, name: str, queries: int) -> None:
        self._display.update(self._task, description=PHASES.get(name, name))

    @override
    def scored(self, images: int, paid: int) -> None:
        self._done = min(self._done + images, self._total)
        self._paid += paid
        if time.perf_counter() - self._shown_at > UPDATE_SECONDS:
            self.show()

    def show(self) -> None:
        """Shows what is known now."""
        self._shown_at = time.perf_counter()
        rate = self._paid / max(self._shown_at - self._started, 1e-9)
        self._display.update(
            self._task,
            completed=self._done,
            cost="" if self._price is None else paid_now(self._paid, self._price),
            rate=f"{rate:,.0f} images/s",
            loss=self._loss.now,
            first=self._loss.first,
        )

    @override
    def step(self, point: Point) -> None:
        self._loss.add(point.loss)


def fitted_line(parts: Sequence[tuple[int, str]], width: int, share: float, bar: str = "#") -> str:
    """One line of at most ``width`` characters: the most important of its parts, and a bar if there is room.

    >>> fitted_line([(0, "tuning"), (2, "9 images/s"), (1, "5/10 queries")], 44, 0.5)
    'tuning  [####    ]  9 images/s  5/10 queries'
    >>> fitted_line([(0, "tuning"), (2, "9 images/s"), (1, "5/10 queries")], 22, 0.5)
    'tuning  5/10 queries'

    Args:
        parts: texts with their importance, 0 first; in the order in which they are shown.
        width: characters.
        share: of the bar that is filled, in [0, 1].
        bar: what fills it.
    """
    kept: list[tuple[int, str]] = []
    for part in sorted((part for part in parts if part[1]), key=lambda part: part[0]):
        if sum(len(text) + 2 for _, text in [*kept, part]) - 2 > width:
            break
        kept.append(part)
    texts = [text for importance, text in parts if (importance, text) in kept]
    room = min(MAX_BAR, width - sum(len(text) + 2 for text in texts) - 2)
    if texts and room >= MIN_BAR:
        filled = round(share * room)
        texts.insert(1, f"[{bar * filled}{' ' * (room - filled)}]")
    return "  ".join(texts).replace("  (", " (")[:width]


def paid_now(images: int, price: float) -> str:
    """What ``images`` that were scored in this run cost.

    >>> paid_now(208, 0.01)
    '2.08 paid now'
    """
    return f"{images * price:,.2f} paid now"


class RecentSpeed:
    """Speed of what was scored in the last half minute: recorded scores come faster than those that are paid for.

    >>> times = iter([0, 10, 20])
    >>> speed = RecentSpeed(lambda: next(times))
    >>> for images in (16, 16, 32):
    ...     speed.add(images)
    >>> speed.seconds(120)
    50.0
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._scored: deque[tuple[float, int]] = deque()

    def add(self, images: int) -> None:
        """So many were scored just now."""
        now = self._clock()
        self._scored.append((now, images))
        while now - self._scored[0][0] > RECENT and len(self._scored) > MIN_RECENT:
            self._scored.popleft()

    def seconds(self, images: int) -> float | None:
        """How long so many more take; None before it is known."""
        passed = self._scored[-1][0] - self._scored[0][0] if self._scored else 0.0
        # The first ones were scored before that time began.
        scored = sum(count for _, count in self._scored) - (self._scored[0][1] if self._scored else 0)
        return images * passed / scored if passed and scored else None


class RunningLoss:
    """Exponentially weighted loss of the latest minibatches, and the first that was known.

    It is the loss of the candidates tried, which lie around the estimate: to be watched, not to be taken for a result.

    >>> loss = RunningLoss()
    >>> for value in (0.5, 0.25):
    ...     loss.add(value)
    >>> str(loss)
    '  loss 0.368'
    """

    def __init__(self) -> None:
        self._sum = self._weight = 0.0
        self._first: float | None = None

    def add(self, loss: float) -> None:
        """Adds the loss of one minibatch."""
        self._sum = DECAY * self._sum + loss
        self._weight = DECAY * self._weight + 1
        if self._first is None and self._weight > MIN_WEIGHT:
            self._first = self._sum / self._weight

    @property
    def now(self) -> str:
        """Of the latest minibatches, in words; empty before the first."""
        return f"loss {self._sum / self._weight:.3f}" if self._weight else ""

    @property
    def first(self) -> str:
        """What it was at first, in words."""
        return "" if self._first is None else f"(at first {self._first:.3f})"

    def __str__(self) -> str:
        return "".join(f"{space}{text}" for space, text in (("  ", self.now), (" ", self.first)) if text)


@contextmanager
def terminal_bar(total: int, price: float | None = None) -> Iterator[Progress]:
    """The line of a terminal on stderr, for a run of ``total`` queries."""
    # Takes longer to load than some commands take.
    from rich.console import Console
    from rich.progress import Progress as Display
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    console = Console(stderr=True)
    bar = "━" if console.encoding.startswith("utf") else "#"

    class Line(ProgressColumn):
        def render(self, task: Task) -> Text:
            left = task.time_remaining
            time_left = "" if left is None else str(timedelta(seconds=int(left)))
            queries = f"{task.completed:,.0f}/{task.total:,.0f} queries"
            cost = (2, task.fields["cost"])
            tail = [(4, task.fields["rate"]), (3, task.fields["loss"]), (5, task.fields["first"])]
            parts = [(0, task.description), (2, time_left), (1, queries), cost, *tail]
            # Not the last column, which some terminals wrap after.
            line = fitted_line(parts, console.width - 1, task.percentage / 100, bar)
            return Text(line, no_wrap=True, overflow="crop")

    with Display(Line(), console=console) as display:
        progress = BarProgress(display, total, price)
        try:
            yield progress
        finally:
            progress.show()
