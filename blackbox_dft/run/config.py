"""What determines a run, and the file that keeps it: ``RUN/config.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any, Literal

from blackbox_dft.errors import InputError
from blackbox_dft.targets.options import TargetOptions


@dataclass(frozen=True)
class Config:
    """Everything that determines a run, as ``bbdft optimize`` takes it."""

    target: str
    data: str
    space: str = "dct:8"
    epsilon: str = "8/255"
    channels: Literal["rgb", "luma"] = "rgb"
    estimator: str = "auto"
    objective: str = "auto"
    distance_weight: float = 0.0
    """What a mean squared perturbation of 1 adds to every loss."""
    budget: int = 20_000
    seed: int = 0
    path: Literal["auto", "fused", "array"] = "auto"
    """Whether the change is written into the model's graph: auto, where that can be; a run keeps what it began with."""
    repeats: int = 1
    """How often every query is asked; each time counts, and the mean of the scores is used."""
    in_flight: int = 1
    """Proposals of the estimator that are asked at once."""
    early_stop: bool = False
    """End the search when going on promises too little."""
    map: tuple[str, ...] = ()
    label: str = ""
    """Attribute of a published data set, or column of a CSV, that holds the labels."""
    encoding: str = "png"
    skip_bad: bool = False
    in_doubt: Literal["auto", "count", "free"] = "auto"
    """Whether images that were sent and never answered count: auto, for URLs only."""
    calibrate: bool = False
    """Report accuracy with the decision threshold fitted again after the search, beside the one without."""
    accept_drift: bool = False
    """Go on although the model behind a URL has changed."""
    reserve: float = 0.125
    """Share of the budget kept back for them, where they count."""
    target_options: TargetOptions = field(default_factory=TargetOptions)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Config:
        """Reads what ``dataclasses.asdict`` and JSON made of a configuration."""
        # Runs of earlier versions knew no other path.
        plain = {"path": "array"} | _tuples(values)
        plain.pop("hedge", None)  # An option of earlier versions.
        options = TargetOptions(**_tuples(plain.pop("target_options")))
        if unknown := set(plain) - {f.name for f in fields(cls)}:
            raise ValueError(f"unknown key {sorted(unknown)[0]!r}")
        return cls(**plain, target_options=options)


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def parse_epsilon(text: str) -> float:
    """``"8/255"`` or ``"0.03"`` to a float in (0, 1].

    Raises:
        InputError: anything else.
    """
    try:
        value = float(Fraction(text.replace(" ", "")))
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise InputError(f"--epsilon {text!r} is not a number: give a fraction such as 8/255.") from error
    if not 0 < value <= 1:
        raise InputError(f"--epsilon {text} is outside (0, 1]: give the largest change of a pixel, such as 8/255.")
    return value
