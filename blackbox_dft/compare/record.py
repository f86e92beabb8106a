"""The settings and inputs that all runs of a comparison share: ``DIR/comparison.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from blackbox_dft._utils.files import write_text
from blackbox_dft.errors import InputError
from blackbox_dft.run.config import Config
from blackbox_dft.version import __version__

VARIES = ("space", "estimator", "budget", "reserve", "in_doubt", "accept_drift", "target", "data")
"""Settings that differ between the runs of a comparison or change no score; inputs replace ``target`` and ``data``."""
TARGET_VARIES = ("workers", "cluster", "rate", "timeout", "patience", "headers", "insecure", "batch")


@dataclass(frozen=True)
class ComparisonRecord:
    """Settings, batch and inputs of a comparison, and all budgets it was ever measured at."""

    settings: Mapping[str, Any]
    batch: int
    """Images a request, the same for ever, as scores may depend on it in the last bit."""
    inputs: Mapping[str, str]
    budgets: tuple[int, ...]

    def write(self, out: Path) -> None:
        """Writes ``comparison.json`` in the folder ``out``."""
        write_text(out / "comparison.json", json.dumps({**asdict(self), "version": __version__}, indent=2) + "\n")

    @classmethod
    def read(cls, out: Path) -> ComparisonRecord | None:
        """Reads ``comparison.json`` in the folder ``out``; None if there is none.

        Raises:
            InputError: the file is damaged.
        """
        path = out / "comparison.json"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                dict(document["settings"]),
                int(document["batch"]),
                dict(document["inputs"]),
                tuple(int(budget) for budget in document["budgets"]),
            )
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise InputError(f"{path} cannot be read ({error}): restore it, or take another --out.") from error

    def check(self, settings: Mapping[str, Any], out: Path) -> None:
        """Compares ``settings`` with those of the first call.

        Raises:
            InputError: one differs; the message names the first.
        """
        for name in sorted({*self.settings, *settings}):
            was, now = self.settings.get(name), settings.get(name)
            if was != now:
                what = f"{name.replace('_', ' ')} {was}, not {now}"
                raise InputError(f"{out} was begun with {what}: give the same, or take another --out.")


def settings_of(config: Config) -> dict[str, Any]:
    """The settings in ``config`` that must be the same in all runs of a comparison, as JSON values."""
    values = {name: value for name, value in asdict(config).items() if name not in VARIES}
    target = values.pop("target_options")
    values |= {f"target {name}": value for name, value in target.items() if name not in TARGET_VARIES}
    # Tuples become lists, as in the file.
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain
