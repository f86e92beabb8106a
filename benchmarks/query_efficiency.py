"""Accuracy per query: this package's estimators against the optimizers that users would otherwise take.

    pip install '.[benchmarks]'
    python benchmarks/peers.py                          # the peers' tuned settings
    python benchmarks/query_efficiency.py               # all rows that are missing, for hours; may be stopped
    python benchmarks/query_efficiency.py --quick       # some of them, within minutes, to quick.csv
    python benchmarks/query_efficiency.py --table       # the rows as Markdown tables

A query is one image scored. Those counted are tuning queries; choosing z on val and evaluating on test come on top, for
all methods alike. All methods get the same training images in the same order, the same objective (the sigmoid of the
margin), start, bounds and choice of z on val. One row in the CSV for each task, space, method, setting, seed and
number of queries; rows that are there are not run again. Peers run at their library's recommended setting and at the
tuned one. To measure an estimator again that has changed, name it in ``--forget``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks import efficiency_table, rivals
from benchmarks.peers import PEERS, SIZE, Factory, append, read, text, tuned
from benchmarks.tasks import TASKS, measure

RESULTS = Path(__file__).parent / "results"
COLUMNS = (
    "task", "space", "method", "setting", "seed", "queries", "accuracy", "before", "threshold", "n", "val_loss",
    "chosen",
)  # fmt: skip
SPACES = ("affine+color", "dct:8", "affine+color+dct:8")
BUDGETS = (500, 1000, 2000, 5000, 20000)
LATER = 10_000
"""Budgets above this are run when all the others are done."""
OURS = ("surface", "nes", "spsa", "finite-difference")
MARK = efficiency_table.OURS


@dataclass(frozen=True)
class Experiment:
    """One search of one method."""

    task: str
    space: str
    method: str
    setting: str
    seed: int
    limits: tuple[int, ...]
    search: str | Factory

    @property
    def key(self) -> tuple[str, ...]:
        """What its rows have in common."""
        return self.task, self.space, self.method, self.setting, str(self.seed)


def contenders(ours: Sequence[str], space: str, quick: bool) -> Iterator[tuple[str, str, str | Factory]]:
    """Method, setting and what makes it, of all that take part in a space."""
    for spec in ours:
        name, _, setting = spec.partition(":")
        yield MARK + name, setting, spec
    for peer in PEERS.values():
        if peer.most <= SIZE[space]:
            continue
        # The tuned one may be the recommended one.
        settings = {text(found): found for found in (peer.recommended, None if quick else tuned(peer)) if found}
        for name, setting in settings.items():
            yield peer.name, name, Factory(peer, setting)


def jobs(options: argparse.Namespace) -> Iterator[Experiment]:
    """All of it, in the order in which it is of most use: space by space and seed by seed."""
    budgets = sorted(map(int, options.budgets.split(",")))
    phases = [tuple(b for b in budgets if b <= LATER), tuple(b for b in budgets if b > LATER)]
    for limits, space in product(filter(None, phases), options.spaces.split(",")):
        for seed, task in product(seeds(options), options.tasks.split(",")):
            for method, setting, search in contenders(options.ours.split(), space, options.quick):
                if any(part in f"{method} {setting}" for part in options.only.split(";")):
                    yield Experiment(task, space, method, setting, seed, limits, search)


def seeds(options: argparse.Namespace) -> range:
    """Of ``--seeds``: so many from 0 on, or ``first-last``."""
    first, _, last = options.seeds.rpartition("-")
    return range(int(first), int(last) + 1) if first else range(int(last))


def run(experiment: Experiment, out: Path, done: set[tuple[str, ...]]) -> None:
    """Measures what is missing of a job."""
    limits = [limit for limit in experiment.limits if (*experiment.key, str(limit)) not in done]
    if not limits:
        return
    for found in measure(experiment.task, experiment.space, experiment.search, experiment.seed, limits):
        rest = (found.accuracy, found.before, found.threshold, found.n, found.val_loss, found.chosen)
        append(
            out, COLUMNS, (*experiment.key, found.queries, *(round(x, 6) if isinstance(x, float) else x for x in rest))
        )
    print(" ".join(experiment.key), file=sys.stderr, flush=True)


def local_models(options: argparse.Namespace, out: Path, done: set[tuple[str, ...]]) -> None:
    """The rival that does without the black box, alone and on top of scores already paid for."""
    for task, seed in product(options.tasks.split(","), seeds(options)):
        wanted = [int(budget) for budget in options.budgets.split(",")]
        for method in (rivals.ALONE, rivals.STACKED):
            missing = [b for b in wanted if (task, "-", method, "", str(seed), str(b)) not in done]
            for found in rivals.measure(task, method, seed, missing) if missing else []:
                rest = (found.accuracy, found.before, found.threshold, found.n, "", found.chosen)
                values = (round(x, 6) if isinstance(x, float) else x for x in rest)
                append(out, COLUMNS, (task, "-", method, "", seed, found.queries, *values))


def forget(path: Path, methods: Sequence[str]) -> None:
    """Takes the rows of ``methods`` out of the CSV."""
    rows = [row for row in read(path) if row["method"].removeprefix(MARK) not in methods]
    path.unlink(missing_ok=True)
    for row in rows:
        append(path, COLUMNS, tuple(row[column] for column in COLUMNS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="5", help="so many from 0 on, or first-last")
    parser.add_argument("--budgets", default=",".join(map(str, BUDGETS)))
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--spaces", default=",".join(SPACES))
    parser.add_argument("--ours", default=" ".join(OURS), help="separated by blanks, as options have commas")
    parser.add_argument("--only", default="", help="those whose name and setting contain one of these; a ; between")
    parser.add_argument("--forget", default="", help="methods whose rows are measured again, separated by blanks")
    parser.add_argument("--quick", action="store_true", help="one seed, 500 and 1,000 queries, affine+color")
    parser.add_argument("--table", action="store_true", help="print the tables and run nothing")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.budgets, options.spaces = "1", "500,1000", "affine+color"
    out = options.out or RESULTS / ("quick.csv" if options.quick else "query_efficiency.csv")
    if options.forget:
        forget(out, options.forget.split())
    if not options.table:
        done = {(*(row[name] for name in COLUMNS[:6]),) for row in read(out)}
        if not options.only:
            local_models(options, out, done)
        for experiment in jobs(options):
            run(experiment, out, done)
    print("\n".join(efficiency_table.lines(read(out))))


if __name__ == "__main__":
    main()
