"""Test accuracy of every estimator in two spaces on the three tasks, as a table and a CSV.

    python benchmarks/estimators.py [--seeds 3] [--queries 2000,20000] [--out benchmarks/results/estimators.csv]

Queries are tuning queries, one image scored each; choosing z on validation images and measuring on test images come
on top, as in a run. Rows already in the CSV are not run again, so that the benchmark can be stopped and continued.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import sys
from pathlib import Path
from statistics import mean

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.tasks import TASKS, measure

ESTIMATORS = ("nes", "spsa", "spsa:correction=true", "finite-difference", "cma-es", "random")
SPACES = ("dct:8", "affine+color")
COLUMNS = (
    "task",
    "space",
    "objective",
    "estimator",
    "seed",
    "queries",
    "accuracy",
    "before",
    "threshold",
    "n",
    "chosen",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--queries", default="2000,20000")
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--spaces", default=",".join(SPACES))
    parser.add_argument("--estimators", default=None, help="separated by blanks, as an estimator's options have commas")
    parser.add_argument("--objectives", default="brier")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "estimators.csv")
    options = parser.parse_args()
    estimators = options.estimators.split() if options.estimators else ESTIMATORS
    limits = [int(part) for part in options.queries.split(",")]

    options.out.parent.mkdir(parents=True, exist_ok=True)
    rows = read(options.out)
    done = {(r["task"], r["space"], r["objective"], r["estimator"], int(r["seed"])) for r in rows}
    jobs = itertools.product(
        options.tasks.split(","),
        options.spaces.split(","),
        options.objectives.split(","),
        estimators,
        range(options.seeds),
    )
    for experiment in jobs:
        if experiment in done:
            continue
        task, space, objective, estimator, seed = experiment
        for outcome in measure(task, space, estimator, seed, limits, objective=objective):
            values = (
                *experiment,
                outcome.queries,
                outcome.accuracy,
                outcome.before,
                outcome.threshold,
                outcome.n,
                outcome.chosen,
            )
            rows.append(dict(zip(COLUMNS, map(str, values), strict=True)))
        write(options.out, rows)
        print(".", end="", flush=True, file=sys.stderr)
    print("\n".join(table(rows)))


def read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        out = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        out.writeheader()
        out.writerows(rows)


def table(rows: list[dict[str, str]]) -> list[str]:
    """Markdown: a row an estimator, a column a task and number of queries; means over seeds, worst seed in brackets."""
    lines = []
    tasks = sorted({r["task"] for r in rows}, key=list(TASKS).index)
    limits = sorted({int(r["queries"]) for r in rows})
    for space in dict.fromkeys(r["space"] for r in rows):
        lines += ["", f"| {space} | " + " | ".join(f"{t}, {q:,}" for t in tasks for q in limits) + " |"]
        lines += ["|---" * (1 + len(tasks) * len(limits)) + "|"]
        here = [r for r in rows if r["space"] == space]
        for name in ("before", "threshold"):
            cells = [f"{mean(float(r[name]) for r in here if r['task'] == t):.3f}" for t in tasks for _ in limits]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        for label in dict.fromkeys((r["estimator"], r["objective"]) for r in here):
            cells = []
            for task, limit in itertools.product(tasks, limits):
                key = (*label, task, str(limit))
                found = [
                    float(r["accuracy"])
                    for r in here
                    if (r["estimator"], r["objective"], r["task"], r["queries"]) == key
                ]
                cells.append(f"{mean(found):.3f} ({min(found):.3f})" if found else "-")
            shown = label[0] if len({r["objective"] for r in rows}) == 1 else f"{label[0]}, {label[1]}"
            lines.append(f"| {shown} | " + " | ".join(cells) + " |")
    return lines[1:]


if __name__ == "__main__":
    main()
