"""Atomic file writes, and the location of the cache folder."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO

from blackbox_dft.errors import InputError


def write_atomically(path: str | Path, write: Callable[[IO[bytes]], object]) -> None:
    """Calls ``write`` with a new binary file in the folder of ``path``, then renames that file to ``path``.

    Readers see the old file or the new one, never a part of either. Any number of threads may write at once. The
    file's permissions are those that the process's umask gives to any new file.

    Raises:
        InputError: the folder cannot be written or the disk is full.
    """
    path = Path(path)
    temporary = path.parent / f".{path.name}.{secrets.token_urlsafe(6)}"
    try:
        # Mode "x" creates the file with 0o666, from which the kernel takes the umask: to read the umask one has to set
        # it, for all threads of the process.
        with temporary.open("x+b") as file:
            try:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        temporary.replace(path)
    except OSError as error:
        raise InputError(
            f"cannot write {path} ({error.strerror or error}): check the folder, its rights and the disk."
        ) from error


def write_text(path: str | Path, text: str) -> None:
    """Writes UTF-8 text atomically."""
    write_atomically(path, lambda file: file.write(text.encode()))


def cache_folder() -> Path:
    """The folder for data that can be computed again: ``$BBDFT_CACHE``, else ``$XDG_CACHE_HOME/blackbox-dft``.

    Raises:
        RuntimeError: there is none, because ``BBDFT_CACHE`` is ``none`` or the user has no home folder.
    """
    if folder := os.environ.get("BBDFT_CACHE"):
        if folder == "none":
            raise RuntimeError("caching is switched off by BBDFT_CACHE=none")
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "blackbox-dft"


def is_lfs_pointer(data: bytes) -> bool:
    """Whether the beginning of a file is that of a pointer of Git LFS, which stands for a file that was not fetched.

    >>> is_lfs_pointer(b"version https://git-lfs.github.com/spec/v1\\noid sha256:1f")
    True
    """
    return data.startswith(b"version https://git-lfs.github.com/")
