"""The cost of a comparison, by hand."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from blackbox_dft.comparison.cost import Cost, RunCost, cost, val_images, whole_budget


def experiment(*, paid: bool = False, repeats: int = 1) -> Any:
    splits = {"train": np.arange(500), "val": np.arange(500, 800), "test": np.arange(800, 1200)}
    config = SimpleNamespace(repeats=repeats, reserve=0.1)
    return SimpleNamespace(data=SimpleNamespace(splits=splits), config=config, watched=paid, counts_in_doubt=paid)


@pytest.mark.parametrize(
    ("limit", "val", "repeats", "images"),
    # A quarter of tuning and choice, for two candidates: 1200 / 3 / 2.
    [(1200, 300, 1, 200), (1200, 150, 1, 150), (1200, 300, 2, 100), (90, 300, 1, 64), (90, 50, 1, 50)],
)
def test_the_choice_takes_a_quarter_and_64_images_at_least(limit: int, val: int, repeats: int, images: int) -> None:
    assert val_images(limit, val, repeats) == images


def test_a_free_target_needs_no_reserve_and_no_drift_check() -> None:
    total = cost(experiment(), [90, 1200], runs=5)
    assert total.each == RunCost(tune=1200, select=64 + 200, evaluate=2 * 400, watch=0, reserve=0)
    assert total.unchanged == 300 + 400
    assert total.total == 700 + 5 * (1200 + 264 + 800)
    assert whole_budget(experiment(), 1200) == 1200 + 2 * 200 + 2 * 400


def test_a_tenth_is_kept_back_for_lost_responses() -> None:
    each = cost(experiment(paid=True), [1200], runs=1).each
    assert each.watch > 0
    spent = each.tune + each.select + each.evaluate + each.watch
    assert 0.9 * each.total - 1 < spent <= 0.9 * each.total


def test_lines_leave_out_what_costs_nothing() -> None:
    lines = Cost(700, RunCost(1200, 200, 400, 0, 0), runs=2).lines(price=0.5)
    assert [line.split()[0] for line in lines] == ["unchanged", "tune", "select", "evaluate", "total"]
    assert lines[-1].split() == ["total", "4,300", "queries", "2150.00", "at", "most"]
