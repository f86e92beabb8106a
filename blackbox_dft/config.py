"""What determines a run, and the file that keeps it: ``RUN/config.json``."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np

from blackbox_dft.errors import InputError
from blackbox_dft.files import write_text
from blackbox_dft.targets.options import TargetOptions
from blackbox_dft.version import __version__


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
    hedge: float = 0.0
    """Share of the budget that may go to sending slow requests a second time."""
    target_options: TargetOptions = field(default_factory=TargetOptions)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Config:
        """Reads what ``dataclasses.asdict`` and JSON made of a configuration."""
        # Runs of earlier versions knew no other path.
        plain = {"path": "array"} | _tuples(values)
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


FREE = ("target", "data", "budget", "early_stop", "in_doubt", "accept_drift", "calibrate")
"""Keys that may change within a run: where things lie is compared by their contents, a budget grows, a search
that stopped early goes on."""
FREE_OPTIONS = ("workers", "cluster", "timeout", "patience", "rate", "headers", "cert", "insecure", "provider")
"""Of ``target_options``: how one asks, and not what."""


def determining(config: Config) -> dict[str, Any]:
    """The keys of a configuration that determine a run's course, flat, JSON-ready."""
    values = {key: value for key, value in asdict(config).items() if key not in FREE}
    options = {f"target_options.{k}": v for k, v in values.pop("target_options").items() if k not in FREE_OPTIONS}
    plain: dict[str, Any] = json.loads(json.dumps(values | options))
    return plain


def placed(config: Config, cluster: str | None, workers: int | None) -> Config:
    """``config`` with its target on another cluster (``none``: in this process), in so many calls; where that is said.

    An answer does not depend on it.
    """
    options = config.target_options
    options = replace(
        options,
        cluster=options.cluster if cluster is None else "" if cluster == "none" else cluster,
        workers=options.workers if workers is None else workers,
    )
    return replace(config, target_options=options)


def versions() -> dict[str, str]:
    """Of what computes a run's course."""
    return {"blackbox-dft": __version__, "numpy": np.__version__, "python": platform.python_version()}


@dataclass(frozen=True)
class Record:
    """``RUN/config.json``: the configuration and the digests of what it read."""

    config: Config
    batch: int
    """Images a request carries; scores may depend on it in the last bit, so it is kept for good."""
    inputs: Mapping[str, str]
    """Digests of images, labels, splits and target, by name."""
    threads: int = 1
    """Threads of a call to a model on this machine's CPU."""
    sunk: int = 0
    """Queries of an earlier, smaller budget's choice and evaluation, which a longer course cannot use again."""

    def write(self, run: Path) -> None:
        """Into the folder of the run."""
        document = {
            "config": asdict(self.config),
            "batch": self.batch,
            "threads": self.threads,
            "inputs": dict(self.inputs),
            "sunk": self.sunk,
            "versions": versions(),
        }
        write_text(run / "config.json", json.dumps(document, indent=2) + "\n")

    @classmethod
    def read(cls, run: Path) -> Record:
        """From the folder of a run.

        Raises:
            InputError: no run there, or its file is damaged.
        """
        path = run / "config.json"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            config = Config.from_json(document["config"])
            threads = int(document.get("threads", 1))
            return cls(config, int(document["batch"]), dict(document["inputs"]), threads, int(document["sunk"]))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise InputError(f"{run} holds no run: give the folder that 'bbdft optimize --out' wrote.") from error
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise InputError(f"{path} cannot be read ({error}): restore it, or start a new run.") from error
