"""Small comparisons: on the command line, and made up without runs."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from blackbox_dft._utils.types import Array
from blackbox_dft.comparison.analysis import assemble
from blackbox_dft.comparison.grid import Grid
from blackbox_dft.comparison.judged import Judged
from blackbox_dft.comparison.run_result import RunResult
from blackbox_dft.evaluation.metric import ACCURACY

IMAGES = 1000
GRID = Grid(("color",), ("nes", "spsa"), (100, 200, 400), (0, 1))


def experiment() -> Any:
    splits = {"train": np.arange(200), "val": np.arange(200, 300), "test": np.arange(300, 300 + IMAGES)}
    labels = np.arange(300 + IMAGES) % 2
    data = SimpleNamespace(classes=("a", "b"), splits=splits, labels=labels, groups=None, groups_of=lambda test: None)
    config = SimpleNamespace(
        target="model", data="data", epsilon=None, channels="rgb", objective="auto", repeats=1, reserve=0.1,
        metric="accuracy",
    )  # fmt: skip
    return SimpleNamespace(
        data=data, config=config, encoding="png", metric=ACCURACY, watched=False, counts_in_doubt=False
    )


def right(count: int) -> Array:
    return np.arange(IMAGES) < count


def assembled(counts: dict[str, list[tuple[int, int, int]]], before: int = 500, shifted: int = 500) -> dict[str, Any]:
    """Results of runs with the given numbers of right test images, by estimator, seed and budget."""
    outcomes = {}
    for run in GRID.runs:
        levels = counts[run.variant.estimator][run.seed]
        budgets = np.array(GRID.budgets)
        table = Judged.by_accuracy(np.array([right(level) for level in levels]))
        outcomes[run] = RunResult(budgets, budgets - 4, budgets, table, np.zeros((3, 6)), ("last iterate",) * 3, 9)
    unchanged, free = (Judged.by_accuracy(right(count)) for count in (before, shifted))
    return assemble(experiment(), GRID, outcomes, unchanged, free, paid=123)


GAINING: dict[str, list[tuple[int, int, int]]] = {
    "nes": [(500, 500, 750), (502, 500, 750)],
    "spsa": [(500, 738, 750), (500, 742, 748)],
}
"""Two estimators whose accuracy rises from .5 to .75: at 400 queries, or mostly at 200 already."""


def compare_words(target: object, tiny: Path, out: Path, *more: object, **options: object) -> list[object]:
    """``bbdft compare`` of two estimators in two spaces on the tiny job."""
    given = {"budgets": "100,200", "seeds": 2, **options}
    variants = ["--space", "color", "--space", "affine", "--estimator", "nes:pairs=8", "--estimator", "spsa:pairs=8"]
    named = [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", value)]
    return ["compare", target, "--data", tiny / "labels.csv", "--out", out, *variants, *named, *more]


def read_table(out: Path) -> list[dict[str, str]]:
    """The rows of ``compare.csv``."""
    with (out / "compare.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def read_json(out: Path) -> dict[str, Any]:
    """The contents of ``compare.json``."""
    found: dict[str, Any] = json.loads((out / "compare.json").read_text())
    return found
