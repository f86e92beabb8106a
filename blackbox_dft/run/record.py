"""Record of a run, ``RUN/config.json``: its configuration, digests of what it read, and versions."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from blackbox_dft._utils.files import write_text
from blackbox_dft.errors import InputError
from blackbox_dft.run.config import Config
from blackbox_dft.run.paths import record_paths, restore_paths
from blackbox_dft.targets.base import Target
from blackbox_dft.version import __version__


def with_cluster(config: Config, cluster: str | None, workers: int | None) -> Config:
    """``config`` with its target on another cluster and with another number of workers; None keeps what it has.

    ``cluster`` is an address, ``local``, or ``none`` or empty for this process. Scores do not depend on either.

    >>> moved = with_cluster(Config("model.onnx", "labels.csv"), "local", 4).target_options
    >>> moved.cluster, moved.workers
    ('local', 4)
    """
    options = config.target_options
    if cluster is not None:
        options = replace(options, cluster="" if cluster == "none" else cluster)
    if workers is not None:
        options = replace(options, workers=workers)
    return replace(config, target_options=options)


def versions() -> dict[str, str]:
    """Versions of what computes a run's proposals and changes its images."""
    import cv2

    return {
        "blackbox-dft": __version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "python": platform.python_version(),
    }


@dataclass(frozen=True)
class RunRecord:
    """``RUN/config.json``: what a run was started with.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as run:
    ...     RunRecord(Config("model.onnx", "labels.csv"), batch=16, inputs={}).write(Path(run))
    ...     RunRecord.read(Path(run)).batch
    16
    """

    config: Config
    batch: int
    """Images in a request. The last bits of scores may depend on it, so a run keeps it."""
    inputs: Mapping[str, str]
    """Digests of images, labels, splits and target, by name."""
    threads: int = 1
    """Threads of each call of a model on this machine's CPU."""
    spent_earlier: int = 0
    """Queries that choice and evaluation under an earlier, smaller budget used and that cannot be used again."""
    found_input: Mapping[str, Any] | None = None
    """What ``--find-input`` found; None if it was not given, or is not finished. The configuration holds it too."""
    counts_in_doubt: bool | None = None
    """What ``--in-doubt`` came to, as the plan follows from it: a price that is given later does not change it."""
    widened_intervals: bool = True
    """Whether intervals of accuracy are wider where few images change. Those of earlier versions were not, and a result
    that stands keeps its verdict."""

    def change_of(self, target: Target) -> str:
        """Says so if ``target`` is not the one that the run was started with; else empty."""
        recorded = self.inputs.get("target")
        if not recorded or recorded == target.fingerprint:
            return ""
        return f"{target.name} is another file, or describes itself otherwise, than at the run"

    def write(self, run: Path) -> None:
        """Writes the file into the folder ``run``."""
        document = {
            "config": self.config.to_json(),
            "batch": self.batch,
            "threads": self.threads,
            "inputs": dict(self.inputs),
            "sunk": self.spent_earlier,
            "versions": versions(),
            **({"found_input": dict(self.found_input)} if self.found_input else {}),
            **({} if self.counts_in_doubt is None else {"counts_in_doubt": self.counts_in_doubt}),
            "widened_intervals": self.widened_intervals,
            "paths": record_paths(self.config, run),
        }
        write_text(run / "config.json", json.dumps(document, indent=2) + "\n")

    @classmethod
    def read(cls, run: Path) -> RunRecord:
        """Reads the file in the folder ``run``; its paths lead to what was recorded, wherever the run lies now.

        Raises:
            InputError: no run there, or its file is damaged.
        """
        path = run / "config.json"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            config = restore_paths(Config.from_json(document["config"]), document.get("paths", {}), run)
            threads = int(document.get("threads", 1))
            found, counts = document.get("found_input"), document.get("counts_in_doubt")
            if counts is None and config.in_doubt == "auto":
                # Earlier versions did not take a price for a sign that a query is paid for.
                counts = "://" in config.target
            inputs, spent = dict(document["inputs"]), int(document["sunk"])
            widened = bool(document.get("widened_intervals", False))
            return cls(config, int(document["batch"]), inputs, threads, spent, found, counts, widened)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise InputError(f"{run} holds no run: give the folder that 'bbdft optimize --out' wrote.") from error
        except (ValueError, KeyError, TypeError, AttributeError, OSError, InputError) as error:
            what = str(error).rstrip(".")
            raise InputError(f"{path} cannot be read ({what}): restore it, or start a new run.") from error
