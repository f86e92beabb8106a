"""Processor time of the fits behind output maps, of one checkout or of two that take turns.

    python benchmarks/speed/map_fits.py [--checkouts . ../before] [--rounds 5]

A run fits one map to the answers of its search, 13,800 of 400 images here, and maps of 200 unchanged images: one to all
of them and, to judge it, one to each four fifths. The answers are made: a model that prefers a class and confuses some.
The first row is what the first fit of a process takes beside: modules are loaded for it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TASKS = ("2 classes, 2 labels", "8 classes, 2 labels", "10 classes, 10 labels")
LOADED = "loading"
ONE = """
import time
import numpy as np
from blackbox_dft.objectives import output_map
from blackbox_dft.objectives.output_map import fit_output_map

def answers(classes, images, repeats):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, classes, images)
    logits = rng.normal(size=(images, classes)) + 2 * np.eye(classes)[truth] + np.eye(classes)[truth // 2]
    logits = np.repeat(logits + np.eye(classes)[0], repeats, axis=0)
    logits += 0.3 * rng.normal(size=logits.shape)
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True), np.repeat(truth, repeats), np.repeat(np.arange(images), repeats)

def parts(labels):
    of_fifth = np.random.default_rng(1).permutation(len(labels)) % 5
    return [np.flatnonzero(of_fifth != fifth) for fifth in range(5)]

def fits(classes, labels):
    matrix = np.eye(labels)[np.arange(classes) % labels]
    took = []
    for images, repeats in ((400, 35), (200, 1)):
        given, truth, groups = answers(classes, images, repeats)
        began = time.thread_time()
        fit_output_map(given, truth % labels, matrix, groups=groups)
        if repeats == 1:
            # Together, where that is known.
            if hasattr(output_map, "fit_output_maps"):
                output_map.fit_output_maps(given, truth % labels, matrix, parts(truth))
            else:
                for rows in parts(truth):
                    fit_output_map(given[rows], truth[rows] % labels, matrix)
        took.append(1000 * (time.thread_time() - began))
    return took

first = sum(fits(2, 2))
for task in ((2, 2), (8, 2), (10, 10)):
    best = np.min([fits(*task) for _ in range(3)], axis=0)
    if task == (2, 2):
        print(f"loading;{max(0, first - best.sum())};0")
    print(f"{task[0]} classes, {task[1]} labels;{best[0]};{best[1]}")
"""


def measured(checkout: Path) -> dict[str, tuple[float, float]]:
    """Milliseconds of each row: of the map of a search, and of the maps of unchanged images."""
    settings = {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(checkout.resolve())}
    done = subprocess.run(
        [sys.executable, "-c", ONE], cwd=checkout, env=os.environ | settings, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    rows = (line.split(";") for line in done.stdout.splitlines())
    return {name: (float(search), float(unchanged)) for name, search, unchanged in rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkouts", type=Path, nargs="+", default=[ROOT])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    found = [[measured(checkout) for checkout in options.checkouts] for _ in range(options.rounds)]
    print("| fits, ms of processor time, the least | " + " | ".join(map(str, options.checkouts)) + " |")
    print("|---" * (1 + len(options.checkouts)) + "|")
    for name in (LOADED, *TASKS):
        for which, what in enumerate(("the search", "unchanged images")):
            cells = [min(each[at][name][which] for each in found) for at in range(len(options.checkouts))]
            row = name if name == LOADED else f"{name}, {what}"
            if name != LOADED or which == 0:
                print(f"| {row} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")


if __name__ == "__main__":
    main()
