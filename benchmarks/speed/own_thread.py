"""Processor time of a run's own thread: microseconds a query of whole runs, in one checkout or two that take turns.

    python benchmarks/speed/own_thread.py [--checkouts . ../before] [--rounds 3] [--runs "lfw-gender dct:8 nes 5600"]

Drawing, keys, ledger, estimator, decoding of scores, choice and evaluation; the model and the change of images run in
other threads. Each round is a process of its own; a short run before it loads what is loaded once in a process. The
digest is of z: two checkouts that print the same one found the same.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
RUNS = (
    "lfw-gender dct:8 nes 5600",
    "lfw-gender affine+color surface 5600",
    "smile-mini affine+color surface 15000",
    "smile-mini dct:8 nes 15000",
)
ONE = """
import sys, tempfile, time
from pathlib import Path
from benchmarks.tasks import config
from blackbox_dft._utils.hashing import digest
from blackbox_dft.cli.progress_bar import show_progress
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.runner import start

def run(budget):
    options = {"space": sys.argv[2], "estimator": sys.argv[3], "budget": budget, "early_stop": False}
    experiment = Experiment(config(sys.argv[1], evaluate="all", **options))
    _ = experiment.plan, experiment.path
    with tempfile.TemporaryDirectory() as out, show_progress(budget, quiet=True) as progress:
        before = time.thread_time(), time.process_time()
        result = start(experiment, Path(out) / "run", progress)
        after = time.thread_time(), time.process_time()
    total = result.summary.queries.total
    costs = [1e6 * (last - first) / total for first, last in zip(before, after)]
    return costs, digest(result.tuning.z.tobytes()).hex()[:8], total

run(3500)
(own, all_threads), z, total = run(int(sys.argv[4]))
print(own, all_threads, z, total)
"""


def measured(checkout: Path, run: str) -> tuple[float, float, str, int]:
    """Microseconds a query of the run's own thread and of the whole process, digest of z, queries."""
    # As the command line does.
    settings = {"OPENBLAS_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1", "PYTHONPATH": str(checkout.resolve())}
    done = subprocess.run(
        [sys.executable, "-c", ONE, *run.split()],
        cwd=checkout,
        env=os.environ | settings,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    own, whole, z, total = done.stdout.split()[-4:]
    return float(own), float(whole), z, int(total)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkouts", nargs="+", type=Path, default=[ROOT])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", nargs="+", default=RUNS, help="task, space, estimator and budget")
    options = parser.parse_args()
    print(
        "| run | queries | checkout | own thread, µs a query (lowest) | whole process | z |\n|---|---|---|---|---|---|"
    )
    for run in options.runs:
        found: dict[Path, list[tuple[float, float, str, int]]] = {checkout: [] for checkout in options.checkouts}
        for _ in range(options.rounds):
            for checkout, rows in found.items():
                rows.append(measured(checkout, run))
        for checkout, rows in found.items():
            own, whole = [row[0] for row in rows], median(row[1] for row in rows)
            name, (*_, z, total) = " ".join(run.split()[:3]), rows[0]
            print(
                f"| {name} | {total:,} | {checkout} | {median(own):.0f} ({min(own):.0f}) | {whole:.0f} | {z} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
