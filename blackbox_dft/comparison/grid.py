"""The grid of a comparison: every estimator in every space with every seed, at several budgets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from blackbox_dft._utils.hashing import digest
from blackbox_dft.errors import InputError
from blackbox_dft.spaces.specs import to_file

MAX_NAME_LETTERS = 40
"""Of an estimator or a space, in the name of a run's files."""


@dataclass(frozen=True)
class Variant:
    """An estimator in a space.

    >>> str(Variant("dct:8", "spsa"))
    'spsa on dct:8'
    """

    space: str
    estimator: str

    def __str__(self) -> str:
        return f"{self.estimator} on {self.space}"


@dataclass(frozen=True)
class GridRun:
    """A variant with a seed."""

    variant: Variant
    seed: int

    def __str__(self) -> str:
        return f"{self.variant}, seed {self.seed}"

    @property
    def file_name(self) -> str:
        """The stem of this run's files: unique, and plain letters whatever characters the specs have."""
        # Specs that differ only in replaced or cut characters get another digest.
        space = to_file(self.variant.space)
        mark = digest(space, self.variant.estimator).hex()[:8]
        return f"{_plain(space)}.{_plain(self.variant.estimator)}.{mark}.{self.seed}"


@dataclass(frozen=True)
class Grid:
    """All runs of a comparison.

    >>> grid = Grid(("dct:8",), ("nes", "spsa"), (500, 1000), seeds=(0, 1))
    >>> [str(run) for run in grid.runs][:3]
    ['nes on dct:8, seed 0', 'spsa on dct:8, seed 0', 'nes on dct:8, seed 1']

    Raises:
        InputError: a list is empty or names a value twice, or budgets are not ascending from 1.
    """

    spaces: tuple[str, ...]
    estimators: tuple[str, ...]
    budgets: tuple[int, ...]
    """Tuning queries, ascending."""
    seeds: tuple[int, ...]

    def __post_init__(self) -> None:
        for option, values in (("--space", self.spaces), ("--estimator", self.estimators), ("--budgets", self.budgets)):
            if not values:
                raise InputError(f"nothing to compare: give {option} at least once.")
            if twice := [value for number, value in enumerate(values) if value in values[:number]]:
                raise InputError(f"{option} names {twice[0]!r} twice: name each once.")
        if min(self.budgets) < 1 or not self.seeds:
            raise InputError("--budgets and --seeds count from 1: give tuning queries such as 500,2000, and seeds.")
        if list(self.budgets) != sorted(self.budgets):
            raise InputError(f"--budgets {','.join(map(str, self.budgets))} are out of order: give the smallest first.")

    @property
    def variants(self) -> list[Variant]:
        """Space by space, in the order given."""
        return [Variant(space, estimator) for space in self.spaces for estimator in self.estimators]

    @property
    def runs(self) -> list[GridRun]:
        """Seed by seed, so that the first runs already compare all variants."""
        return [GridRun(variant, seed) for seed in self.seeds for variant in self.variants]


def parse_budgets(text: str) -> tuple[int, ...]:
    """The numbers of ``--budgets``.

    >>> parse_budgets("500, 1_000,2000")
    (500, 1000, 2000)

    Raises:
        InputError: a part is not a whole number.
    """
    parts: Sequence[str] = [part.strip().replace("_", "") for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise InputError(f"--budgets {text!r} is not a list of whole numbers: write 500,1000,2000.")
    return tuple(map(int, parts))


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9+=,-]+", "_", text)[:MAX_NAME_LETTERS]
