"""Markdown tables of the rows of ``query_efficiency.csv``: medians over seeds, rankings, the best peers, the ratio.

A peer is shown at the better of its settings, cell by cell, which is generous to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, inf, log
from statistics import geometric_mean, mean, median, stdev

OURS = "bbdft "
"""Prefix of the names of this package's own methods."""
ANY = "-"
"""Space of the rows of rivals that change no image."""
TARGET = 5000
"""Tuning queries after which the best peer's accuracy is what has to be reached."""

Row = dict[str, str]
Run = tuple[str, str, int]
"""Task, seed and queries."""


@dataclass(frozen=True)
class Cell:
    """A method after so many queries: the median accuracy of its better setting, and how many seeds it is of."""

    accuracy: float
    setting: str
    seeds: int


class Results:
    """The rows, by task, space, method and number of queries."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = list(rows)
        self.tasks = _seen(row["task"] for row in self.rows)
        self.spaces = [space for space in _seen(row["space"] for row in self.rows) if space != ANY]
        self.budgets = sorted({int(row["queries"]) for row in self.rows})
        self._found: dict[tuple[str, str, str, int], dict[str, list[float]]] = {}
        for row in self.rows:
            key = row["task"], row["space"], row["method"], int(row["queries"])
            self._found.setdefault(key, {}).setdefault(row["setting"], []).append(float(row["accuracy"]))

    def methods(self, task: str, space: str) -> list[str]:
        """Of a table, ours first."""
        found = _seen(row["method"] for row in self.rows if (row["task"], row["space"]) == (task, space))
        return sorted(found, key=lambda name: not name.startswith(OURS))

    def cell(self, task: str, space: str, method: str, budget: int) -> Cell | None:
        """Nothing where it has not run."""
        settings = self._found.get((task, space, method, budget), {})
        cells = [Cell(median(values), setting, len(values)) for setting, values in settings.items()]
        return max(cells, key=lambda cell: (cell.accuracy, cell.seeds), default=None)

    def free(self, task: str, name: str) -> float:
        """``before`` or ``threshold`` of a task."""
        return median(float(row[name]) for row in self.rows if row["task"] == task)

    def best(self, task: str, spaces: Sequence[str], budget: int, ours: bool) -> tuple[str, str, Cell] | None:
        """Method, space and cell of the best peer, or of the best of ours."""
        found = [
            (method, space, cell)
            for space in spaces
            for method in self.methods(task, space)
            if method.startswith(OURS) is ours and (cell := self.cell(task, space, method, budget))
        ]
        return max(found, key=lambda one: one[2].accuracy, default=None)

    def needed(self, task: str, space: str, method: str, level: float) -> float:
        """Queries at which the median reaches ``level``; between two budgets on a straight line over log queries."""
        trajectory = [(b, cell.accuracy) for b in self.budgets if (cell := self.cell(task, space, method, b))]
        if trajectory and trajectory[0][1] >= level:
            return trajectory[0][0]
        for (low, below), (high, above) in pairwise(trajectory):
            if above >= level:
                return exp(log(low) + (level - below) / (above - below) * (log(high) - log(low)))
        return inf


def lines(rows: Iterable[Row]) -> list[str]:
    """All tables."""
    found = Results(rows)
    if not found.rows:
        return ["nothing has run yet"]
    made = []
    for space in found.spaces:
        for task in found.tasks:
            made += _table(found, task, space)
    return [*made, *_rankings(found), *_equal(found), *_ratios(found)]


def _table(found: Results, task: str, space: str) -> list[str]:
    """Medians of one task in one space."""
    made = [
        "",
        f"| {task}, {space} | " + " | ".join(f"{b:,}" for b in found.budgets) + " |",
        "|---" * (1 + len(found.budgets)) + "|",
    ]
    for name in ("before", "threshold"):
        made.append(f"| {name} | " + " | ".join([f"{found.free(task, name):.3f}"] * len(found.budgets)) + " |")
    for where in (ANY, space):
        for method in found.methods(task, where):
            cells = [found.cell(task, where, method, budget) for budget in found.budgets]
            made.append(f"| {method} | " + " | ".join(map(_shown(cells), cells)) + " |")
    return made


def _shown(cells: Sequence[Cell | None]) -> Callable[[Cell | None], str]:
    whole = max((cell.seeds for cell in cells if cell), default=0)
    return lambda cell: (
        "-" if cell is None else f"{cell.accuracy:.3f}" + ("" if cell.seeds == whole else f" ({cell.seeds})")
    )


def _rankings(found: Results) -> list[str]:
    """All methods of a space by their mean over tasks, seeds and budgets, each at one setting throughout.

    The last column is how far each is behind the best of ours: the mean of the paired differences and its standard
    error, a task and seed being one pair.
    """
    made = []
    for space in found.spaces:
        runs: dict[tuple[str, str], dict[Run, float]] = {}
        for row in found.rows:
            if row["space"] == space:
                where = row["task"], row["seed"], int(row["queries"])
                runs.setdefault((row["method"], row["setting"]), {})[where] = float(row["accuracy"])
        # Only what all have run can be averaged.
        common = sorted(set.intersection(*(set(one) for one in runs.values())))
        count = Counter(queries for _, _, queries in common)
        budgets = sorted(queries for queries in count if count[queries] == max(count.values()))
        means = {name: [mean(one[key] for key in common if key[2] == b) for b in budgets] for name, one in runs.items()}
        seeds = len({seed for _, seed, _ in common})
        made += [
            "",
            f"| mean of all tasks, {seeds} seeds, {space} | all | "
            + " | ".join(f"{b:,}" for b in budgets)
            + " | behind the best of ours, points |",
        ]
        made.append("|---" * (3 + len(budgets)) + "|")
        order = sorted(means, key=lambda name: -mean(means[name]))
        ours = next((name for name in order if name[0].startswith(OURS)), order[0])
        taken = set()
        for name in order if budgets else ():
            if name[0] not in taken:
                taken.add(name[0])
                shown = " | ".join(f"{value:.4f}" for value in (mean(means[name]), *means[name]))
                behind = _behind(runs[ours], runs[name], [key for key in common if key[2] in budgets])
                made.append(f"| {name[0]}{f' ({name[1]})' if name[1] else ''} | {shown} | {behind} |")
    return made


def _behind(ours: dict[Run, float], other: dict[Run, float], common: Sequence[Run]) -> str:
    pairs: dict[tuple[str, str], list[float]] = {}
    for key in common:
        pairs.setdefault(key[:2], []).append(100 * (ours[key] - other[key]))
    differences = [mean(values) for values in pairs.values()]
    if ours is other or len(differences) < 2:
        return "-"
    return f"{mean(differences):+.2f} ± {stdev(differences) / len(differences) ** 0.5:.2f}"


def _equal(found: Results) -> list[str]:
    """Ours against the best peer at equal budgets."""
    made = ["", "| best of ours − best peer, points | " + " | ".join(f"{b:,}" for b in found.budgets) + " |"]
    made.append("|---" * (1 + len(found.budgets)) + "|")
    places = [(task, [space]) for space in found.spaces for task in found.tasks]
    places += [(task, found.spaces) for task in found.tasks]
    for task, spaces in places:
        cells = []
        for budget in found.budgets:
            ours, peer = (found.best(task, spaces, budget, mine) for mine in (True, False))
            cells.append(f"{100 * (ours[2].accuracy - peer[2].accuracy):+.1f}" if ours and peer else "-")
        where = spaces[0] if len(spaces) == 1 else "any space"
        made.append(f"| {task}, {where} | " + " | ".join(cells) + " |")
    return made


def _ratios(found: Results) -> list[str]:
    """Queries that each of ours needs for the best peer's accuracy after ``TARGET``."""
    made = ["", f"| task, space | best peer at {TARGET:,} | of ours, queries needed | ratio |", "|---|---|---|---|"]
    ratios = []
    for space in found.spaces:
        for task in found.tasks:
            peer = found.best(task, [space], TARGET, ours=False)
            if peer is None:
                continue
            level = peer[2].accuracy
            shown = f"{peer[0]} ({peer[2].setting}) {level:.3f}"
            if level <= found.free(task, "before"):
                made.append(f"| {task}, {space} | {shown} | no peer gains anything | - |")
                continue
            ours = [m for m in found.methods(task, space) if m.startswith(OURS)]
            needed = {method: found.needed(task, space, method, level) for method in ours}
            best = min(needed, key=lambda method: needed[method], default=None)
            if best is None:
                continue
            if needed[best] == inf:
                made.append(f"| {task}, {space} | {shown} | none of ours by {found.budgets[-1]:,} | - |")
                ratios.append(inf)
            else:
                ratios.append(needed[best] / TARGET)
                made.append(f"| {task}, {space} | {shown} | {best}: {needed[best]:,.0f} | {ratios[-1]:.2f} |")
    if ratios:
        whole = "never reached in one of them" if inf in ratios else f"{geometric_mean(ratios):.2f}"
        made += ["", f"Geometric mean of the ratios: {whole}."]
    return made


def _seen(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
