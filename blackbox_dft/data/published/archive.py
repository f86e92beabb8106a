"""Images in ``.tar.gz`` archives, unpacked to one unlinked temporary file.

A compressed archive can only be read from its start, but images are decoded in parallel and in any order.
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

from typing_extensions import override

from blackbox_dft.errors import InputError
from blackbox_dft.images.files import MAX_FILE_BYTES, SUFFIXES, ByteSource

CHUNK_BYTES = 2**20


@dataclass(frozen=True, eq=False)
class Member(ByteSource):
    """One image file of an archive."""

    archive: Path
    name: str
    contents: mmap.mmap
    """The contents of all members, one after the other."""
    start: int
    length: int

    @property
    @override
    def suffix(self) -> str:
        return Path(self.name).suffix

    @override
    def read_bytes(self) -> bytes:
        return self.contents[self.start : self.start + self.length]

    def __str__(self) -> str:
        return f"{self.archive}: {self.name}"


def unpack(archives: Sequence[Path], address: str) -> dict[str, ByteSource]:
    """The image files of all ``archives`` by name, in order; ``address`` is where the archives are published.

    They take space in ``TMPDIR`` as long as the result is in use.

    Raises:
        InputError: a damaged archive, a name that occurs twice, or a full disk.
    """
    positions: dict[str, tuple[Path, int, int]] = {}
    try:
        with tempfile.TemporaryFile(prefix="bbdft-") as file:
            for archive in archives:
                for name, start, length in _copy(archive, file, address):
                    if name in positions:
                        raise InputError(
                            f"{archive} and {positions[name][0]} both contain {name}: move one of them away."
                        )
                    positions[name] = archive, start, length
            if not positions:
                return {}
            file.flush()
            contents = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise InputError(
            f"no space to unpack {archives[0]} in {tempfile.gettempdir()} ({error.strerror or error}): "
            "set TMPDIR to a folder with more space."
        ) from error
    return {name: Member(archive, name, contents, *position) for name, (archive, *position) in positions.items()}


def _copy(archive: Path, out: IO[bytes], address: str) -> list[tuple[str, int, int]]:
    """Appends the images of ``archive`` to ``out``; returns the name, start and length of each."""
    copied = []
    try:
        with gzip.open(archive) as stream:
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                for info in tar:
                    name = info.name.removeprefix("./")
                    if not info.isfile() or Path(name).suffix.lower() not in SUFFIXES or Path(name).name[0] == ".":
                        continue
                    body = tar.extractfile(info)
                    assert body
                    if info.size > MAX_FILE_BYTES:
                        raise InputError(
                            f"{archive}: {name} is {info.size:,} bytes long, more than {MAX_FILE_BYTES:,}."
                        )
                    start = out.tell()
                    while part := body.read(CHUNK_BYTES):
                        out.write(part)
                    copied.append((name, start, info.size))
            # gzip verifies its checksum at the end of the stream.
            while stream.read(CHUNK_BYTES):
                pass
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{archive} is damaged or cut off ({error}): download it again from {address}.") from error
    except IsADirectoryError as error:
        raise InputError(f"{archive} is a folder: name an archive, or the folder that contains it.") from error
    return copied
