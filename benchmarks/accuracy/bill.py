"""Accuracy and verdict for a bill: all queries of a run counted, those of choice and proof included.

    python benchmarks/accuracy/bill.py                         # all rows that are missing; may be stopped
    python benchmarks/accuracy/bill.py --methods "z and map" --tasks lfw-gender --bills 1000 --seeds 20
    python benchmarks/accuracy/bill.py --labels 50,100,200,400 --bills 1000 --tasks lfw-gender,smile-faceapi
    python benchmarks/accuracy/bill.py --table                 # the rows as Markdown tables

A row of the CSV is one run: the task, its labelled images, the bill (``--budget``), the method and the seed; rows that
are there are not run again. Accuracy is that of what the run keeps on the whole test split, measured outside the bill.
Our own rows are whole runs with the space ``auto``; peers are the same runs with another library's optimizer in place
of the estimator, so that they pay for the same first images and the same proof. Rivals change no image: they learn from
as many paid scores of unchanged images as such a run has for its search and its choice, and prove the gain in the same
way, for one query an image.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from itertools import product
from math import inf
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks import peers
from benchmarks.accuracy import bill_rivals
from benchmarks.accuracy.bill_rivals import Material
from benchmarks.accuracy.remembering import Memory, RememberingBackend, digest
from benchmarks.output_map import config
from blackbox_dft._utils.types import Floats, Ints, Scores
from blackbox_dft.data.dataset import Dataset
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.errors import BudgetError
from blackbox_dft.estimators.base import Estimator
from blackbox_dft.objectives.losses import decide
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.runner import start
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.scoring.scorer import Scorer
from blackbox_dft.scoring.views import score_views
from blackbox_dft.search.minibatches import StratifiedSampler

RESULTS = Path(__file__).parents[1] / "results" / "bill.csv"
TASKS = ("lfw-gender", "smile-mini", "smile-faceapi", "usps-mnist")
BILLS = (500, 1000, 2500, 5000)
ALL = "all"
"""Of the column ``labels``: every labelled image there is."""
SHARES = {"train": 0.4, "val": 0.2, "test": 0.4}
"""How fewer labelled images are split."""
REFUSED = "refused"
"""Verdict of a run whose budget cannot cover its plan."""
MANY_SEEDS = 20
"""From so many seeds on a cell has a row in the table of shares."""


@dataclass(frozen=True)
class Method:
    """A row of the tables."""

    kind: str
    """``run``, ``peer`` or ``rival``."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of a run."""
    peer: str = ""


METHODS: dict[str, Method] = {
    "z and map": Method("run"),
    "z alone": Method("run", {"output_map": "none"}),
    "two views": Method("run", {"views": 2}),
    "three views": Method("run", {"views": 3}),
    "map alone": Method("rival"),
    "free threshold": Method("rival"),
    "local model alone": Method("rival"),
    "local model + paid scores": Method("rival"),
    "Powell": Method("peer", {"output_map": "none"}, "scipy Powell"),
    "Powell and map": Method("peer", {}, "scipy Powell"),
    "SPSA-GC": Method("peer", {"output_map": "none"}, "BlackVIP SPSA-GC"),
    "SPSA-GC and map": Method("peer", {}, "BlackVIP SPSA-GC"),
    "cmaes": Method("peer", {"output_map": "none"}, "cmaes CMA lr-adapt"),
    "cmaes and map": Method("peer", {}, "cmaes CMA lr-adapt"),
}


@dataclass(frozen=True)
class Row:
    """One run."""

    task: str
    labels: str
    """Labelled images that it has, or ``all``."""
    bill: int
    method: str
    seed: int
    accuracy: float
    """Of what is kept, on the whole test split."""
    before: float
    queries: int
    """Really spent."""
    tune: int
    verdict: str
    sequential: int
    """1 if the proof could stop when decided; 0 if all test images were scored."""
    least: int
    """The plan's 90 % range of the queries, lower end; 0 for rivals."""
    most: int
    chosen: str
    queries_per_image: int

    @property
    def key(self) -> tuple[str, ...]:
        """What tells rows apart."""
        return self.task, self.labels, str(self.bill), self.method, str(self.seed)

    @property
    def proven_at(self) -> float:
        """Queries after which the gain was proven; infinite if it was not."""
        return self.queries if self.verdict == "improved" else inf

    @classmethod
    def read(cls, values: Mapping[str, str]) -> Row:
        """A row of the CSV."""
        kinds: dict[str, Callable[[str], Any]] = {"str": str, "int": int, "float": float}
        return cls(**{each.name: kinds[str(each.type)](values[each.name]) for each in fields(cls)})


COLUMNS = tuple(each.name for each in fields(Row))


class BillExperiment(Experiment):
    """A run that may have a peer as its estimator; its model scores nothing twice that runs before it have scored."""

    factory: peers.Factory | None = None
    memory: Memory

    def estimator(self) -> Estimator:
        """The peer, if there is one, at the identity."""
        return self.factory(self.search_space, seed=self.config.seed) if self.factory else super().estimator()

    def scorer(self, *args: Any, **options: Any) -> Scorer:
        """The run's scorer, whose ledger counts what a user would pay."""
        made = super().scorer(*args, **options)
        made._backend = RememberingBackend(made._backend, self.memory)
        return made


@lru_cache(maxsize=len(TASKS))
def opened(task: str) -> BillExperiment:
    """The task with its images read and its model opened."""
    here = BillExperiment(config(task, "auto"))
    here.memory = {}
    return here


def forget_changed_images(task: str) -> None:
    """Keeps the scores of unchanged images alone: another seed searches elsewhere."""
    here = opened(task)
    identity = digest(here.space.initial())
    kept = {key: row for key, row in here.memory.items() if key[1] == identity}
    here.memory.clear()
    here.memory.update(kept)


def fewer(data: Dataset, count: int, seed: int) -> Dataset:
    """The data with ``count`` labelled images, a seeded and balanced draw from each split."""
    counts = {split: round(share * count) for split, share in SHARES.items()}
    drawn = {split: StratifiedSampler(data.splits[split], data.labels, seed)(n) for split, n in counts.items()}
    return replace(data, splits={split: np.sort(images) for split, images in drawn.items()})


def prepared(task: str, labels: str, bill: int, method: Method, seed: int) -> Experiment:
    """The run, not started."""
    here = opened(task).varied(space="auto", estimator="auto", seed=seed, budget=bill)
    assert isinstance(here, BillExperiment)
    here.config = replace(here.config, **method.options)
    if labels != ALL:
        here.data = fewer(here.data, int(labels), seed)
    if method.kind == "peer":
        peer = peers.PEERS[method.peer]
        here.factory = peers.Factory(peer, peers.tuned(peer) or peer.recommended)
        if common := here.factory.common:
            # Methods that take values for exact want the same one for the same z: all candidates see the same images.
            train = here.data.splits["train"]
            few = StratifiedSampler(train, here.data.labels, seed)(min(common, len(train)))
            here.data = replace(here.data, splits={**here.data.splits, "train": few})
    return here


@lru_cache(maxsize=4)
def unchanged(task: str) -> Scores:
    """The target's scores of all images of a task as they are."""
    here = opened(task)
    return _scored(here, np.arange(len(here.data.labels)), [here.space.initial()])


def whole_accuracy(here: Experiment, test: Ints, tuning: Tuning) -> float:
    """Accuracy of a tuning on the images ``test``, by the scores of the local model."""
    raw = _scored(here, test, tuning.scored_views)
    decided = decide(tuning.decide(raw.reshape(len(test), tuning.queries_per_image, -1)))
    return float((decided == here.data.labels[test]).mean())


def _scored(here: Experiment, images: Ints, views: Sequence[Floats]) -> Scores:
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "l.sqlite", budget=2**62) as ledger:
        scorer = here.scorer(ledger)
        raw = score_views(scorer, "evaluate", images, views)
        scorer.close()
    return raw


def run(task: str, labels: str, bill: int, name: str, seed: int) -> Row:
    """Measures one cell for one seed."""
    method = METHODS[name]
    here = prepared(task, labels, bill, method, seed)
    data, test = here.data, opened(task).data.splits["test"]
    original = here.decoder(unchanged(task))(unchanged(task))
    before = float((decide(original[test]) == data.labels[test]).mean())
    if method.kind == "rival":
        material = Material(task, here, unchanged(task), test, seed)
        found = bill_rivals.measure(name, material)
        return Row(
            task, labels, bill, name, seed, round(found.accuracy, 6), round(before, 6), found.queries, found.learned,
            found.verdict, int(here.plan.sequential), 0, 0, found.about, 1,
        )  # fmt: skip
    try:
        plan = here.plan
    except BudgetError:
        values = round(before, 6), round(before, 6), 0, 0, REFUSED, 0, 0, 0, "", 1
        return Row(task, labels, bill, name, seed, *values)
    with tempfile.TemporaryDirectory() as folder:
        result = start(here, Path(folder) / "run")
        summary, tuning = result.summary, Tuning.load(Path(folder) / "run")
    accuracy = whole_accuracy(here, test, tuning)
    return Row(
        task, labels, bill, name, seed, round(accuracy, 6), round(before, 6), summary.queries.total,
        summary.queries.tune, summary.verdict, int(plan.sequential), *plan.range90, summary.chosen,
        summary.queries_per_image,
    )  # fmt: skip


def read(path: Path) -> list[Row]:
    """Rows of a CSV; none if it does not exist."""
    return [Row.read(values) for values in peers.read(path)]


def cell(rows: Sequence[Row]) -> str:
    """Median accuracy, and how the gain was proven: share of seeds, and the median of the queries that took."""
    if all(row.verdict == REFUSED for row in rows):
        return REFUSED
    share = sum(row.verdict == "improved" for row in rows) / len(rows)
    middle = median(row.proven_at for row in rows)
    at = f", {share:.0%}" + (f" at {middle:,.0f}" if middle < inf else "")
    worse = sum(row.verdict == "worse" for row in rows)
    return f"{median(row.accuracy for row in rows):.3f}{at}" + (f", {worse} worse" if worse else "")


def table(rows: Sequence[Row], task: str, column: str) -> list[str]:
    """A Markdown table of a task: a line a method, a column for each value of ``column``, ``bill`` or ``labels``."""
    here = [row for row in rows if row.task == task]
    if not here:
        return []
    found = {getattr(row, column) for row in here}
    values = sorted(found, key=lambda value: (value == ALL, int(value) if value != ALL else 0))
    heads = [f"{value:,}" if isinstance(value, int) else value for value in values]
    before = f"{median(row.before for row in here):.3f}"
    lines = [f"| {task}, before {before} | {' | '.join(heads)} |", f"|---{'|---' * len(values)}|"]
    for name in METHODS:
        cells = [[row for row in here if row.method == name and getattr(row, column) == value] for value in values]
        if any(cells):
            lines.append(f"| {name} | {' | '.join(cell(some) if some else '-' for some in cells)} |")
    return [*lines, ""]


def shares(rows: Sequence[Row]) -> list[str]:
    """A Markdown table of the cells with ``MANY_SEEDS`` seeds."""
    cells: dict[tuple[str, int, str], list[Row]] = {}
    for row in rows:
        if row.labels == ALL:
            cells.setdefault((row.task, row.bill, row.method), []).append(row)
    lines = ["| task, bill, method | seeds | improved | queries, median | accuracy, median | least |", "|---" * 6 + "|"]
    for (task, bill, method), some in sorted(cells.items()):
        if len(some) >= MANY_SEEDS:
            improved = sum(row.verdict == "improved" for row in some) / len(some)
            accuracies = [row.accuracy for row in some]
            lines.append(
                f"| {task}, {bill:,}, {method} | {len(some)} | {improved:.0%} "
                f"| {median(row.queries for row in some):,.0f} | {median(accuracies):.3f} | {min(accuracies):.3f} |"
            )
    return [*lines, ""] if len(lines) > 2 else []


def range_line(rows: Iterable[Row]) -> str:
    """How often the plan's 90 % range held the queries that were spent."""
    ours = [row for row in rows if METHODS[row.method].kind == "run" and row.verdict != REFUSED]
    parts = []
    for name, some in (
        ("all runs", ours),
        ("with a sequential proof", [row for row in ours if row.sequential]),
        ("with all test images scored", [row for row in ours if not row.sequential]),
    ):
        held = sum(row.least <= row.queries <= row.most for row in some)
        parts.append(f"{name} {held} of {len(some)}" + (f" ({held / len(some):.0%})" if some else ""))
    return f"The plan's 90 % range held the queries spent: {'; '.join(parts)}."


def report(rows: Sequence[Row], seeds: int, labels_bill: int = 1000) -> list[str]:
    """All tables; those of cells take the first ``seeds`` seeds."""
    first = [row for row in rows if row.seed < seeds]
    lines = ["Median accuracy on the whole test split, share of seeds proven, median queries when it was proven.", ""]
    for task in TASKS:
        lines += table([row for row in first if row.labels == ALL], task, "bill")
    counted = {row.method for row in first if row.labels != ALL}
    few = [row for row in first if row.bill == labels_bill and row.method in counted]
    lines += [f"By the number of labelled images, at a bill of {labels_bill:,}:", ""]
    for task in TASKS:
        if any(row.task == task and row.labels != ALL for row in few):
            lines += table(few, task, "labels")
    return [*lines, *shares(rows), range_line(rows)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--bills", default=",".join(map(str, BILLS)))
    parser.add_argument("--labels", default=ALL, help="numbers of labelled images, or all")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="print the tables and run nothing")
    options = parser.parse_args()
    if not options.table:
        done = {row.key for row in read(options.out)}
        # Seed by seed, so that a stopped benchmark has some of everything.
        for seed, task in product(range(options.seeds), options.tasks.split(",")):
            cells = product(options.labels.split(","), options.bills.split(","), options.methods.split(","))
            for labels, bill, name in cells:
                if (task, labels, bill, name, str(seed)) not in done:
                    row = run(task, labels, int(bill), name, seed)
                    peers.append(options.out, COLUMNS, tuple(getattr(row, column) for column in COLUMNS))
                    print(row, file=sys.stderr, flush=True)
            forget_changed_images(task)
    print("\n".join(report(read(options.out), min(options.seeds, 5))))


if __name__ == "__main__":
    main()
