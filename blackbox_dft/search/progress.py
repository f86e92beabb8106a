"""Who watches a run. Every call is a notice; none can change the course."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Point:
    """One step of the course: tuning queries spent by then, and how the answers to it did."""

    queries: int
    loss: float
    accuracy: float


class Progress(Protocol):
    """What a run tells its watcher."""

    def note(self, text: str) -> None:
        """A line for the user."""
        ...

    def phase(self, name: str, queries: int) -> None:
        """A phase of so many queries begins."""
        ...

    def scored(self, images: int, paid: int) -> None:
        """So many queries of the phase are answered, ``paid`` of them just now by the target."""
        ...

    def told(self, point: Point) -> None:
        """The estimator was told losses."""
        ...


class NoProgress:
    """Watches and says nothing."""

    def note(self, text: str) -> None:
        """Ignored."""

    def phase(self, name: str, queries: int) -> None:
        """Ignored."""

    def scored(self, images: int, paid: int) -> None:
        """Ignored."""

    def told(self, point: Point) -> None:
        """Ignored."""
