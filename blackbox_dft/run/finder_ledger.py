"""Ledger of a finder without a run: what a service answered is not paid for again if the finder is interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from blackbox_dft._utils.files import cache_folder
from blackbox_dft._utils.hashing import digest
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.targets.base import Target

FOLDER = "find-input"
"""In the cache folder."""


@contextmanager
def finder_ledger(target: Target, data: str, budget: int) -> Iterator[Ledger | None]:
    """A ledger in the cache folder for a URL, removed once the finder is done; None for models on this machine.

    The same target, data and budget find it again after an interruption. Without a cache folder it is in memory.
    """
    if "://" not in target.name:
        yield None
        return
    name = digest(target.fingerprint, str(Path(data).resolve()), str(budget)).hex()
    try:
        path = cache_folder() / FOLDER / f"{name}.sqlite"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except (RuntimeError, OSError):
        path = Path(":memory:")
    with Ledger(path, budget=budget, durable=path.name != ":memory:") as ledger:
        yield ledger
    # Not reached by an error: what was paid for stays.
    for rest in path.parent.glob(f"{name}.sqlite*"):
        rest.unlink(missing_ok=True)
