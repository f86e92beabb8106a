"""One run of a comparison, read off: ``DIR/runs/NAME.npz``, arrays that numpy alone can read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blackbox_dft._utils.files import write_atomically
from blackbox_dft._utils.types import Array, Floats, Ints

FORMAT = 1


@dataclass(frozen=True, eq=False)
class RunResult:
    """A run after each of L budgets, on the same N test images."""

    budgets: Ints
    """``(L,)``: tuning queries allowed."""
    spent: Ints
    """``(L,)``: tuning queries asked by then; whole proposals only."""
    val_images: Ints
    """``(L,)``: validation images that z was chosen on."""
    right: Array
    """``(L, N)`` bool: whether each test image is classified rightly under the z chosen."""
    z: Floats
    """``(L, k)``: the z chosen."""
    chosen: tuple[str, ...]
    """What it is: the last iterate, a mean, or the identity."""
    paid: int
    """Images the target was asked about by this run, those in doubt included where they count."""

    def save(self, path: Path) -> None:
        """Writes the file, whole or not at all."""
        arrays: dict[str, Any] = {
            "format": np.array(FORMAT),
            "budgets": self.budgets,
            "spent": self.spent,
            "val_images": self.val_images,
            "right": self.right,
            "z": self.z,
            "chosen": np.array(self.chosen),
            "paid": np.array(self.paid),
        }
        write_atomically(path, lambda file: np.savez_compressed(file, **arrays))

    @classmethod
    def load(cls, path: Path, budgets: Sequence[int]) -> RunResult | None:
        """What ``save`` wrote, cut to ``budgets``; nothing where it is not there, damaged, or lacks one of them.

        It can always be made again from the run's ledger.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                if int(file["format"]) != FORMAT:
                    return None
                known = file["budgets"].tolist()
                rows = [known.index(budget) for budget in budgets]
                return cls(
                    file["budgets"][rows],
                    file["spent"][rows],
                    file["val_images"][rows],
                    file["right"][rows].astype(bool),
                    file["z"][rows],
                    tuple(str(file["chosen"][row]) for row in rows),
                    int(file["paid"]),
                )
        except (OSError, ValueError, KeyError, EOFError, IndexError):
            return None
