"""Splits: drawn by class, groups together, largest groups first."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackbox_dft.data import load
from blackbox_dft.data.splits import SHARES, draw
from blackbox_dft.errors import InputError
from tests.helpers.datasets import ROWS, class_folders, table
from tests.helpers.images import save


@settings(max_examples=60, deadline=None)
@given(
    classes=st.integers(2, 4),
    people=st.integers(30, 80),
    each=st.integers(1, 6),
    grouped=st.booleans(),
    seed=st.integers(0, 50),
)
def test_drawn_splits_are_a_partition_by_class_and_group(
    classes: int, people: int, each: int, grouped: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(people), rng.integers(1, each + 1, people))
    labels = rng.integers(0, classes, people)[groups]
    parts = draw(np.arange(len(labels)), labels, groups if grouped else None, SHARES, seed)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(len(labels)))
    if grouped:
        held = [set(groups[indices]) for indices in parts.values()]
        assert sum(map(len, held)) == len(set().union(*held))
    slack = each if grouped else 1
    for label in range(classes):
        total = (labels == label).sum()
        for name, share in SHARES.items():
            assert abs((labels[parts[name]] == label).sum() - share * total) <= slack + 1
    again = draw(np.arange(len(labels)), labels, groups if grouped else None, SHARES, seed)
    assert all(np.array_equal(parts[name], again[name]) for name in parts)


def test_a_missing_val_is_drawn_from_train(tmp_path: Path) -> None:
    class_folders(tmp_path)
    rows = [f"{name}/{i}.png,{name},{'train' if i < 6 else 'test'}" for name in ("cat", "dog") for i in range(8)]
    (tmp_path / "two.csv").write_text("\n".join(["file,label,split", *rows]))
    data = load(tmp_path / "two.csv")
    assert {split: len(indices) for split, indices in data.splits.items()} == {"train": 8, "val": 4, "test": 4}
    assert "a third of train" in data.notes[0]


@pytest.mark.parametrize("column", ["group", "person"])
def test_no_group_is_drawn_into_two_splits(column: str, tmp_path: Path) -> None:
    people = [f"{row},{'' if i % 8 == 7 else i // 8 * 4 + i % 8 // 2}" for i, row in enumerate(ROWS)]
    data = load(table(tmp_path, "\n".join([f"file,label,{column}", *people])))
    assert data.groups is not None
    # Who names no group is alone.
    assert len(set(data.groups)) == 10
    for one, other in itertools.combinations(data.splits.values(), 2):
        assert not set(data.groups[one]) & set(data.groups[other])
    assert "no group in two of them" in data.notes[0]


def test_a_val_drawn_from_train_keeps_groups_together(tmp_path: Path) -> None:
    rows = [
        f"{name}/{i}.png,{name},{'test' if i > 5 else 'train'},{name}{i // 2}"
        for name in ("cat", "dog")
        for i in range(8)
    ]
    data = load(table(tmp_path, "\n".join(["file,label,split,group", *rows])))
    assert data.groups is not None
    assert [len(data.splits[name]) for name in ("train", "val", "test")] == [8, 4, 4]
    assert not set(data.groups[data.splits["val"]]) & set(data.groups[data.splits["train"]])


@pytest.mark.parametrize("count", [16, 17])
def test_given_splits_may_lack_some_of_many_classes(count: int, tmp_path: Path) -> None:
    rows = ["file,label,split"]
    for number in range(count):
        # The first three have no image in val.
        for split in ("train", "test", "val")[: 2 if number < 3 else None]:
            save(tmp_path / f"{split}{number}.png", np.full((6, 5, 3), number, np.uint8))
            rows.append(f"{split}{number}.png,sign{number:02d},{split}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    if count <= 16:
        with pytest.raises(InputError, match="'val' has no image of class 'sign00'"):
            load(tmp_path / "labels.csv")
        return
    data = load(tmp_path / "labels.csv")
    assert "split 'val' has no image of 3 classes: sign00, sign01, sign02" in data.notes
    assert (len(data.classes), len(data.splits["val"])) == (17, 14)


def test_rare_classes_are_drawn_at_random_with_a_note(tmp_path: Path) -> None:
    class_folders(tmp_path, count=20)
    for number in range(30):
        save(tmp_path / f"rare{number:02d}/0.png", np.full((6, 5, 3), 200, np.uint8))
    data = load(tmp_path)
    assert (
        "30 classes were drawn at random, with too few images for every split: rare00, rare01, rare02 ..." in data.notes
    )
    # The single images have the shares of all others: 40 %, 20 %, 40 % of 30.
    assert [int((data.labels[indices] > 1).sum()) for indices in data.splits.values()] == [12, 6, 12]
    assert [len(indices) for indices in data.splits.values()] == [28, 14, 28]
    assert not np.array_equal(load(tmp_path, seed=1).splits["test"], data.splits["test"])


def test_one_image_of_a_class_is_enough(tmp_path: Path) -> None:
    class_folders(tmp_path)
    save(tmp_path / "rare/0.png", np.full((6, 5, 3), 200, np.uint8))
    data = load(tmp_path)
    assert data.classes == ("cat", "dog", "rare")
    assert "1 class was drawn at random, with too few images for every split: rare" in data.notes


def test_no_splits_are_needed_to_look_at_data(tmp_path: Path) -> None:
    path = table(tmp_path, "file,label,split\ncat/0.png,cat,test\n")
    with pytest.raises(InputError, match="one class only"):
        load(path)
    data = load(path, splits=False)
    assert data.classes == ("cat",)
    assert [len(indices) for indices in data.splits.values()] == [0, 0, 1]
    (tmp_path / "t.csv").write_text("file,label\ncat/0.png,cat\ndog/0.png,dog\n")
    assert load(path, splits=False).notes == ()


def test_the_largest_groups_are_assigned_first() -> None:
    # Groups of 3, 2 and 1 images, to halves of 3: the group of 3 fills the first half, so 2 and 1 go to the second.
    # In another order, such as 1, 2, 3, the group of 3 comes to a half that already has images.
    groups = np.array([1, 2, 0, 2, 1, 2])
    for seed in range(10):
        parts = draw(np.arange(6), np.zeros(6, np.int64), groups, {"train": 0.5, "test": 0.5}, seed)
        assert parts["train"].tolist() == [1, 3, 5]
        assert parts["test"].tolist() == [0, 2, 4]


def test_each_group_goes_to_the_part_that_lacks_its_class() -> None:
    # Two groups of 2 images of each class, to halves: every half gets one group of each class.
    labels, groups = np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.array([0, 0, 1, 1, 2, 2, 3, 3])
    for seed in range(5):
        parts = draw(np.arange(8), labels, groups, {"train": 0.5, "test": 0.5}, seed)
        for indices in parts.values():
            assert sorted(labels[indices]) == [0, 0, 1, 1]
            assert len(set(groups[indices])) == 2
