"""Which images the sources of a prediction are, and what they are called."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from blackbox_dft import InputError
from blackbox_dft.deploy.image_list import list_inputs


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: in/a.png, in/more/b.png, c.png, and tables of them."""
    (tmp_path / "in/more").mkdir(parents=True)
    for name in ("in/a.png", "in/more/b.png", "c.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "in/notes.txt").write_text("no image")
    (tmp_path / "in/table.csv").write_text("file,label\na.png,x\nmore\\b.png,y\ngone.png,z\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*sources: str | Path, lines: tuple[str, ...] = (), allow_outside: bool = True) -> list[str]:
    return [image.name for image in list_inputs(sources, lines, allow_outside=allow_outside)]


def test_files_folders_tables_and_lists(here: Path) -> None:
    assert names("in") == ["in/a.png", "in/more/b.png"]
    assert names("c.png", "in", "c.png", Path("in/a.png")) == ["c.png", "in/a.png", "in/more/b.png"]
    found = list_inputs(["in/table.csv"])
    assert [image.name for image in found] == ["a.png", "more\\b.png", "gone.png"]
    # A table may name what is gone: that image alone is lost.
    assert [image.path.exists() for image in found] == [True, True, False]
    assert names("-", "c.png", lines=("in/a.png\n", "\n", " gone.png \n")) == ["in/a.png", "gone.png", "c.png"]


def test_what_cannot_be_meant_is_refused(here: Path) -> None:
    with pytest.raises(InputError, match=r"typo\.png does not exist: give images, folders of images, or a CSV"):
        names("typo.png")
    (here / "empty").mkdir()
    with pytest.raises(InputError, match="empty contains no images"):
        names("empty")
    with pytest.raises(InputError, match="standard input lists no files"):
        names("-", lines=("\n",))
    (here / "a.png").write_bytes((here / "c.png").read_bytes())
    with pytest.raises(InputError, match=r"a\.png and in/a\.png would both be called a\.png"):
        names("a.png", "in/table.csv")
    (here / "in/table.csv").write_text("file,label\na.png,x\n,y\n")
    with pytest.raises(InputError, match="line 3: the file is missing"):
        names("in/table.csv")


def test_nothing_outside_a_source_is_sent_away_unasked(here: Path) -> None:
    (here / "in/link.png").symlink_to(here / "c.png")
    assert "in/link.png" in names("in")
    with pytest.raises(InputError, match=r"in/link\.png lies outside in and would be sent away: give --allow-outside"):
        names("in", allow_outside=False)
    (here / "in/table.csv").write_text("file\na.png\n../c.png\n")
    with pytest.raises(InputError, match=r"\.\./c\.png lies outside in"):
        names("in/table.csv", allow_outside=False)
    # What is named itself is meant.
    assert names("in/link.png", "-", lines=("c.png",), allow_outside=False) == ["in/link.png", "c.png"]
