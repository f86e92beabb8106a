"""Many classes, few images of each: accuracy of z and of z with its map, by objective.

    python benchmarks/accuracy/many_classes.py [--tasks "43 classes;1,000 classes"] [--objectives sigmoid,brier]

The images are made here: each class is a smooth random pattern, each image one of it, a little moved, with noise, and
taken by another camera than the model knows (smaller, shifted, darker). The model is that of the nearest pattern.
``imagenet`` are the samples in ``../shared``, one a class, so that no class is in two splits. Accuracies are medians
over seeds, on the whole test split; the last column is the least of z with its map minus z alone over the seeds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.accuracy import corruptions
from benchmarks.output_map import ROWS, measured
from blackbox_dft._utils.hashing import digest
from blackbox_dft._utils.types import Floats, ImageBytes
from blackbox_dft.data.dataset import Dataset
from blackbox_dft.run.config import Config
from blackbox_dft.run.experiment import Experiment

SIDE, FREQUENCIES = 24, 6
TEMPERATURE = 12.0
"""Divides the model's squared distances in units of the noise."""
NOISE, CAMERA_NOISE = 0.08, 0.15
FAMILY, LIKENESS = 6, 0.95
"""Classes that look alike, as traffic signs do, and the share of their pattern that they have in common."""


@dataclass(frozen=True)
class Made:
    """A task of generated images."""

    classes: int
    train: int
    """Images of each class."""
    val: int
    test: int
    share: float = 1.0
    """Of the classes that occur in val: the others lack."""


TASKS = {
    "43 classes": Made(43, 10, 5, 20),
    "43 classes, one image of each": Made(43, 1, 1, 20),
    "1,000 classes": Made(1000, 3, 1, 2),
    "1,000 classes, one image of each": Made(1000, 1, 1, 1, share=0.5),
}
IMAGENET = "imagenet"


def patterns(classes: int) -> Floats:
    """A smooth random pattern for each class ``(L, S, S)``, in [0, 1]."""
    rng = np.random.default_rng(classes)
    spectrum = np.zeros((classes, SIDE, SIDE))
    own, common = rng.standard_normal((2, classes, FREQUENCIES, FREQUENCIES))
    common = common[np.arange(classes) // FAMILY]
    spectrum[:, :FREQUENCIES, :FREQUENCIES] = np.sqrt(LIKENESS) * common + np.sqrt(1 - LIKENESS) * own
    fields = np.stack([cv2.idct(each) for each in spectrum])
    fields -= fields.mean(axis=(1, 2), keepdims=True)
    return np.clip(0.5 + 0.2 * fields / fields.std(axis=(1, 2), keepdims=True), 0, 1)


def model(path: Path, classes: int) -> Path:
    """Writes the ONNX model of the nearest pattern, whose classes are ``c0``, ``c1``, ..."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    flat = patterns(classes).reshape(classes, -1)
    scale = 1 / TEMPERATURE / NOISE**2
    weights = (scale * flat.T).astype(np.float32)
    bias = (-scale / 2 * (flat**2).sum(axis=1)).astype(np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["grey"], axes=[1]),
        helper.make_node("Flatten", ["grey"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    constants = [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")]
    image, out = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("image", ["N", 3, SIDE, SIDE]), ("probabilities", ["N", classes]))
    )
    graph = helper.make_graph(nodes, "nearest", [image], [out], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(made, {"classes": ",".join(f"c{number}" for number in range(classes))})
    onnx.save(made, path)
    return path


def photo(pattern: Floats, rng: np.random.Generator) -> ImageBytes:
    """An image of a pattern by the other camera, ``(S, S, 3)``."""
    turn, zoom, right, down = rng.normal(scale=[4.5, 0.06, 0.03, 0.03])
    centre = (SIDE - 1) / 2
    matrix = cv2.getRotationMatrix2D((centre, centre), turn, 0.85 * np.exp(zoom))
    matrix[:, 2] += SIDE * (0.04 + right), SIDE * down
    moved = cv2.warpAffine(pattern, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    dark = 0.8 * np.clip(moved, 0, 1) ** 1.3 + CAMERA_NOISE * rng.standard_normal((SIDE, SIDE))
    return np.asarray(np.clip(255 * dark + 0.5, 0, 255), np.uint8)[..., None].repeat(3, axis=-1)


def dataset(made: Made, folder: Path) -> Dataset:
    """The images and their splits."""
    rng, known = np.random.default_rng(0), patterns(made.classes)
    in_val = rng.permutation(made.classes) < made.share * made.classes
    images, labels, splits = [], [], {"train": [], "val": [], "test": []}  # type: ignore[var-annotated]
    for label, pattern in enumerate(known):
        for split, count in (("train", made.train), ("val", made.val * in_val[label]), ("test", made.test)):
            for _ in range(count):
                splits[split].append(len(images))
                images.append(photo(pattern, rng))
                labels.append(label)
    return Dataset(
        np.stack(images), np.array(labels), tuple(f"c{n}" for n in range(made.classes)),
        tuple(f"{n}.png" for n in range(len(images))), {split: np.array(at) for split, at in splits.items()},
        None, tuple(digest(image.tobytes()) for image in images), folder,
    )  # fmt: skip


@lru_cache(maxsize=1)
def opened(task: str) -> tuple[Config, Dataset]:
    """The configuration and images of a task."""
    if task == IMAGENET:
        return corruptions.config(task, corruptions.SPACE), corruptions.clean(task)
    folder = Path(_folder().name)
    file = model(folder / f"{TASKS[task].classes}.onnx", TASKS[task].classes)
    return Config(str(file), str(folder), space=corruptions.SPACE), dataset(TASKS[task], folder)


@lru_cache(maxsize=1)
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default=";".join([*TASKS, IMAGENET]), help="joined by semicolons")
    parser.add_argument("--objectives", default="sigmoid,brier,cross-entropy")
    parser.add_argument("--queries", default="400,1000")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--space", default=corruptions.SPACE)
    options = parser.parse_args()
    print(
        f"| task, tuning queries, objective | {' | '.join(ROWS)} | map, least |\n|---{'|---' * (1 + len(ROWS))}|",
        flush=True,
    )
    for task in options.tasks.split(";"):
        config, data = opened(task)
        for limit in map(int, options.queries.split(",")):
            for objective in options.objectives.split(","):
                found = []
                for seed in range(options.seeds):
                    here = replace(config, seed=seed, objective=objective, space=options.space)
                    found.append(list(measured(Experiment(here, data=data), limit)))
                by_map = min(row[ROWS.index("z and map")] - row[ROWS.index("z")] for row in found)
                cells = " | ".join(f"{x:.3f}" for x in np.median(found, axis=0))
                print(f"| {task}, {limit:,}, {objective} | {cells} | {100 * by_map:+.1f} |", flush=True)


if __name__ == "__main__":
    main()
