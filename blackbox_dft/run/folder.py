"""Folder of a run: whether a new run may be written to it, and which of its files a new one replaces."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from blackbox_dft.errors import InputError
from blackbox_dft.run.record import RunRecord
from blackbox_dft.scoring.ledger import LEDGER, count_queries

FILES = (
    "config.json", "tuning.npz", "summary.json", "answers.npz", "parts.json", "report.html", "report.txt",
    "contact.png", "curve.png",
)  # fmt: skip
"""Files of a run beside its ledgers."""
LEDGERS = (LEDGER, "evaluations.sqlite", "evaluations.fresh.sqlite")


def check_free(out: Path, *, overwrite: bool = False) -> None:
    """Whether a new run may be written to ``out``: no folder, an empty one, or one of a run without a single score.

    With ``overwrite``, also one of any other run; files that are not of a run stay.

    Raises:
        InputError: it holds another run or other files, or is in use.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: take another --out.")
    # A process killed while it wrote its first file may leave a temporary one behind.
    if not out.exists() or all(path.name.startswith(".config.json.") for path in out.iterdir()):
        return
    config, ledger = (out / "config.json").exists(), (out / LEDGER).exists()
    if not config and not ledger:
        raise InputError(f"{out} is not empty: take another --out.")
    # Files of these names may be of another program.
    known = _holds_record(out)
    queries = count_queries(out / LEDGER) if ledger else None
    unanswered = queries is not None and queries[1] == 0
    if (known or not config) and (unanswered or not ledger):
        return
    if not known and queries is None:
        raise InputError(f"{out} already holds a run, or files of its names, that cannot be read: take another --out.")
    if not overwrite:
        how = f"continue it with 'bbdft resume {out}', take another --out, or replace it with --overwrite"
        raise InputError(f"{out} already holds a run: {how}.")


def clear(out: Path) -> None:
    """Removes the files of a run from ``out``, and the folder if nothing else is in it."""
    for name in FILES:
        (out / name).unlink(missing_ok=True)
    for ledger in LEDGERS:
        for ending in ("", "-wal", "-shm"):
            (out / f"{ledger}{ending}").unlink(missing_ok=True)
    with suppress(OSError):
        out.rmdir()


def clear_if_unsent(out: Path) -> None:
    """Removes a run that was refused before its first query."""
    with suppress(InputError, OSError):
        if not (out / LEDGER).exists() or count_queries(out / LEDGER) == (0, 0):
            clear(out)


def _holds_record(out: Path) -> bool:
    try:
        RunRecord.read(out)
    except InputError:
        return False
    return True
