"""What is compared: every estimator in every space with every seed, read off at several budgets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from blackbox_dft._utils.hashing import digest
from blackbox_dft.errors import InputError

NAME = 40
"""Letters of an estimator or a space that a folder's name shows."""


@dataclass(frozen=True)
class Variant:
    """An estimator in a space."""

    space: str
    estimator: str

    def __str__(self) -> str:
        return f"{self.estimator} on {self.space}"


@dataclass(frozen=True)
class GridRun:
    """A way with a seed."""

    way: Variant
    seed: int

    def __str__(self) -> str:
        return f"{self.way}, seed {self.seed}"

    @property
    def folder(self) -> str:
        """A file name of its own, whatever the specs are made of."""
        # The digest tells apart what the readable part does not.
        mark = digest(self.way.space, self.way.estimator).hex()[:8]
        return f"{_plain(self.way.space)}.{_plain(self.way.estimator)}.{mark}.{self.seed}"


@dataclass(frozen=True)
class Grid:
    """All runs of a comparison.

    Raises:
        InputError: nothing to compare, something named twice, or a budget that is none.
    """

    spaces: tuple[str, ...]
    estimators: tuple[str, ...]
    budgets: tuple[int, ...]
    """Tuning queries, ascending."""
    seeds: tuple[int, ...]

    def __post_init__(self) -> None:
        for option, values in (("--space", self.spaces), ("--estimator", self.estimators), ("--budgets", self.budgets)):
            if not values:
                raise InputError(f"nothing to compare: give {option} once at least.")
            if twice := [value for number, value in enumerate(values) if value in values[:number]]:
                raise InputError(f"{option} names {twice[0]!r} twice: name each once.")
        if min(self.budgets) < 1 or not self.seeds:
            raise InputError("--budgets and --seeds count from 1: give tuning queries such as 500,2000, and seeds.")
        if list(self.budgets) != sorted(self.budgets):
            raise InputError(f"--budgets {','.join(map(str, self.budgets))} are out of order: give the smallest first.")

    @property
    def ways(self) -> list[Variant]:
        """Space by space, in the order given."""
        return [Variant(space, estimator) for space in self.spaces for estimator in self.estimators]

    @property
    def runs(self) -> list[GridRun]:
        """Seed by seed, so that what is done first already compares all ways."""
        return [GridRun(way, seed) for seed in self.seeds for way in self.ways]


def parse_budgets(text: str) -> tuple[int, ...]:
    """``"500,1000,2000"`` to numbers.

    Raises:
        InputError: anything else.
    """
    parts: Sequence[str] = [part.strip().replace("_", "") for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise InputError(f"--budgets {text!r} is no list of whole numbers: write 500,1000,2000.")
    return tuple(map(int, parts))


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9+=,-]+", "_", text)[:NAME]
