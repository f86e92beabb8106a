"""Result of one run of a comparison: ``DIR/runs/NAME.npz``, readable by numpy alone."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from blackbox_dft._utils.files import write_atomically
from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.comparison.judged import Judged

FORMAT = 1


@dataclass(frozen=True, eq=False)
class RunResult:
    """A run at each of L budgets, on the same N test images."""

    budgets: Ints
    """``(L,)``: tuning queries allowed."""
    spent: Ints
    """``(L,)``: tuning queries spent, of whole proposals only."""
    val_images: Ints
    """``(L,)``: validation images of the choice of z."""
    judged: Judged
    """``(L, N)``: how each test image is decided under the chosen z."""
    z: Floats
    """``(L, k)``: the chosen z."""
    chosen: tuple[str, ...]
    """The kind of the chosen z: the last iterate, a mean, or the identity."""
    paid: int
    """Images scored by this run, those in doubt included if they count."""

    def save(self, path: Path) -> None:
        """Writes the file, whole or not at all.

        Raises:
            InputError: the folder cannot be written or the disk is full.
        """
        arrays: dict[str, Any] = {
            "format": np.array(FORMAT),
            "budgets": self.budgets,
            "spent": self.spent,
            "val_images": self.val_images,
            "right": self.judged.right,
            "z": self.z,
            "chosen": np.array(self.chosen),
            "paid": np.array(self.paid),
        }
        if not np.array_equal(self.judged.measured, self.judged.right):
            # By accuracy it is known from what is right.
            arrays["measured"] = self.judged.measured
            if self.judged.averaged is not None:
                arrays["averaged"] = self.judged.averaged
        write_atomically(path, lambda file: np.savez_compressed(file, **arrays))

    @classmethod
    def load(cls, path: Path, budgets: Sequence[int]) -> RunResult | None:
        """Reads the rows of ``budgets``; None if the file is missing or damaged, or lacks one of them.

        The result can always be computed again from the run's ledger.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                if int(file["format"]) != FORMAT:
                    return None
                known = file["budgets"].tolist()
                rows = [known.index(budget) for budget in budgets]
                judged = Judged.by_accuracy(file["right"].astype(bool))
                if "measured" in file:
                    averaged = file.get("averaged")
                    judged = Judged(judged.right, file["measured"], averaged)
                return cls(
                    file["budgets"][rows],
                    file["spent"][rows],
                    file["val_images"][rows],
                    judged[rows],
                    file["z"][rows],
                    tuple(str(file["chosen"][row]) for row in rows),
                    int(file["paid"]),
                )
        except (OSError, ValueError, KeyError, EOFError, IndexError, BadZipFile, zlib.error):
            return None
