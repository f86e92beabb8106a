"""Tasks whose optimum lies far away: images that were turned, shifted, shrunk, enlarged or darkened before.

    pip install '.[benchmarks]'
    python benchmarks/moved.py [--seeds 3] [--methods 'surface;nes;scipy Powell'] [--out moved.csv]

The shared tasks' images as another camera would have taken them; geometry and tone, peers at their tuned settings,
z chosen on val. Prints mean test accuracy, beside that of the unchanged images and of the free threshold.
Rows already in the CSV are not run again.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks import tasks
from benchmarks.peers import PEERS, Factory, append, read, tuned
from blackbox_dft._utils.types import ImageBytes

SPACE, LIMITS = "affine+color", (250, 500, 1000, 2000)
METHODS = "surface;nes;scipy Powell;cmaes CMA lr-adapt;BlackVIP SPSA;pycma CMA-ES;nevergrad TBPSA"
COLUMNS = ("task", "method", "seed", "queries", "accuracy", "before", "threshold", "chosen")


def moved(image: ImageBytes, turn: float = 0, zoom: float = 1, right: float = 0, down: float = 0) -> ImageBytes:
    """Turned by degrees, counter-clockwise, and shifted by shares of its sides; its border drawn out."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn, zoom)
    matrix[:, 2] += right * width, down * height
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def dark(image: ImageBytes, gamma: float, contrast: float = 1) -> ImageBytes:
    """Pixels to the power ``gamma``, then drawn towards grey."""
    level = 0.5 + ((image / 255) ** gamma - 0.5) * contrast
    return (255 * level + 0.5).astype(np.uint8)


def careless(image: ImageBytes) -> ImageBytes:
    """Turned, enlarged, shifted and dark."""
    return dark(moved(image, turn=-18, zoom=1.3, down=0.06), 1.8)


CHANGES: dict[str, tuple[str, Callable[[ImageBytes], ImageBytes]]] = {
    "lfw-gender, turned by 25 degrees, shifted": ("lfw-gender", lambda image: moved(image, turn=25, right=0.08)),
    "lfw-gender, shrunk to .6": ("lfw-gender", lambda image: moved(image, zoom=0.6)),
    "lfw-gender, dark and flat": ("lfw-gender", lambda image: dark(image, 2.5, 0.6)),
    "smile-mini, turned, enlarged, shifted, dark": ("smile-mini", careless),
    "smile-faceapi, turned, enlarged, shifted, dark": ("smile-faceapi", careless),
}


def make(task: str, folder: Path) -> None:
    """Writes the changed images, and registers the task."""
    base, change = CHANGES[task]
    model, table, mapping = tasks.TASKS[base]
    source = tasks.SHARED / table
    with source.open() as file:
        rows = list(csv.DictReader(file))
    folder.mkdir()
    for number, row in enumerate(rows):
        image = cv2.imread(str(source.parent / row["file"]))
        row["file"] = f"{number}.png"
        cv2.imwrite(str(folder / row["file"]), change(np.asarray(image, np.uint8)))
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    # A whole path, which stays what it is below the folder of shared data.
    tasks.TASKS[task] = (model, str(folder / "labels.csv"), mapping)


def table(rows: Sequence[dict[str, str]]) -> None:
    """Mean accuracies as Markdown."""
    found: dict[tuple[str, str, int], list[float]] = {}
    for row in rows:
        found.setdefault((row["task"], row["method"], int(row["queries"])), []).append(float(row["accuracy"]))
    for task in dict.fromkeys(row["task"] for row in rows):
        first = next(row for row in rows if row["task"] == task)
        without = ", threshold ".join(f"{float(first[name]):.3f}" for name in ("before", "threshold"))
        print(f"\n| {task} ({without}) | {' | '.join(map(str, LIMITS))} |\n|---|{'---|' * len(LIMITS)}")
        methods = dict.fromkeys(row["method"] for row in rows if row["task"] == task)
        means = {
            method: [np.mean(found.get((task, method, limit), [np.nan])) for limit in LIMITS] for method in methods
        }
        for method in sorted(methods, key=lambda name: -np.nanmean(means[name][1:])):
            # Not all were measured after so few queries.
            print(f"| {method} | {' | '.join('–' if np.isnan(mean) else f'{mean:.3f}' for mean in means[method])} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", default=METHODS, help="names joined by semicolons")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "moved.csv")
    options = parser.parse_args()
    done = {(row["task"], row["method"], row["seed"]) for row in read(options.out)}
    with tempfile.TemporaryDirectory() as folder:
        for number, task in enumerate(CHANGES):
            runs = product(range(options.seeds), options.methods.split(";"))
            missing = [(seed, method) for seed, method in runs if (task, method, str(seed)) not in done]
            if missing:
                make(task, Path(folder) / str(number))
            for seed, method in missing:
                search = Factory(PEERS[method], tuned(PEERS[method])) if method in PEERS else method
                for found in tasks.measure(task, SPACE, search, seed, LIMITS):
                    values = (round(x, 6) for x in (found.accuracy, found.before, found.threshold))
                    append(options.out, COLUMNS, (task, method, seed, found.queries, *values, found.chosen))
    table(read(options.out))


if __name__ == "__main__":
    main()
