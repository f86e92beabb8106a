"""Result: a finished run, in memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.data.dataset import Dataset
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.evaluation.proof import Proof
from blackbox_dft.run.predictions import Predictions
from blackbox_dft.run.summary import Summary
from blackbox_dft.search.estimate_accuracy import Measured
from blackbox_dft.search.loop import Trajectory
from blackbox_dft.search.selection import Selection


@dataclass(frozen=True, eq=False)
class Result:
    """A finished run: its summary, the tuning, and what both were computed from."""

    summary: Summary
    """What ``RUN/summary.json`` holds."""
    tuning: Tuning
    """The chosen z and output map, ready to apply to images."""
    choice: Selection
    trajectory: Trajectory
    data: Dataset
    before: Floats
    """Probabilities of the labels ``(N, L)`` on the test images, unchanged; NaN for those without a score."""
    after: Floats
    """The same on changed images."""
    tested: Ints
    """The test images that both are of ``(N,)``, as indices into the data."""
    proof: Proof | None = None
    """The sequential proof, if there was one."""

    def predictions(self) -> Predictions:
        """What ``RUN/answers.npz`` holds and reports are made from."""
        data, test = self.data, self.tested
        return Predictions(
            classes=data.classes,
            files=tuple(data.files[i] for i in test),
            labels=data.labels[test],
            before=self.before,
            after=self.after,
            points=np.array([(p.queries, p.loss, p.accuracy) for p in self.trajectory.points], np.float64).reshape(
                -1, 3
            ),
            estimates=self._estimates,
            groups=data.groups_of(test),
            proof=np.array(self.proof.path if self.proof else [], np.float64).reshape(-1, 4),
            traits={name: tuple(values[i] for i in test) for name, values in data.traits.items()},
        )

    @cached_property
    def _estimates(self) -> Floats:
        """The accuracy of the search's estimates; the test images say what it is at both ends."""
        found, parts = self.summary.accuracy["test"], self.summary.parts
        identity = self.tuning.make_space().initial()
        return self.trajectory.accuracy_curve(
            [Measured(identity, found.before, found.n), Measured(self.choice.z, parts.image, found.n)]
        )
