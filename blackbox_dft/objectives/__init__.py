"""Objectives: losses of the labels' probabilities, which the search minimises."""

from __future__ import annotations

from blackbox_dft._utils import plugins
from blackbox_dft.objectives.losses import Objective

__all__ = ["DEFAULT", "OBJECTIVES", "Objective", "make_objective"]

OBJECTIVES = {
    "cross-entropy": "blackbox_dft.objectives.losses:cross_entropy",
    "brier": "blackbox_dft.objectives.losses:brier",
    "sigmoid": "blackbox_dft.objectives.losses:sigmoid_margin",
    "hinge": "blackbox_dft.objectives.losses:hinge",
    "zero-one": "blackbox_dft.objectives.losses:zero_one",
}
DEFAULT = "sigmoid"


def make_objective(name: str) -> Objective:
    """The loss function registered as ``name``, in ``OBJECTIVES`` or as an entry point ``blackbox_dft.objectives``.

    >>> import numpy as np
    >>> make_objective("brier")(np.array([[0.75, 0.25]]), np.array([0]))
    array([0.0625])

    Raises:
        InputError: unknown name.
    """
    objective: Objective = plugins.find(name, OBJECTIVES, "objectives")
    return objective
