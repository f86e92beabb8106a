"""Progress callbacks of a run: notices only, none can change the search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from typing_extensions import override


@dataclass(frozen=True)
class Point:
    """One step of the search."""

    queries: int
    """Tuning queries spent so far."""
    loss: float
    """Mean loss of the step's queries, importance weights applied."""
    accuracy: float
    """Their accuracy, likewise."""


class Progress(Protocol):
    """Receives what a run reports, from the thread that runs it.

    A run calls ``phase`` at the start of each phase; within it ``scored`` as scores arrive, ``step`` after each step of
    the search, and ``note`` and ``warning`` at any time.
    """

    def note(self, text: str) -> None:
        """A line of text for the user."""
        ...

    def warning(self, text: str) -> None:
        """A line about what may be wrong, to be shown even if notes are not."""
        self.note(f"WARNING: {text}")

    def phase(self, name: str, queries: int) -> None:
        """The phase ``name`` (``select``, ``tune``, ``evaluate`` or ``done``) of ``queries`` queries begins."""
        ...

    def scored(self, images: int, paid: int) -> None:
        """``images`` more queries of the phase have scores; ``paid`` of them were scored by the target just now."""
        ...

    def step(self, point: Point) -> None:
        """A step of the search is done."""
        ...


class NoProgress(Progress):
    """Ignores all notices.

    >>> NoProgress().note("not shown")
    """

    @override
    def note(self, text: str) -> None:
        pass

    @override
    def phase(self, name: str, queries: int) -> None:
        pass

    @override
    def scored(self, images: int, paid: int) -> None:
        pass

    @override
    def step(self, point: Point) -> None:
        pass
