"""Predictions made up for tests."""

import shutil
from pathlib import Path

import numpy as np

from blackbox_dft.run.predictions import Predictions


def made_up(labels: list[int], before: list[int], after: list[int], **more: object) -> Predictions:
    """Predictions that decide for the given labels with certainty."""
    eye = np.eye(max(*labels, *before, *after) + 1)
    names = tuple(f"class {number}" for number in range(len(eye)))
    files = tuple(f"{number}.png" for number in range(len(labels)))
    return Predictions(names, files, np.array(labels), eye[before], eye[after], np.empty((0, 3)), **more)  # type: ignore[arg-type]


def with_answers(run: Path, out: Path, classes: int) -> Path:
    """A copy of a run whose answers are of ``classes`` classes, 3 images each, of which every fourth class gains."""
    shutil.copytree(run, out)
    labels = np.repeat(np.arange(classes), 3)
    wrong = (labels + 1) % classes
    gains = labels % 4 == 0
    eye = np.eye(classes, dtype=np.float32)
    names = tuple(f"class {number}" for number in range(classes))
    files = tuple(f"{number}.png" for number in range(len(labels)))
    before = eye[np.where(gains, wrong, labels)]
    Predictions(names, files, labels, before, eye[labels], np.empty((0, 3))).write(out)
    return out
