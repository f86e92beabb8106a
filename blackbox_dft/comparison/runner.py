"""Runs a comparison from the grid to its results; the same call again continues it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from blackbox_dft._utils.cpu import cores
from blackbox_dft.comparison.analysis import assemble, write_table
from blackbox_dft.comparison.cost import Cost, cost
from blackbox_dft.comparison.grid import Grid, GridRun
from blackbox_dft.comparison.judged import level_of
from blackbox_dft.comparison.learning_curve import learning_curve, unchanged, varied
from blackbox_dft.comparison.processes import side_by_side
from blackbox_dft.comparison.record import ComparisonRecord, settings_of
from blackbox_dft.comparison.run_result import RunResult
from blackbox_dft.comparison.threads import in_threads
from blackbox_dft.data.dataset import Dataset
from blackbox_dft.errors import BudgetError, InputError
from blackbox_dft.run.budget import MIN_PROPOSALS
from blackbox_dft.run.config import Config
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.fingerprint import check_inputs, input_digests
from blackbox_dft.search.progress import NoProgress, Progress
from blackbox_dft.targets.base import GraphTarget, Target

RUNS_ON_A_GPU = 8
"""Runs side by side in one process, by default: while some think, others keep the device busy. They think one at a
time, so that still more would only wait (docs/explanation/performance.md)."""


@dataclass(eq=False)
class Comparison:
    """A grid of runs on one target and one data set, opened and checked; the constructor sends and writes nothing.

    Args:
        config: the settings of all runs; its seed draws the splits, its space and estimator are not used.
        grid: the runs.
        out: folder of the comparison, new or one of an earlier call with the same settings.
        target: a target that is made already; then all runs are in this process.
        data: images that are loaded already, likewise.

    Raises:
        InputError: a wrong file, option or value, or ``out`` has other settings.
        BudgetError: the largest budget is too small to begin a search.
    """

    config: Config
    grid: Grid
    out: Path
    target: Target | None = None
    data: Dataset | None = None

    def __post_init__(self) -> None:
        self.out = Path(self.out)
        self.config = replace(self.config, space=self.grid.spaces[0], estimator=self.grid.estimators[0])
        self.record = ComparisonRecord.read(self.out)
        if not self.record and self.out.exists() and not _free(self.out):
            raise InputError(f"{self.out} exists and holds no comparison: take another --out.")
        self.experiment = Experiment(self.config, target=self.target, data=self.data)
        # With the costs that a file holds now.
        self.config = replace(self.config, metric=self.experiment.config.metric)
        if self.record:
            self.record.check(settings_of(self.config), self.out)
            check_inputs(self.experiment, self.record.inputs, self.out)
        for split in ("val", "test"):
            if len(self.experiment.data.splits[split]) < 2:
                raise InputError(f"{self.config.data} has too few {split} images to compare anything: give more.")
        largest = max(self.grid.budgets)
        for variant in self.grid.variants:
            first = varied(self.experiment, GridRun(variant, self.config.seed), largest).proposal
            least = MIN_PROPOSALS * first * self.config.repeats
            if largest < least:
                raise BudgetError(
                    f"{largest} tuning queries do not begin {variant}, which needs {first} at once: "
                    f"let --budgets go up to {least} or more, or leave it out."
                )

    @cached_property
    def cost(self) -> Cost:
        """The most it may cost from the first query on."""
        return cost(self.experiment, self.grid.budgets, len(self.grid.runs))

    @property
    def processes(self) -> int:
        """Processes by default: one for a paid target, a GPU, a cluster or objects of this process, else one a core."""
        if (
            self.experiment.paid
            or self._in_memory
            or self.experiment.cluster
            or self.experiment.target.describe().get("provider", "cpu") not in ("cpu", "python")
        ):
            return 1
        return min(cores(), len(self.grid.runs))

    @property
    def threads(self) -> int:
        """Runs side by side in this process by default: several on a GPU, else one."""
        target = self.experiment.target
        on_gpu = isinstance(target, GraphTarget) and target.provider != "cpu" and not self.experiment.cluster
        return min(RUNS_ON_A_GPU, len(self.grid.runs)) if on_gpu else 1

    @property
    def _in_memory(self) -> bool:
        return self.target is not None or self.data is not None

    def missing(self) -> list[GridRun]:
        """Runs that are not finished."""
        return [run for run in self.grid.runs if self._outcome(run) is None]

    def execute(
        self,
        progress: Progress | None = None,
        *,
        processes: int | None = None,
        threads: int | None = None,
        price: float | None = None,
    ) -> dict[str, Any]:
        """Computes the missing runs and writes ``compare.csv``; returns the contents of ``compare.json``.

        Worker processes are spawned, so a script must call this under ``if __name__ == "__main__":``.

        Args:
            progress: called from this thread.
            processes: workers side by side; default ``self.processes``.
            threads: runs side by side in this process, if there are no workers, on a target that may be called from
                several threads; default ``self.threads``, or 1 if ``processes`` is given.
            price: of one image scored.

        Raises:
            InputError: several processes with a local cluster.
            BudgetError: more responses were lost than the reserve covers.
            TargetError: the target failed for good; the same call continues from there.
        """
        if self.experiment.cluster and self.experiment.cluster.address == "local" and (processes or 1) > 1:
            raise InputError("each of the --processes would begin a local cluster: leave out --processes or --cluster.")
        if self._in_memory and (processes or 1) > 1:
            raise InputError("a target or data given from Python stay in this process: leave --processes out.")
        progress = progress or NoProgress()
        batch = self._begin()
        progress.phase("tune", self.cost.total)
        with self.experiment.opened():
            before, shifted, paid = unchanged(self.experiment, self.out / "shared.sqlite", batch, progress.scored)
            missing = self.missing()
            finished = len(self.grid.runs) - len(missing)

            def done(run: GridRun) -> None:
                nonlocal finished
                finished += 1
                outcome = self._outcome(run)
                assert outcome
                metric = self.experiment.metric
                kind = ".3g" if metric.less_is_better else ".3f"
                trajectory = ", ".join(
                    f"{level_of(metric, values):{kind}} at {budget:,}"
                    for budget, values in zip(outcome.budgets, outcome.judged.measured, strict=True)
                )
                progress.note(f"{finished} of {len(self.grid.runs)}: {run}: {trajectory}")

            budgets, record = self.grid.budgets, self.record
            assert record
            count = min(processes or self.processes, len(missing))
            abreast = min(threads or (1 if processes else self.threads), len(missing))
            if count > 1:
                side_by_side(
                    self.config,
                    missing,
                    budgets,
                    record.budgets,
                    self.out,
                    batch,
                    processes=count,
                    scored=progress.scored,
                    done=done,
                )
            elif abreast > 1:
                # Runs of a space together, so that few graphs take memory of the device at once.
                spaces = self.grid.spaces
                in_threads(
                    self.experiment,
                    sorted(missing, key=lambda run: spaces.index(run.variant.space)),
                    budgets,
                    record.budgets,
                    self.out,
                    batch,
                    threads=abreast,
                    scored=progress.scored,
                    done=done,
                )
            else:
                for run in missing:
                    learning_curve(self.experiment, run, budgets, record.budgets, self.out, batch, progress.scored)
                    done(run)
        progress.phase("done", 0)
        outcomes = {run: outcome for run in self.grid.runs if (outcome := self._outcome(run))}
        paid += sum(outcome.paid for outcome in outcomes.values())
        write_table(self.experiment, self.grid, outcomes, before, shifted, self.out / "compare.csv")
        return assemble(self.experiment, self.grid, outcomes, before, shifted, paid=paid, price=price)

    def _begin(self) -> int:
        """Makes the folder, or records further budgets; returns the batch of all requests."""
        record = self.record or ComparisonRecord(
            settings_of(self.config), self.experiment.target.batch, input_digests(self.experiment), self.grid.budgets
        )
        budgets = tuple(sorted({*record.budgets, *self.grid.budgets}))
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            if self.record is None or budgets != record.budgets:
                record = replace(record, budgets=budgets)
                record.write(self.out)
            (self.out / "runs").mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {self.out} ({error.strerror}): take another --out.") from error
        self.record = record
        return record.batch

    def _outcome(self, run: GridRun) -> RunResult | None:
        return RunResult.load(self.out / "runs" / f"{run.file_name}.npz", self.grid.budgets)


def _free(out: Path) -> bool:
    """Whether a folder is empty, but for the leftovers of a process killed while it wrote its first file."""
    return out.is_dir() and all(path.name.startswith(".comparison.json.") for path in out.iterdir())
