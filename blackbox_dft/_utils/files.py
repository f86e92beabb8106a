"""Writing files so that a reader never sees half of one, and where what can be made again is kept."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from blackbox_dft.errors import InputError


def write_atomically(path: str | Path, write: Callable[[IO[bytes]], object]) -> None:
    """Calls ``write`` with a new file beside ``path`` and moves it there once it is whole.

    Raises:
        InputError: the folder cannot be written or the disk is full.
    """
    path = Path(path)
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        # Temporary files are private by default; results are as public as the user's umask says.
        umask = os.umask(0)
        os.umask(umask)
        Path(file.name).chmod(0o666 & ~umask)
        Path(file.name).replace(path)
    except OSError as error:
        raise InputError(
            f"cannot write {path} ({error.strerror or error}): check the folder, its rights and the disk."
        ) from error


def write_text(path: str | Path, text: str) -> None:
    """Writes UTF-8 text atomically."""
    write_atomically(path, lambda file: file.write(text.encode()))


def cache_folder() -> Path:
    """Where what can be made again is kept.

    Raises:
        RuntimeError: nowhere, as ``BBDFT_CACHE=none`` says, or as there is no home.
    """
    if told := os.environ.get("BBDFT_CACHE"):
        if told == "none":
            raise RuntimeError("nothing is to be kept")
        return Path(told)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "blackbox-dft"
