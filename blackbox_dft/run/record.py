"""What a run was begun with, and the file that keeps it: ``RUN/config.json``."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from blackbox_dft._utils.files import write_text
from blackbox_dft.errors import InputError
from blackbox_dft.run.config import Config
from blackbox_dft.version import __version__

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
class RunRecord:
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
    def read(cls, run: Path) -> RunRecord:
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
