"""Atomic writes: whole or not at all, with the permissions of the umask, from many threads at once."""

import os
import stat
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import pytest

from blackbox_dft._utils.files import cache_folder, write_atomically, write_text
from blackbox_dft.errors import InputError


@pytest.fixture
def umask() -> Iterator[int]:
    """An umask that lets the group read and others do nothing: new files get 0o640."""
    before = os.umask(0o027)
    yield 0o027
    os.umask(before)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")
def test_many_threads_write_files_with_the_permissions_of_the_umask(
    umask: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(mask: int) -> int:
        raise AssertionError("the umask belongs to the whole process: no thread may change it")

    interval = sys.getswitchinterval()
    with monkeypatch.context() as patch:
        patch.setattr(os, "umask", forbidden)
        sys.setswitchinterval(1e-5)
        try:
            with ThreadPoolExecutor(16) as threads:
                list(threads.map(lambda number: write_text(tmp_path / f"{number % 300}.txt", str(number)), range(600)))
        finally:
            sys.setswitchinterval(interval)
    files = list(tmp_path.iterdir())
    assert sorted(path.name for path in files) == sorted(f"{number}.txt" for number in range(300))
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o666 & ~umask}
    assert all(int(path.read_text()) % 300 == int(path.stem) for path in files)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "old")

    def fail(file: IO[bytes]) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, fail)
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("file", "old")]
    write_text(path, "new ä")
    assert path.read_bytes() == "new ä".encode()


def test_a_folder_that_does_not_exist_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .*: check the folder, its rights and the disk"):
        write_text(tmp_path / "nowhere/file", "")


def test_the_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BBDFT_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv("BBDFT_CACHE", "none")
    with pytest.raises(RuntimeError, match="BBDFT_CACHE=none"):
        cache_folder()
    monkeypatch.delenv("BBDFT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "blackbox-dft"
