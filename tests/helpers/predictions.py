"""Predictions made up for tests."""

import numpy as np

from blackbox_dft.run.predictions import Predictions


def made_up(labels: list[int], before: list[int], after: list[int], **more: object) -> Predictions:
    """Predictions that decide for the given labels with certainty."""
    eye = np.eye(max(*labels, *before, *after) + 1)
    names = tuple(f"class {number}" for number in range(len(eye)))
    files = tuple(f"{number}.png" for number in range(len(labels)))
    return Predictions(names, files, np.array(labels), eye[before], eye[after], np.empty((0, 3)), **more)  # type: ignore[arg-type]
