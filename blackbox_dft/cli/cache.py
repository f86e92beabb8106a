"""``bbdft cache``: what is kept between runs, and how to be rid of it."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from blackbox_dft.cli.command import Command
from blackbox_dft.cli.streams import json_option, print_json
from blackbox_dft.errors import InputError

FIND_INPUT = "find-input"
KINDS = {
    "images": "decoded images",
    "call-plans": "how models are called fastest",
    "speeds": "images a second of targets",
    FIND_INPUT: "paid scores of an interrupted --find-input",
}
"""What the folders of the cache hold."""
DAY = 86_400


@dataclass(frozen=True)
class Entry:
    """A file or folder of the cache that stands for itself."""

    kind: str
    """Its folder in the cache."""
    name: str
    bytes: int
    """On the disk."""
    days: float
    """Since it was last used."""


@click.command(
    cls=Command,
    short_help="List what the cache holds, or delete it.",
    examples=("bbdft cache ls", "bbdft cache prune --older-than 30"),
)
@click.argument("action", metavar="ls|prune", type=click.Choice(["ls", "prune"]))
@click.option("--older-than", type=click.FloatRange(0), metavar="DAYS", help="Only what was not used for so long.")
@click.option("--paid", is_flag=True, help="With prune: also scores that were paid for and wait for their command.")
@json_option("Print JSON, and nothing else, on stdout.")
def cache(action: str, older_than: float | None, paid: bool, as_json: bool) -> None:
    """List what the cache holds (ls), or delete it (prune). All of it can be made again.

    The folder is $BBDFT_CACHE, else blackbox-dft in $XDG_CACHE_HOME or ~/.cache. Runs are not in it.
    """
    from blackbox_dft._utils.files import cache_folder

    try:
        folder = cache_folder()
    except RuntimeError as error:
        raise InputError(f"there is no cache: {error}.") from error
    found = [entry for entry in _entries(folder) if older_than is None or entry.days >= older_than]
    if action == "prune":
        found = [entry for entry in found if paid or entry.kind != FIND_INPUT]
        found = [entry for entry in found if _delete(folder / entry.kind / entry.name)]
    if as_json:
        print_json({"folder": str(folder), "action": action, "entries": [asdict(entry) for entry in found]})
        return
    click.echo(f"{folder}{'' if action == 'ls' else ': deleted'}")
    for kind, about in KINDS.items():
        own = [entry for entry in found if entry.kind == kind]
        used = f", last used {min(entry.days for entry in own):.0f} days ago" if own else ""
        size = sum(entry.bytes for entry in own) / 1e6
        click.echo(f"  {kind:<10}  {len(own):>6,} entries  {size:>9,.1f} MB  {about}{used if action == 'ls' else ''}")


def _entries(folder: Path) -> list[Entry]:
    found = []
    for kind in KINDS:
        with suppress(OSError):
            found += [entry for path in sorted((folder / kind).iterdir()) if (entry := _entry(kind, path))]
    return found


def _entry(kind: str, path: Path) -> Entry | None:
    # Another process may delete it meanwhile, and is writing it under such a name.
    if path.name.startswith("."):
        return None
    with suppress(OSError):
        files = list(path.iterdir()) if path.is_dir() else [path]
        size = sum(os.lstat(file).st_size for file in files)
        return Entry(kind, path.name, size, max(0.0, (time.time() - path.lstat().st_mtime) / DAY))
    return None


def _delete(path: Path) -> bool:
    """Deletes an entry; a run that has it mapped keeps its images."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
        return True
    return False
