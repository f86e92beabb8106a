"""Sources: class folders, split folders, tables, paths and links."""

import os
import sys
from pathlib import Path

import pytest

from blackbox_dft.data import load
from blackbox_dft.errors import InputError
from blackbox_dft.images.files import list_images
from tests.helpers.datasets import LISTED, ROWS, SPLIT_ROWS, class_folders, table
from tests.helpers.images import COLORS, WHOLE, save


def test_folder_per_split_and_class(tmp_path: Path) -> None:
    data = load(class_folders(tmp_path, splits=("train", "valid", "test")))
    assert {split: len(indices) for split, indices in data.splits.items()} == {"train": 16, "val": 16, "test": 16}
    assert data.files[data.splits["val"][0]].startswith("valid/")


def test_folder_with_a_table(tmp_path: Path) -> None:
    class_folders(tmp_path / "images")
    rows = [f"images/cat/{i}.png,{i % 2}" for i in range(8)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows]))
    data = load(tmp_path, seed=1)
    assert data.classes == ("0", "1")
    assert len(data.labels) == 8


def test_an_empty_class_folder_is_named(tmp_path: Path) -> None:
    class_folders(tmp_path)
    (tmp_path / "horse").mkdir()
    with pytest.raises(InputError, match="horse holds no images"):
        load(tmp_path)
    with pytest.raises(InputError, match="no sub-folders"):
        load(tmp_path / "horse")


def test_split_names_have_aliases(tmp_path: Path) -> None:
    text = "\n".join(["file,label,split", *SPLIT_ROWS])
    for old, new in (("train", "Training"), ("val", "validation"), ("test", "TESTING")):
        text = text.replace(f",{old}", f",{new}")
    assert {name: len(found) for name, found in load(table(tmp_path, text)).splits.items()} == {
        "train": 6,
        "val": 4,
        "test": 6,
    }


def test_an_empty_split_column_counts_as_none(tmp_path: Path) -> None:
    data = load(table(tmp_path, "\n".join(["file,label,split", *(f"{row}," for row in ROWS)])))
    assert "splits drawn (seed 0)" in data.notes[0]


def test_invalid_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv does not exist: give --data"):
        load(tmp_path / "nowhere.csv")
    (tmp_path / "photo.csv").write_bytes(WHOLE["a.jpg"])
    with pytest.raises(InputError, match="is not text in UTF-8"):
        load(tmp_path / "photo.csv")
    with pytest.raises(InputError, match="is not a folder"):
        list_images(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"cannot be read|does not exist"):
        load(tmp_path / ("x" * 5000))


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read anything")
def test_unreadable_files_and_folders_are_named(tmp_path: Path) -> None:
    class_folders(tmp_path)
    (tmp_path / "cat/0.png").chmod(0)
    with pytest.raises(InputError, match=r"0\.png cannot be read .*check its rights"):
        load(tmp_path)
    (tmp_path / "cat").chmod(0)
    with pytest.raises(InputError, match=r"cat cannot be (listed|read) .*check its"):
        load(tmp_path)
    (tmp_path / "cat").chmod(0o700)


def test_paths_may_be_absolute_below_the_folder(tmp_path: Path) -> None:
    path = table(tmp_path, LISTED.replace("cat/0.png", f"{tmp_path.as_posix()}/cat/0.png"))
    assert load(path).files[0] == "cat/0.png"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_links_do_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    save(tmp_path / "secret.png", COLORS)
    class_folders(tmp_path / "data")
    link = tmp_path / "data/cat/link.png"
    link.symlink_to(tmp_path / "secret.png")
    (tmp_path / "data/t.csv").write_text(LISTED.replace("cat/0.png", "cat/link.png"))
    for source in ("data", "data/t.csv"):
        with pytest.raises(InputError, match=r"cat/link\.png lies outside"):
            load(tmp_path / source)
    link.unlink()
    link.symlink_to("1.png")
    with pytest.raises(InputError, match=r"cat/link\.png and cat/1\.png, one file, so it twice"):
        load(tmp_path / "data")
    link.unlink()
    link.symlink_to("link.png")
    with pytest.raises(InputError, match=r"link\.png"):
        load(tmp_path / "data")
    link.unlink()
    link.symlink_to("nowhere.png")
    with pytest.raises(InputError, match=r"link\.png does not exist"):
        load(tmp_path / "data")


def test_invalid_split_folders_are_refused(tmp_path: Path) -> None:
    class_folders(tmp_path, splits=("train", "val"))
    with pytest.raises(InputError, match="'test' has no image: add some, or put all class folders directly into"):
        load(tmp_path)
    class_folders(tmp_path, splits=("test",))
    save(tmp_path / "extra/cat/1.png", COLORS)
    with pytest.raises(InputError, match="holds 'extra' beside train and test"):
        load(tmp_path)


def test_files_that_are_not_images_are_noted(tmp_path: Path) -> None:
    class_folders(tmp_path)
    (tmp_path / "cat/9.psd").write_bytes(b"8BPS")
    (tmp_path / "dog/notes.txt").write_text("x")
    assert any("2 files without an image suffix" in note and "9.psd" in note for note in load(tmp_path).notes)
