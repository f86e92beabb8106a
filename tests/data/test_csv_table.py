"""Tables in every usual form, and what is wrong with invalid ones."""

import itertools
from pathlib import Path

import pytest

from blackbox_dft.data import load
from blackbox_dft.errors import InputError
from tests.helpers.datasets import LISTED, ROWS, SPLIT, SPLIT_ROWS, class_folders, table


@pytest.mark.parametrize(
    ("mark", "end", "delimiter", "header"),
    list(
        itertools.product(
            ["", "\ufeff"], ["\n", "\r\n", "\r"], [",", ";", "\t"], ["file,label,split", "File, LABEL ,Split", ""]
        )
    ),
)
def test_headers_delimiters_and_line_ends(mark: str, end: str, delimiter: str, header: str, tmp_path: Path) -> None:
    lines = [*([header] if header else []), *SPLIT_ROWS[:8], "", *SPLIT_ROWS[8:], ",,", ""]
    data = load(table(tmp_path, mark + end.join(lines).replace(",", delimiter)))
    assert data.files == tuple(row.split(",")[0] for row in SPLIT_ROWS)
    assert data.classes == ("cat", "dog")
    assert [len(data.splits[name]) for name in ("train", "val", "test")] == [6, 4, 6]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", r"t\.csv is empty: write a header file,label"),
        (" \n,,\n", r"t\.csv is empty"),
        ("file,label\n", "lists no images: write one line per image"),
        (LISTED.replace("file", "picture"), r"no column 'file' \(it has picture, label\): name its columns file,label"),
        (LISTED.replace(",", "|"), r"no column 'file' \(it has file\|label\): put commas between its columns"),
        (LISTED.replace("label", "kind"), "neither a column 'label' nor 'class'"),
        (LISTED.replace("file,label", "file,label,Label"), "two columns 'label': rename or drop one"),
        ("\n".join(f"{row},a,b" for row in ROWS), "4 columns and no header: write one"),
        (LISTED.replace("cat/0.png,cat", "cat/0.png,"), "line 2: the file or the label is missing"),
        (LISTED.replace("cat/1.png,cat", "\n\n ,cat"), "line 5: the file or the label is missing"),
        (LISTED.replace("cat/0.png", "a,b.png"), "line 2: has 3 cells for 2 columns: put names that contain a comma"),
        (LISTED.replace("cat/0.png", "cat/9.png"), r"cat/9\.png does not exist: correct the path, .*--skip-bad"),
        (LISTED.replace("cat/0.png", "cat/0.psd"), r"cat/0\.psd does not end in one of \.jpg"),
        (LISTED.replace("cat/0.png", "../cat/0.png"), r"\.\./cat/0\.png does not exist: correct the path"),
        (LISTED.replace("cat/0.png", "/etc/x.png"), r"^/etc/x\.png does not exist"),
        (LISTED.replace("cat/0.png", "..\\cat\\0.png"), "does not exist"),
        (LISTED.replace("cat/0.png", "cat/\0.png"), "is not a valid file path"),
        (LISTED.replace("cat/0.png", "x" * 5000 + ".png"), "is not a valid file path|cannot be read|does not exist"),
        (LISTED.replace("cat/0.png", "cat/1.png"), r"lists cat/1\.png twice: keep one of them"),
        (LISTED.replace("cat/0.png", "./cat/../cat/1.png"), r"cat/1\.png and \./cat/.*twice|twice: keep one"),
        (LISTED.replace("cat/0.png", "dog/1.png"), r"dog/1\.png twice with different labels"),
        (LISTED.replace(",dog", ",cat"), r"one class only \(cat\): nothing to distinguish: add another"),
        ("\n".join(["file,label", ROWS[0], ROWS[8]]), "split 'test' has no image: add images"),
        (SPLIT.replace("cat,val", "cat,vla"), "line 5: unknown split 'vla': write train, val or test"),
        (SPLIT.replace("cat,val", "cat,"), "line 5: has no split, but other lines do: fill it in, or drop the column"),
        (
            SPLIT.replace("cat,val", "cat,train"),
            "'val' has no image of class 'cat': add some, or drop the column 'split'",
        ),
        (
            SPLIT.replace("test", "train"),
            "'test' has no image: add some, or drop the column 'split' to have splits drawn",
        ),
        (SPLIT.replace("train", "test"), "'train' has no image"),
        ('file,label\n"' + "x" * 200_000, "field larger than field limit"),
    ],
)
def test_invalid_tables_are_refused(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        load(table(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith((".", "?"))


@pytest.mark.parametrize("file", ["filename", "File_Name", "IMAGE", "path", "filepath", "Image Path", "image_id", "ID"])
@pytest.mark.parametrize("label", ["Label", "class", "TARGET", "category"])
def test_columns_have_their_usual_names(file: str, label: str, tmp_path: Path) -> None:
    data = load(table(tmp_path, LISTED.replace("file,label", f"{file},{label}")))
    assert data.files[0] == "cat/0.png"
    assert data.classes == ("cat", "dog")
    assert data.traits == {}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_line_that_tells_excel_the_delimiter_is_left_out(delimiter: str, tmp_path: Path) -> None:
    rows = [f"sep={delimiter}", *(row.replace(",", delimiter) for row in ["file,label", *ROWS])]
    data = load(table(tmp_path, "\r\n".join(rows)))
    assert data.files == tuple(row.split(",")[0] for row in ROWS)


def test_a_column_without_a_name_is_left_aside(tmp_path: Path) -> None:
    plain = load(table(tmp_path, LISTED))
    # What pandas writes as index, and what it reads that as; nearly all values occur once.
    for header, rows in (
        (",file,label", [f"{i % 3},{row}" for i, row in enumerate(ROWS)]),
        ("Unnamed: 0,file,label", [f"{i},{row}" for i, row in enumerate(ROWS)]),
        (",Unnamed: 0,file,label,", [f"{i},{i},{row},{i}" for i, row in enumerate(ROWS)]),
    ):
        (tmp_path / "t.csv").write_text("\n".join([header, *rows]))
        data = load(tmp_path / "t.csv")
        assert data.groups is None
        assert data.traits == {}
        assert {name: indices.tolist() for name, indices in data.splits.items()} == {
            name: indices.tolist() for name, indices in plain.splits.items()
        }


def test_files_without_a_suffix_are_found(tmp_path: Path) -> None:
    path = table(tmp_path, LISTED.replace("file,", "image_id,").replace(".png", ""))
    assert load(path).files[0] == "cat/0.png"
    (tmp_path / "cat/0.jpg").write_bytes((tmp_path / "cat/0.png").read_bytes())
    with pytest.raises(InputError, match=r"t\.csv: cat/0 may be 0\.jpg or 0\.png: write the suffix too"):
        load(path)


def test_files_may_lie_in_a_folder_beside_the_table(tmp_path: Path) -> None:
    class_folders(tmp_path / "train")
    (tmp_path / "other").mkdir()
    (tmp_path / "train.csv").write_text(LISTED.replace(".png", ""))
    data = load(tmp_path / "train.csv")
    assert data.files[0] == "train/cat/0.png"
    assert "the files are not beside train.csv: they are read from its folder train" in data.notes


@pytest.mark.parametrize(("zero", "one"), [("0.0", "1.0"), ("0", "1.0"), ("0", "1")])
def test_whole_numbers_may_have_a_point(zero: str, one: str, tmp_path: Path) -> None:
    rows = LISTED.replace(",cat", f",{zero}").replace(",dog", f",{one}")
    assert load(table(tmp_path, rows)).classes == ("0", "1")
    assert load(table(tmp_path / "again", LISTED.replace(",cat", ",1.5").replace(",dog", ",2.0"))).classes == (
        "1.5",
        "2.0",
    )


def test_tables_in_other_encodings(tmp_path: Path) -> None:
    path = table(tmp_path, "")
    path.write_bytes(LISTED.replace(",cat", ",caf\u00e9").encode("utf-16"))
    assert load(path).classes == ("caf\u00e9", "dog")
    path.write_bytes(LISTED.replace("cat/1.png,cat", "cat/1.png,caf\u00e9").encode("latin-1"))
    with pytest.raises(InputError, match=r"t\.csv is not text in UTF-8 \(line 3\): save it as UTF-8"):
        load(path)
