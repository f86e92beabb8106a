"""``load``: classes, sizes, skipped images, notes, and real data."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from blackbox_dft.data import load
from blackbox_dft.data.splits import SHARES
from blackbox_dft.errors import InputError
from tests.helpers.datasets import LISTED, SPLIT, SPLIT_ROWS, class_folders, table
from tests.helpers.images import save


def test_folder_per_class(tmp_path: Path) -> None:
    data = load(class_folders(tmp_path, count=20))
    assert data.classes == ("cat", "dog")
    assert data.images.shape == (40, 6, 5, 3)
    assert data.files[0] == "cat/0.png"
    assert {split: len(indices) for split, indices in data.splits.items()} == {"train": 16, "val": 8, "test": 16}
    for indices in data.splits.values():
        assert np.bincount(data.labels[indices]).std() == 0
    assert "splits drawn" in data.notes[0]


def test_images_are_resized_to_the_most_common_or_the_given_size(tmp_path: Path) -> None:
    class_folders(tmp_path)
    save(tmp_path / "cat/large.png", np.full((60, 50, 3), 9, np.uint8))
    data = load(tmp_path)
    assert data.images.shape[1:] == (6, 5, 3)
    assert data.resized == 1
    assert load(tmp_path, size=(12, 10)).images.shape[1:] == (12, 10, 3)


@pytest.mark.parametrize("memory", [100, 2**28])
def test_bad_images_are_left_out_and_counted(memory: int, tmp_path: Path) -> None:
    class_folders(tmp_path, count=20)
    good = load(tmp_path)
    bad = ["cat/0.png", "cat/3.png", "dog/19.png"]
    for name in bad:
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:40])
    with pytest.raises(InputError, match=r"cat/0\.png is cut off"):
        load(tmp_path)
    data = load(tmp_path, skip_bad=True, memory=memory)
    assert data.skipped == tuple(bad)
    assert any(note.startswith("3 images could not be read and were left out: cat/0.png") for note in data.notes)
    kept = [i for i, name in enumerate(good.files) if name not in bad]
    assert data.files == tuple(good.files[i] for i in kept)
    np.testing.assert_array_equal(data.images, good.images[kept])
    np.testing.assert_array_equal(data.labels, good.labels[kept])
    assert data.digests == tuple(good.digests[i] for i in kept)
    assert sorted(np.concatenate(list(data.splits.values()))) == list(range(37))
    for name in good.files:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        load(tmp_path, skip_bad=True)
    with pytest.raises(InputError, match="none of its 40 images can be read"):
        load(tmp_path, skip_bad=True, size=(6, 5))


def test_class_names_are_preferred_over_numbers_and_numbers_sorted_as_such(tmp_path: Path) -> None:
    class_folders(tmp_path)
    rows = [f"cat/{i}.png,{i % 2},{('female', 'male')[i % 2]}" for i in range(8)]
    (tmp_path / "both.csv").write_text("\n".join(["file,label,class", *rows]))
    assert load(tmp_path / "both.csv").classes == ("female", "male")
    rows = [f"{name}/{i}.png,{9 + i % 2}" for name in ("cat", "dog") for i in range(8)]
    (tmp_path / "numbers.csv").write_text("\n".join(["file,label", *rows]))
    assert load(tmp_path / "numbers.csv").classes == ("9", "10")


@pytest.mark.parametrize(
    ("labels", "classes"), [(("1", "-1"), ("-1", "1")), (("10", "9"), ("9", "10")), (("²", "3"), ("3", "²"))]
)
def test_numbers_are_sorted_by_value(labels: tuple[str, str], classes: tuple[str, str], tmp_path: Path) -> None:
    rows = LISTED.replace(",cat", f",{labels[0]}").replace(",dog", f",{labels[1]}")
    path = table(tmp_path, "")
    path.write_text(rows, encoding="utf-8")
    data = load(path)
    assert data.classes == classes
    assert data.classes[data.labels[0]] == labels[0]


def test_draws_depend_on_the_seed_alone(tmp_path: Path) -> None:
    class_folders(tmp_path, count=20)
    first, again, other = load(tmp_path, seed=3), load(tmp_path, seed=3), load(tmp_path, seed=4)
    assert first.digests == again.digests
    assert all(np.array_equal(first.splits[name], again.splits[name]) for name in SHARES)
    assert not all(np.array_equal(first.splits[name], other.splits[name]) for name in SHARES)


def test_images_of_test_that_are_also_in_train_or_val_are_noted(tmp_path: Path) -> None:
    path = table(tmp_path, SPLIT + "\ntwin.png,cat,test\nother.png,cat,test\n")
    for name in ("twin.png", "other.png"):
        (tmp_path / name).write_bytes((tmp_path / "cat/0.png").read_bytes())
    assert load(path).notes == ("2 images of test have exactly the pixels of one in train or val",)


def test_groups_of_test_that_are_also_in_train_or_val_are_noted(tmp_path: Path) -> None:
    rows = [f"{row},{i % 8}" for i, row in enumerate(SPLIT_ROWS)]
    assert load(table(tmp_path, "\n".join(["file,label,split,group", *rows]))).notes == ()
    rows[5] = rows[5][:-1] + "0"
    notes = load(table(tmp_path, "\n".join(["file,label,split,group", *rows]))).notes
    assert notes == ("1 groups of test are also in train or val",)


@pytest.mark.parametrize(
    ("name", "classes", "side", "counts"),
    [
        ("lfw/labels_gender.csv", ("female", "male"), 112, (1120, 560, 1120)),
        ("smiles/labels.csv", ("nonsmile", "smile"), 64, (1440, 720, 1440)),
    ],
)
def test_real_faces(name: str, classes: tuple[str, str], side: int, counts: tuple[int, ...], shared: Path) -> None:
    data = load(shared / "data" / name)
    assert data.classes == classes
    assert data.images.shape == (sum(counts), side, side, 3)
    assert tuple(len(data.splits[split]) for split in ("train", "val", "test")) == counts
    assert data.groups is not None
    for one, other in itertools.combinations(data.splits.values(), 2):
        assert not np.intersect1d(data.groups[one], data.groups[other]).size
    assert (data.resized, data.skipped) == (0, ())


@pytest.mark.parametrize("word", ["nan", "NaN", "<NA>", "None"])
def test_a_label_that_looks_like_a_missing_value_is_said_to(word: str, tmp_path: Path) -> None:
    class_folders(tmp_path, count=20)
    lines = [f"{name}/{i}.png,{name}" for name in ("cat", "dog") for i in range(20)]
    lines[0] = f"cat/0.png,{word}"
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *lines]) + "\n")
    missing = f"1 image has the label '{word}', which looks like a missing value: fill it in"
    assert missing in load(tmp_path / "labels.csv").notes
    # Enough of them may be a class of their own: a note.
    for i in range(10):
        lines[i] = f"cat/{i}.png,{word}"
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *lines]) + "\n")
    assert any(f"10 images have the label '{word}'" in note for note in load(tmp_path / "labels.csv").notes)


def test_sixteen_bit_files_that_use_fewer_bits_are_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BBDFT_CACHE", str(tmp_path / "cache"))
    for number, name in enumerate(("cat", "dog")):
        for i in range(8):
            save(tmp_path / "in" / name / f"{i}.png", np.full((6, 5), 4000 * (number + 1) // 2 + i, np.uint16))
    # The largest value is 4007 of 12 bits; from the cache as well.
    for _ in range(2):
        (note,) = (note for note in load(tmp_path / "in").notes if "16 bits" in note)
        assert "is 4,007: they hold 12 bits, and come out dark: save them multiplied by 16" in note
    save(tmp_path / "in/cat/bright.png", np.full((6, 5), 60_000, np.uint16))
    assert not any("16 bits" in note for note in load(tmp_path / "in").notes)
