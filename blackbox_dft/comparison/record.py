"""Record of a comparison, ``DIR/comparison.json``: what all its runs have in common, and digests of its inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from blackbox_dft._utils.files import write_text
from blackbox_dft.errors import InputError
from blackbox_dft.run.config import Config
from blackbox_dft.run.fingerprint import PREFIX, changed, fingerprint
from blackbox_dft.version import __version__

VARIES = ("space", "estimator", "reserve")
"""Fixed in a run, but not in a comparison: its runs differ in the first two, and do not depend on the last."""

OLD_PREFIX = "target "
"""Of the keys of a target's options in files of earlier versions."""


@dataclass(frozen=True)
class ComparisonRecord:
    """Options, batch and inputs of a comparison, and all budgets it was ever evaluated at."""

    settings: Mapping[str, Any]
    batch: int
    """Images in a request. The last bits of scores may depend on it, so a comparison keeps it."""
    inputs: Mapping[str, str]
    budgets: tuple[int, ...]

    def write(self, out: Path) -> None:
        """Writes the file into the folder ``out``."""
        write_text(out / "comparison.json", json.dumps({**asdict(self), "version": __version__}, indent=2) + "\n")

    @classmethod
    def read(cls, out: Path) -> ComparisonRecord | None:
        """Reads the file from the folder ``out``; None if there is no comparison yet.

        Raises:
            InputError: the file is damaged.
        """
        path = out / "comparison.json"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                {_key(key): value for key, value in document["settings"].items()},
                int(document["batch"]),
                dict(document["inputs"]),
                tuple(int(budget) for budget in document["budgets"]),
            )
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise InputError(f"{path} cannot be read ({error}): restore it, or take another --out.") from error

    def check(self, settings: Mapping[str, Any], out: Path) -> None:
        """Compares ``settings`` with those the comparison was started with.

        Raises:
            InputError: names the first option that differs.
        """
        if change := changed(self.settings, settings):
            what = f"{change.flag} {change.recorded}, not {change.current}"
            raise InputError(f"{out} was begun with {what}: give the same, or take another --out.")


def settings_of(config: Config) -> dict[str, Any]:
    """The options that must be the same in all runs of a comparison, ready for JSON."""
    return fingerprint(config, but=VARIES)


def _key(key: str) -> str:
    return PREFIX + key.removeprefix(OLD_PREFIX) if key.startswith(OLD_PREFIX) else key
