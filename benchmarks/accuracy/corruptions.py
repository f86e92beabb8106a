"""What a tuning gains on images that are noisy, blurred, compressed, dark or small, at three strengths each.

    python benchmarks/accuracy/corruptions.py                             # all rows that are missing; may be stopped
    python benchmarks/accuracy/corruptions.py --spaces "affine+color;contrast+affine+color" --tasks usps-mnist
    python benchmarks/accuracy/corruptions.py --table                     # the rows as Markdown tables

A row of the CSV is a cell: a task, a corruption, its strength, the space, the tuning queries and the seed. All images
of the task, those for training too, are corrupted in the same way, after they were brought to the model's size. Columns
are test accuracies: of unchanged images, with the map alone, of z, of z with its map, and of what a run of this size
keeps.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from statistics import mean

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks import peers
from benchmarks.output_map import config as clean_config
from benchmarks.output_map import measured
from benchmarks.tasks import SHARED
from blackbox_dft._utils.hashing import digest
from blackbox_dft._utils.types import ImageBytes
from blackbox_dft.data.dataset import Dataset
from blackbox_dft.run.config import Config
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.targets.options import TargetOptions

RESULTS = Path(__file__).parents[1] / "results" / "corruptions.csv"
TASKS = ("lfw-gender", "smile-faceapi", "usps-mnist", "imagenet")
SPACE = "affine+color"
NONE = "none"
"""The corruption that leaves images as they are."""
STRENGTHS = (1, 2, 3)
WORSE = 0.005
"""A cell is worse if what is kept has so much less than unchanged images."""


def noise(image: ImageBytes, strength: int, number: int) -> ImageBytes:
    """Gaussian noise, another for each image."""
    rng = np.random.default_rng([number, strength])
    return _bytes(image + 255 * (0.04, 0.08, 0.16)[strength - 1] * rng.standard_normal(image.shape))


def blur(image: ImageBytes, strength: int, number: int) -> ImageBytes:
    """Gaussian blur by a share of the side."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), (0.01, 0.02, 0.04)[strength - 1] * len(image)), np.uint8)


def jpeg(image: ImageBytes, strength: int, number: int) -> ImageBytes:
    """JPEG of low quality."""
    _, file = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, (25, 10, 5)[strength - 1]])
    return np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), np.uint8)


def low_light(image: ImageBytes, strength: int, number: int) -> ImageBytes:
    """A short exposure: darker, with a little noise of the sensor."""
    rng = np.random.default_rng([number, strength])
    return _bytes((0.5, 0.25, 0.12)[strength - 1] * image + 2 * rng.standard_normal(image.shape))


def low_resolution(image: ImageBytes, strength: int, number: int) -> ImageBytes:
    """Made smaller, and large again."""
    side = tuple(max(2, round((0.5, 0.33, 0.2)[strength - 1] * length)) for length in image.shape[1::-1])
    small = cv2.resize(image, side, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


CORRUPTIONS: dict[str, Callable[[ImageBytes, int, int], ImageBytes]] = {
    "noise": noise,
    "blur": blur,
    "JPEG": jpeg,
    "low light": low_light,
    "low resolution": low_resolution,
}


@dataclass(frozen=True)
class Row:
    """One cell."""

    task: str
    corruption: str
    strength: int
    space: str
    queries: int
    seed: int
    before: float
    map_alone: float
    z: float
    z_and_map: float
    kept: float

    @classmethod
    def read(cls, values: dict[str, str]) -> Row:
        """A row of the CSV."""
        kinds: dict[str, Callable[[str], str | int | float]] = {"str": str, "int": int, "float": float}
        return cls(**{each.name: kinds[str(each.type)](values[each.name]) for each in fields(cls)})  # type: ignore[arg-type]


COLUMNS = tuple(each.name for each in fields(Row))
KEY = COLUMNS[:6]
ACCURACIES = COLUMNS[6:]


def config(task: str, space: str) -> Config:
    """The task as a run's configuration, its model fed as it was trained."""
    if task != "imagenet":
        return clean_config(task, space)
    model, table = (str(SHARED / name) for name in ("models/efficientnet_lite0.onnx", "data/imagenet/labels.csv"))
    options = TargetOptions(mean=(0.498,), std=(0.502,))
    return Config(model, table, space=space, label="label", fit="crop:.875", filter="bicubic", target_options=options)


@lru_cache(maxsize=1)
def clean(task: str) -> Dataset:
    """The images of a task, at the size of its model."""
    return Experiment(config(task, SPACE)).data


@lru_cache(maxsize=1)
def corrupted(task: str, corruption: str, strength: int) -> Dataset:
    """The images of a task after a corruption."""
    data = clean(task)
    if corruption == NONE:
        return data
    change = CORRUPTIONS[corruption]
    images = np.stack([change(image, strength, number) for number, image in enumerate(np.asarray(data.images))])
    return replace(data, images=images, digests=tuple(digest(image.tobytes()) for image in images))


@lru_cache(maxsize=1)
def unchanged(task: str, corruption: str, strength: int) -> Path:
    """A ledger with the scores of all val and test images before a tuning, recorded once for all rows of a cell."""
    here = Experiment(config(task, SPACE), data=corrupted(task, corruption, strength))
    path = Path(_folder().name) / f"{task}, {corruption}, {strength}.sqlite"
    with Ledger(path, budget=2**62) as ledger:
        scorer = here.scorer(ledger)
        scorer.score(
            "select", np.concatenate([here.data.splits["val"], here.data.splits["test"]]), here.space.initial()
        )
        scorer.close()
    return path


@lru_cache(maxsize=1)
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def measure(task: str, corruption: str, strength: int, space: str, queries: int, seed: int) -> Row:
    """One cell."""
    here = Experiment(replace(config(task, space), seed=seed), data=corrupted(task, corruption, strength))
    found = [round(x, 6) for x in measured(here, queries, unchanged(task, corruption, strength))]
    return Row(task, corruption, strength, space, queries, seed, *found)


def table(rows: Sequence[Row], *, short: bool = False) -> list[str]:
    """A line a cell, means over seeds; below, the mean gain over all cells and the share of cells made worse.

    With ``short`` a line is the mean of all strengths.
    """
    heads = [name.replace("_", " ") for name in ACCURACIES]
    lines = [f"| task, corruption, strength | {' | '.join(heads)} |", "|---" * (1 + len(heads)) + "|"]
    cells: dict[tuple[str, str, int], list[Row]] = {}
    for row in rows:
        cells.setdefault((row.task, row.corruption, row.strength), []).append(row)
    shown: dict[str, list[Row]] = {}
    for (task, corruption, strength), some in cells.items():
        name = f"{task}, {corruption}" if short or corruption == NONE else f"{task}, {corruption} {strength}"
        shown.setdefault(name, []).extend(some)
    for name, some in shown.items():
        means = (f"{mean(getattr(row, column) for row in some):.3f}" for column in ACCURACIES)
        lines.append(f"| {name} | {' | '.join(means)} |")
    gains = [
        f"{100 * mean(mean(getattr(row, name) - row.before for row in some) for some in cells.values()):+.2f}"
        for name in ACCURACIES
    ]
    lines.append(f"| mean gain over {len(cells)} cells, points | {' | '.join(gains)} |")
    worse = [share_worse(cells.values(), name) for name in ACCURACIES]
    lines.append(f"| cells more than half a point worse | {' | '.join(f'{share:.0%}' for share in worse)} |")
    return lines


def share_worse(cells: Iterable[Sequence[Row]], name: str) -> float:
    """Share of cells whose mean over seeds is below that of unchanged images."""
    falls = [mean(row.before - getattr(row, name) for row in some) for some in cells]
    return mean(fall > WORSE for fall in falls)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--corruptions", default=",".join(CORRUPTIONS), help=f"also {NONE}")
    parser.add_argument("--strengths", default=",".join(map(str, STRENGTHS)))
    parser.add_argument("--spaces", default=SPACE, help="joined by semicolons")
    parser.add_argument("--queries", default="400")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--short", action="store_true", help="print means of all strengths")
    parser.add_argument("--table", action="store_true", help="print the tables and run nothing")
    options = parser.parse_args()
    spaces, limits = options.spaces.split(";"), [int(text) for text in options.queries.split(",")]
    if not options.table:
        done = {tuple(row[name] for name in KEY) for row in peers.read(options.out)}
        cells = product(
            options.tasks.split(","), options.corruptions.split(","), map(int, options.strengths.split(","))
        )
        for task, corruption, strength in cells:
            if corruption == NONE and strength != STRENGTHS[0]:
                continue
            for seed, space, limit in product(range(options.seeds), spaces, limits):
                key = task, corruption, strength, space, limit, seed
                if tuple(map(str, key)) not in done:
                    row = measure(*key)
                    peers.append(options.out, COLUMNS, tuple(getattr(row, name) for name in COLUMNS))
                    print(row, file=sys.stderr, flush=True)
    rows = [Row.read(values) for values in peers.read(options.out)]
    for space, limit in product(spaces, limits):
        here = [row for row in rows if (row.space, row.queries) == (space, limit) and row.seed < options.seeds]
        if here:
            print("\n".join([f"\n{space}, {limit:,} tuning queries:\n", *table(here, short=options.short)]))


def _bytes(values: np.ndarray) -> ImageBytes:
    return np.asarray(np.clip(values + 0.5, 0, 255), np.uint8)


if __name__ == "__main__":
    main()
