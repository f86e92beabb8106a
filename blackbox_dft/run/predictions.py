"""Predictions on the test images, before and after, and the learning curve: ``RUN/answers.npz``.

Reports are made from this file: none has to query the target or replay the search.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from blackbox_dft._utils.files import write_atomically
from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.errors import InputError

FILE = "answers.npz"
"""Its name in the folder of a run."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions on N test images with L labels, and what is known of these images."""

    classes: tuple[str, ...]
    files: tuple[str, ...]
    labels: Ints
    """``(N,)``, indices into classes."""
    before: Floats
    """Probabilities ``(N, L)`` on unchanged images."""
    after: Floats
    """The same on changed images."""
    points: Floats
    """``(P, 3)``: tuning queries so far, loss and accuracy of each step of the search: of the candidates it tried."""
    estimates: Floats = field(default_factory=lambda: np.empty((0, 4)))
    """``(P, 4)``: tuning queries so far, accuracy of the estimate on training images, and both ends of its interval, as
    ``search.estimate_accuracy`` learns them; empty if they are not known."""
    groups: Ints | None = None
    """``(N,)``: images of one group depend on each other, such as those of one person."""
    proof: Floats = field(default_factory=lambda: np.empty((0, 4)))
    """``(P, 4)``: draws so far, their mean gain and both ends of its interval; empty without a sequential proof."""
    traits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Further columns of the CSV, N values each, by name."""

    def write(self, run: Path) -> None:
        """Writes the file into the folder ``run``; no pickle."""
        texts = {
            "classes": self.classes,
            "files": self.files,
            "traits": {name: list(values) for name, values in self.traits.items()},
        }
        arrays = {
            "labels": self.labels,
            "before": self.before,
            "after": self.after,
            "points": self.points,
            "estimates": self.estimates,
            "groups": np.empty(0, np.int64) if self.groups is None else self.groups,
            "proof": self.proof,
            "texts": np.array(json.dumps(texts)),
        }
        write_atomically(run / FILE, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]

    @classmethod
    def read(cls, run: Path) -> Predictions:
        """Reads the file from the folder of a finished run.

        Raises:
            InputError: the run is not finished, or the file is missing or damaged.
        """
        path = run / FILE
        try:
            with np.load(path, allow_pickle=False) as file:
                texts = json.loads(str(file["texts"]))
                labels = np.asarray(file["labels"], np.int64)
                before, after = np.asarray(file["before"], np.float64), np.asarray(file["after"], np.float64)
                points, groups = np.asarray(file["points"], np.float64), np.asarray(file["groups"], np.int64)
                # Files of earlier versions have none.
                proof, estimates = (
                    np.asarray(file[name], np.float64) if name in file else np.empty((0, 4))
                    for name in ("proof", "estimates")
                )
            classes, files = tuple(texts["classes"]), tuple(texts["files"])
            traits = {str(name): tuple(values) for name, values in texts["traits"].items()}
            lengths = {len(files), len(labels), *map(len, traits.values())}
            shapes = {before.shape, after.shape}
            if lengths != {len(labels)} or shapes != {(len(labels), len(classes))} or points.ndim != 2:
                raise ValueError("its parts do not belong together")
            whose = groups if groups.size else None
            return cls(classes, files, labels, before, after, points, estimates, whose, proof, traits)
        except FileNotFoundError as error:
            raise InputError(f"{run} has no {FILE}: give 'bbdft resume {run}', which writes it.") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, EOFError, BadZipFile) as error:
            raise InputError(f"{path} cannot be read ({error}): give 'bbdft resume {run}', which writes it.") from error
