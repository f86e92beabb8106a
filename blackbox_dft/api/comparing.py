"""``compare`` from Python: many estimators and spaces side by side, and what came out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from blackbox_dft.api.given import name_of_data, open_given
from blackbox_dft.api.messages import speaks_python
from blackbox_dft.api.options import Options, configure, find_option
from blackbox_dft.api.progress import shown
from blackbox_dft.comparison.grid import Grid
from blackbox_dft.comparison.runner import Comparison as OpenComparison
from blackbox_dft.errors import InputError
from blackbox_dft.report.compare_report import picture, text_lines, write_report
from blackbox_dft.search.progress import Progress

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

BUDGETS = (500, 1000, 2000, 5000, 20000)
"""Tuning queries after which the metric is measured, by default."""
OF_A_RUN = (
    "calibrate", "distance_weight", "early_stop", "evaluate", "find_input", "in_flight", "known", "precision", "views",
)  # fmt: skip
"""Options of a run that a comparison does not have: it searches to the end of each budget, one proposal at a time, and
measures on all test images."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """A finished comparison."""

    results: Mapping[str, Any]
    """What ``compare.json`` holds."""
    path: Path | None
    """Its folder; None if it was a temporary one."""

    @property
    def recommendation(self) -> str:
        """What to take, in a sentence."""
        return str(self.results["recommendation"]["sentence"])

    def to_frame(self) -> pd.DataFrame:
        """A row for each variant and budget: space, estimator, queries, and the metric on test over the seeds."""
        import pandas as pd

        return pd.DataFrame(self._rows())

    def _rows(self) -> Iterator[dict[str, Any]]:
        for variant in self.results["ways"]:
            for budget, point in zip(self.results["budgets"], variant["course"], strict=True):
                shown = {key: point[key] for key in ("median", "mean", "least", "q1", "q3")}
                yield {"space": variant["space"], "estimator": variant["estimator"], "queries": budget, **shown}

    def plot(self) -> Figure:
        """Learning curves, one panel a space."""
        return picture(self.results)

    def __repr__(self) -> str:
        return f"Comparison({len(self.results['ways'])} variants, {len(self.results['seeds'])} seeds)"

    def __str__(self) -> str:
        return "\n".join(text_lines(self.results))


@speaks_python
def compare(
    target: object,
    data: object,
    *,
    estimators: Sequence[str],
    spaces: Sequence[str],
    budgets: Sequence[int] | None = None,
    seeds: int = 5,
    out: str | Path | None = None,
    processes: int | None = None,
    progress: bool | Progress | None = None,
    **options: Unpack[Options],
) -> Comparison:
    """Compares estimators and spaces on a target and data, budget by budget; the same call again continues it.

    Worker processes are spawned if target and data have names, so a script must call this under
    ``if __name__ == "__main__":``; with objects, all runs are in this process.

    Args:
        target: as for ``optimize``.
        data: likewise.
        estimators: such as ``["surface", "spsa"]``.
        spaces: such as ``["affine+color"]``.
        budgets: tuning queries after which the metric is measured, ascending; by default 500 to 20,000.
        seeds: runs of each estimator in each space; the first is ``seed``, which draws the splits.
        out: folder of the comparison; by default a temporary one.
        processes: runs side by side.
        progress: as for ``optimize``.
        options: what all runs have in common, as for ``optimize``.

    Raises:
        InputError: a wrong object, option or value, or ``out`` has other settings.
        BudgetError: the largest budget is too small to begin a search.
        TargetError: the target failed for good; the same call continues from there.
    """
    if own := [name for name in ("space", "estimator", "budget") if name in options]:
        raise InputError(f"{own[0]}= is one of those compared: pass {own[0]}s=[...] instead.")
    if unused := [name for name in options if find_option(name)[1].name in OF_A_RUN]:
        raise InputError(f"{unused[0]}= has no effect in a comparison: leave it out.")
    named = name_of_data(target) if isinstance(target, str | Path) else "<target>"
    config = configure(named, name_of_data(data), dict(options))
    if budgets is None and (config.price is not None or "://" in str(getattr(target, "name", target))):
        raise InputError("every image that the target scores may cost: pass budgets=[...], the tuning queries.")
    seed = config.seed
    given = open_given(config, target, data)
    grid = Grid(tuple(spaces), tuple(estimators), tuple(budgets or BUDGETS), tuple(range(seed, seed + seeds)))
    with tempfile.TemporaryDirectory(prefix="bbdft-") as temporary:
        folder = Path(temporary) / "comparison" if out is None else Path(out)
        opened = OpenComparison(given.config, grid, folder, given.target, given.data)
        with shown(progress, opened.cost.total, (), config.price) as notices:
            found = opened.execute(notices, processes=processes, price=config.price)
        if out is not None:
            write_report(found, folder)
    return Comparison(found, None if out is None else folder)
