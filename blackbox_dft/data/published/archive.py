"""Images in ``.tar.gz`` archives, read where they are: unpacked once to a nameless temporary file, then in any order.

A compressed archive can only be read from its start, and images are decoded side by side.
"""

from __future__ import annotations

import gzip
import mmap
import tarfile
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from blackbox_dft.errors import InputError
from blackbox_dft.images.files import LONGEST, SUFFIXES, ByteSource

CHUNK = 2**20


@dataclass(frozen=True, eq=False)
class Member:
    """One file of an archive."""

    archive: Path
    name: str
    contents: mmap.mmap
    """Those of all members, one after the other."""
    start: int
    length: int

    @property
    def suffix(self) -> str:
        """How its name ends, with the dot."""
        return Path(self.name).suffix

    def read_bytes(self) -> bytes:
        """All of it."""
        return self.contents[self.start : self.start + self.length]

    def __str__(self) -> str:
        return f"{self.archive}: {self.name}"


def unpack(archives: Sequence[Path], where: str) -> dict[str, ByteSource]:
    """The image files in ``archives``, by name, in their order; ``where`` they are published.

    They take room in ``TMPDIR`` as long as the result is in use.

    Raises:
        InputError: a damaged archive, a name that is in it twice, or no room.
    """
    places: dict[str, tuple[Path, int, int]] = {}
    try:
        with tempfile.TemporaryFile(prefix="bbdft-") as file:
            for archive in archives:
                for name, start, length in _copy(archive, file, where):
                    if name in places:
                        raise InputError(f"{archive} and {places[name][0]} both hold {name}: move one of them away.")
                    places[name] = archive, start, length
            if not places:
                return {}
            file.flush()
            contents = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise InputError(
            f"no room to unpack {archives[0]} in {tempfile.gettempdir()} ({error.strerror or error}): "
            "set TMPDIR to a folder with more."
        ) from error
    return {name: Member(archive, name, contents, *place) for name, (archive, *place) in places.items()}


def _copy(archive: Path, out: IO[bytes], where: str) -> list[tuple[str, int, int]]:
    """Appends the images of ``archive`` to ``out``; the name, start and length of each."""
    found = []
    try:
        with gzip.open(archive) as stream:
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                for info in tar:
                    name = info.name.removeprefix("./")
                    if not info.isfile() or Path(name).suffix.lower() not in SUFFIXES or Path(name).name[0] == ".":
                        continue
                    body = tar.extractfile(info)
                    assert body
                    if info.size > LONGEST:
                        raise InputError(f"{archive}: {name} is {info.size:,} bytes long, more than {LONGEST:,}.")
                    start = out.tell()
                    while part := body.read(CHUNK):
                        out.write(part)
                    found.append((name, start, info.size))
            # Only at the end is the check sum met.
            while stream.read(CHUNK):
                pass
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{archive} is damaged or cut off ({error}): take it again from {where}.") from error
    except IsADirectoryError as error:
        raise InputError(f"{archive} is a folder: name an archive, or the folder it lies in.") from error
    return found
