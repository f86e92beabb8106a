"""Objectives: what is minimised."""

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
    """The objective registered as ``name``."""
    found: Objective = plugins.find(name, OBJECTIVES, "objectives")
    return found
