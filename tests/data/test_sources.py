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


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("a.PNG", "is an image: give the CSV"),
        ("a.csv.gz", "is an archive: unpack it"),
        ("a.xlsx", "save it as CSV"),
        ("a.jsonl", "no table"),
    ],
)
def test_files_of_other_kinds_are_named(name: str, mend: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=mend):
        load(tmp_path / name)


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


@pytest.mark.parametrize("above", ["", "project", "work/project"])
def test_paths_may_lead_from_a_folder_above_the_table(above: str, tmp_path: Path) -> None:
    folder = tmp_path / "work/project/data"
    class_folders(folder)
    lead = {"": "work/project/data", "project": "project/data", "work/project": "data"}[above]
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    rows = "".join(f"{lead}/{file},{file.split('/')[0]}\n" for file in files)
    (folder / "t.csv").write_text(f"file,label\n{rows}")
    data = load(folder / "t.csv", splits=False, allow_outside=False)
    assert list(data.files) == files
    assert any("their paths lead from" in note for note in data.notes)


def test_urls_in_a_table_are_no_files(tmp_path: Path) -> None:
    path = table(tmp_path, "file,label\nhttps://example.com/0.png,cat\n")
    with pytest.raises(InputError, match=r"line 2: https://example\.com/0\.png is a URL: download the images"):
        load(path)


def test_a_table_without_labels_lists_its_columns(tmp_path: Path) -> None:
    path = table(tmp_path, "img,y\ncat/0.png,cat\n")
    with pytest.raises(InputError, match="name the column that holds the labels, --label one of img, y"):
        load(path)


def test_files_may_lie_outside_the_folder_unless_they_would_be_sent_away(tmp_path: Path) -> None:
    save(tmp_path / "elsewhere.png", COLORS)
    path = table(tmp_path / "data", LISTED.replace("cat/0.png", "../elsewhere.png"))
    assert load(path).files[0] == "../elsewhere.png"
    with pytest.raises(InputError, match=r"\.\./elsewhere\.png lies outside .*sent away: give --allow-outside"):
        load(path, allow_outside=False)
    path.write_text(LISTED.replace("cat/0.png", f"{tmp_path.as_posix()}/elsewhere.png"))
    assert load(path).images.shape == (16, 6, 5, 3)
    with pytest.raises(InputError, match=r"elsewhere\.png lies outside"):
        load(path, allow_outside=False)
    assert len(load(table(tmp_path / "inside", LISTED), allow_outside=False).labels) == 16


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_links_are_followed(tmp_path: Path) -> None:
    # As the caches of Hugging Face and DVC: a file of the data folder is a link to one named by its contents.
    class_folders(tmp_path / "store")
    for number, name in enumerate(("cat", "dog")):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(7):
            (tmp_path / "data" / name / f"{i}.png").symlink_to(tmp_path / f"store/{name}/{i}.png")
        (tmp_path / "blobs").mkdir(exist_ok=True)
        (tmp_path / f"store/{name}/7.png").rename(tmp_path / f"blobs/{number}")
        (tmp_path / "data" / name / "7.png").symlink_to(f"../../blobs/{number}")
    (tmp_path / "linked").symlink_to("data")
    (tmp_path / "folders").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "folders" / name).symlink_to(tmp_path / "data" / name)
    (tmp_path / "deeper/cat").mkdir(parents=True)
    (tmp_path / "deeper/cat/some").symlink_to(tmp_path / "data/cat")
    (tmp_path / "deeper/dog").symlink_to(tmp_path / "data/dog")
    # Leads back; it is not followed for ever.
    (tmp_path / "data/cat/up").symlink_to("..")
    (tmp_path / "data/t.csv").write_text(LISTED)
    for source in ("data/t.csv", "linked/t.csv"):
        assert len(load(tmp_path / source).labels) == 16
    (tmp_path / "data/t.csv").unlink()
    for source in ("data", "linked", "folders", "deeper"):
        assert len(load(tmp_path / source).labels) == 16
        with pytest.raises(InputError, match=r"\.png lies outside .*: give --allow-outside"):
            load(tmp_path / source, allow_outside=False)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_links_to_the_same_file_and_to_nothing(tmp_path: Path) -> None:
    class_folders(tmp_path / "data")
    link = tmp_path / "data/cat/link.png"
    link.symlink_to("1.png")
    assert "1 files are links to a file that is listed too: cat/link.png" in load(tmp_path / "data").notes
    link.unlink()
    link.symlink_to("../dog/1.png")
    with pytest.raises(InputError, match=r"dog/1\.png and cat/link\.png, one file, so it twice with different labels"):
        load(tmp_path / "data")
    link.unlink()
    link.symlink_to("link.png")
    with pytest.raises(InputError, match=r"link\.png"):
        load(tmp_path / "data")
    link.unlink()
    link.symlink_to("nowhere.png")
    with pytest.raises(InputError, match=r"link\.png does not exist"):
        load(tmp_path / "data")
    link.unlink()
    (tmp_path / "data/cat/up").symlink_to("..")
    assert len(load(tmp_path / "data").labels) == 16


@pytest.mark.parametrize("name", ["@eaDir", "__MACOSX", ".cache", "#recycle", "$RECYCLE.BIN"])
def test_folders_of_the_system_are_left_out(name: str, tmp_path: Path) -> None:
    class_folders(tmp_path)
    for place in ("", "cat/"):
        save(tmp_path / place / name / "0.png/SYNOPHOTO_THUMB_M.jpg", COLORS)
        save(tmp_path / place / name / "cat/._0.png", COLORS)
    data = load(tmp_path)
    assert len(data.labels) == 16
    assert len(list_images(tmp_path)) == 16


@pytest.mark.parametrize("mark", ["ledger.sqlite", "comparison.json"])
def test_a_run_inside_the_data_is_no_class(mark: str, tmp_path: Path) -> None:
    class_folders(tmp_path)
    for place in ("run", "cat/run", "dog/deeper/run"):
        save(tmp_path / place / "contact.png", COLORS)
        (tmp_path / place / mark).touch()
    data = load(tmp_path)
    assert data.classes == ("cat", "dog")
    assert len(data.labels) == 16
    assert len(load(class_folders(tmp_path / "whole", splits=("train", "val", "test"))).labels) == 48


@pytest.mark.parametrize("around", ["images", "archive/images", "train"])
def test_a_folder_around_all_class_folders(around: str, tmp_path: Path) -> None:
    class_folders(tmp_path / around)
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "readme.txt").write_text("x")
    data = load(tmp_path)
    assert data.classes == ("cat", "dog")
    assert "splits drawn" in data.notes[0]
    whole = load(class_folders(tmp_path / "whole/all", splits=("train", "val", "test")).parent)
    assert [len(indices) for indices in whole.splits.values()] == [16, 16, 16]
    # A table in there, too.
    class_folders(tmp_path / "table/inner/images")
    (tmp_path / "table/inner/labels.csv").write_text(
        LISTED.replace("cat/", "images/cat/").replace("dog/", "images/dog/")
    )
    assert load(tmp_path / "table").classes == ("cat", "dog")


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")
def test_names_that_are_not_text(tmp_path: Path) -> None:
    class_folders(tmp_path)
    strange = os.fsdecode(b"cat/caf\xe9.png")
    (tmp_path / "cat/0.png").rename(tmp_path / strange)
    assert load(tmp_path).files[-9] == strange
    (tmp_path / "cat").rename(tmp_path / os.fsdecode(b"caf\xe9"))
    with pytest.raises(InputError, match=r"the label b'caf\\xe9' is not UTF-8: rename its folder"):
        load(tmp_path)


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
