"""Images in archives: read in place, alone or beside others, damaged ones refused."""

import io
import shutil
import tarfile
from pathlib import Path

import pytest

from blackbox_dft.data import load
from blackbox_dft.errors import InputError
from tests.helpers.published import (
    Case,
    check_refused,
    muct,
    muct_archives,
    overwrite,
    truncate,
)

MILBO = "www.milbo.org"


def copy_archive(folder: Path) -> None:
    shutil.copy(folder / "muct-a-jpg-v1.tar.gz", folder / "again.tgz")


def empty_archives(folder: Path) -> None:
    for archive in folder.glob("*.tar.gz"):
        tarfile.open(archive, "w:gz").close()


BROKEN: dict[str, Case] = {
    "cut": (muct_archives, "", truncate("muct-b-jpg-v1.tar.gz"), ["muct-b-jpg-v1.tar.gz is damaged", MILBO]),
    "empty": (muct_archives, "", overwrite("muct-b-jpg-v1.tar.gz", b"no archive"), ["is damaged or cut off", MILBO]),
    "of nothing": (muct_archives, "", empty_archives, ["holds no images such as i000qa-fn.jpg", MILBO]),
    "a folder": (muct_archives, "", lambda f: (f / "x.tar.gz").mkdir(), ["is a folder: name an archive"]),
    "twice": (muct_archives, "", copy_archive, ["both contain"]),
}  # fmt: skip


def test_one_archive_alone_and_archives_beside_their_images(tmp_path: Path) -> None:
    one = load(f"muct:{muct_archives(tmp_path) / 'muct-a-jpg-v1.tar.gz'}")
    assert {name[9] for name in one.files} == {"a"}
    both = load(f"muct:{muct(tmp_path)}")
    assert len(both.files) == 24
    assert any("archives lie beside" in note for note in both.notes)


def test_a_bad_member_of_an_archive_is_named_and_can_be_left_out(tmp_path: Path) -> None:
    folder = muct_archives(tmp_path)
    with tarfile.open(folder / "muct-c-jpg-v1.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("jpg/i020qc-fn.jpg")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"hello"))
    with pytest.raises(InputError, match=r"muct-c-jpg-v1.tar.gz: jpg/i020qc-fn.jpg is not an image"):
        load(f"muct:{folder}")
    assert load(f"muct:{folder}", skip_bad=True).skipped == ("jpg/i020qc-fn.jpg",)


@pytest.mark.parametrize("name", BROKEN)
def test_missing_and_malformed_parts_are_refused(name: str, tmp_path: Path) -> None:
    check_refused("muct", BROKEN[name], tmp_path / "set")
