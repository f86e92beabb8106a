"""Labelled images in: every format and oddity that files have, and splits that keep people apart."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackbox_dft.data import fit, list_images, load, read_image, write_image
from blackbox_dft.data.splits import SHARES, draw, read_splits
from blackbox_dft.errors import InputError

RNG = np.random.default_rng(0)
COLORS = np.kron(RNG.integers(30, 220, (3, 4, 3)), np.ones((8, 8, 1))).astype(np.uint8)


def save(path: Path, rgb: np.ndarray, *options: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    order = [2, 1, 0, 3][: rgb.shape[2]] if rgb.ndim == 3 else None
    assert cv2.imwrite(str(path), rgb if order is None else np.ascontiguousarray(rgb[..., order]), options)
    return path


@pytest.mark.parametrize(
    ("suffix", "off"), [(".png", 0), (".bmp", 0), (".tif", 0), (".tiff", 0), (".jpg", 12), (".webp", 12)]
)
def test_formats(suffix: str, off: int, tmp_path: Path) -> None:
    image = read_image(save(tmp_path / f"x{suffix}", COLORS))
    assert image.dtype == np.uint8
    assert image.shape == COLORS.shape
    # Away from the tiles' edges, where lossy formats ring.
    centre = image.reshape(3, 8, 4, 8, 3)[:, 4, :, 4].astype(int)
    assert np.abs(centre - COLORS[4::8, 4::8]).max() <= off


def test_grey_becomes_three_equal_channels(tmp_path: Path) -> None:
    grey = COLORS[..., 0]
    image = read_image(save(tmp_path / "grey.png", grey))
    np.testing.assert_array_equal(image, np.repeat(grey[..., None], 3, axis=2))


def test_sixteen_bits_are_rounded_to_eight(tmp_path: Path) -> None:
    values = np.array([[0, 128, 129, 257 * 7, 65535]], np.uint16)
    image = read_image(save(tmp_path / "deep.png", values))
    np.testing.assert_array_equal(image[0, :, 0], [0, 0, 1, 7, 255])
    colour = np.dstack([values, values // 2, values // 3])
    assert read_image(save(tmp_path / "deep_colour.png", colour))[0, 4].tolist() == [255, 127, 85]


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    clear = np.zeros((2, 2, 4), np.uint8)
    clear[0, 0] = (200, 100, 0, 255)
    clear[0, 1] = (0, 0, 0, 128)
    image = read_image(save(tmp_path / "clear.png", clear))
    assert image[0, 0].tolist() == [200, 100, 0]
    assert image[0, 1].tolist() == [127, 127, 127]
    assert image[1, 1].tolist() == [255, 255, 255]


def with_orientation(jpeg: bytes, value: int) -> bytes:
    tiff = (
        b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 1) + struct.pack("<HHII", 0x0112, 3, 1, value) + b"\0\0\0\0"
    )
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


@pytest.mark.parametrize(("value", "turn"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_exif_orientation(value: int, turn: int, tmp_path: Path) -> None:
    path = save(tmp_path / "x.jpg", COLORS, cv2.IMWRITE_JPEG_QUALITY, 100)
    plain = read_image(path)
    path.write_bytes(with_orientation(path.read_bytes(), value))
    np.testing.assert_array_equal(read_image(path), np.rot90(plain, turn))


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_cut_off_files_are_noticed(suffix: str, share: float, tmp_path: Path) -> None:
    noisy = RNG.integers(0, 255, (40, 40, 3)).astype(np.uint8)
    path = save(tmp_path / f"x{suffix}", noisy)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=r"x\.\w+ (is cut off|is not an image)"):
        read_image(path)


def test_written_images_come_back(tmp_path: Path) -> None:
    write_image(tmp_path / "x.png", COLORS)
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), COLORS)
    write_image(tmp_path / "x.jpg", COLORS, quality=95)
    assert np.abs(read_image(tmp_path / "x.jpg").astype(int) - COLORS).mean() < 8
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.jpg", "x.png"]
    assert fit(COLORS, (12, 16)).shape == (12, 16, 3)


def folders(root: Path, *, splits: tuple[str, ...] = ("",), count: int = 8) -> Path:
    for split in splits:
        for number, name in enumerate(("cat", "dog")):
            for i in range(count):
                save(root / split / name / f"{i}.png", np.full((6, 5, 3), 10 * i + number + 3 * len(split), np.uint8))
    return root


def test_folder_per_class(tmp_path: Path) -> None:
    data = load(folders(tmp_path, count=20))
    assert data.classes == ("cat", "dog")
    assert data.images.shape == (40, 6, 5, 3)
    assert data.files[0] == "cat/0.png"
    assert {split: len(indices) for split, indices in data.splits.items()} == {"train": 16, "val": 8, "test": 16}
    for indices in data.splits.values():
        assert np.bincount(data.labels[indices]).std() == 0
    assert "splits drawn" in data.notes[0]


def test_folder_per_split_and_class(tmp_path: Path) -> None:
    data = load(folders(tmp_path, splits=("train", "valid", "test")))
    assert {split: len(indices) for split, indices in data.splits.items()} == {"train": 16, "val": 16, "test": 16}
    assert data.files[data.splits["val"][0]].startswith("valid/")


def test_folder_with_a_table(tmp_path: Path) -> None:
    folders(tmp_path / "images")
    rows = [f"images/cat/{i}.png,{i % 2}" for i in range(8)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows]))
    data = load(tmp_path, seed=1)
    assert data.classes == ("0", "1")
    assert len(data.labels) == 8


def test_an_empty_class_folder_is_named(tmp_path: Path) -> None:
    folders(tmp_path)
    (tmp_path / "horse").mkdir()
    with pytest.raises(InputError, match="horse holds no images"):
        load(tmp_path)
    with pytest.raises(InputError, match="no sub-folders"):
        load(tmp_path / "horse")


def test_sizes_are_brought_to_the_most_common_or_the_given_one(tmp_path: Path) -> None:
    folders(tmp_path)
    save(tmp_path / "cat/large.png", np.full((60, 50, 3), 9, np.uint8))
    data = load(tmp_path)
    assert data.images.shape[1:] == (6, 5, 3)
    assert data.resized == 1
    assert load(tmp_path, size=(12, 10)).images.shape[1:] == (12, 10, 3)


def test_pixels_beyond_memory_live_in_a_file(tmp_path: Path) -> None:
    folders(tmp_path)
    held, filed = load(tmp_path), load(tmp_path, memory=100)
    assert isinstance(filed.images, np.memmap)
    np.testing.assert_array_equal(held.images, filed.images)
    assert held.digests == filed.digests


def test_class_names_are_preferred_over_numbers_and_numbers_sorted_as_such(tmp_path: Path) -> None:
    folders(tmp_path)
    rows = [f"cat/{i}.png,{i % 2},{('female', 'male')[i % 2]}" for i in range(8)]
    (tmp_path / "both.csv").write_text("\n".join(["file,label,class", *rows]))
    assert load(tmp_path / "both.csv").classes == ("female", "male")
    rows = [f"{name}/{i}.png,{9 + i % 2}" for name in ("cat", "dog") for i in range(8)]
    (tmp_path / "numbers.csv").write_text("\n".join(["file,label", *rows]))
    assert load(tmp_path / "numbers.csv").classes == ("9", "10")


def test_a_missing_val_is_drawn_from_train(tmp_path: Path) -> None:
    folders(tmp_path)
    rows = [f"{name}/{i}.png,{name},{'train' if i < 6 else 'test'}" for name in ("cat", "dog") for i in range(8)]
    (tmp_path / "two.csv").write_text("\n".join(["file,label,split", *rows]))
    data = load(tmp_path / "two.csv")
    assert {split: len(indices) for split, indices in data.splits.items()} == {"train": 8, "val": 4, "test": 4}
    assert "a third of train" in data.notes[0]


def test_twins_across_splits_are_told(tmp_path: Path) -> None:
    folders(tmp_path)
    save(tmp_path / "twin.png", np.full((6, 5, 3), 3 * 0, np.uint8))
    rows = [f"{name}/{i}.png,{name},{('train', 'val', 'test')[i % 3]}" for name in ("cat", "dog") for i in range(8)]
    (tmp_path / "t.csv").write_text("\n".join(["file,label,split", *rows, "twin.png,cat,test"]))
    assert any("exactly the pixels" in note for note in load(tmp_path / "t.csv").notes)


@settings(max_examples=60, deadline=None)
@given(
    classes=st.integers(2, 4),
    people=st.integers(30, 80),
    each=st.integers(1, 6),
    grouped=st.booleans(),
    seed=st.integers(0, 50),
)
def test_drawn_splits_part_everyone_by_class_and_person(
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


@pytest.mark.parametrize(
    ("given_splits", "sentence"),
    [
        (["train", "train", "tests", "test"], "unknown split 'tests'"),
        (["train", "", "test", "test"], "some rows name a split"),
        (["train", "train", "val", "val"], "no row is in split 'test'"),
    ],
)
def test_splits_that_cannot_be(given_splits: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_splits(given_splits, np.array([0, 1, 0, 1]), None, 0, "x.csv")


def test_hidden_files_are_no_images(tmp_path: Path) -> None:
    folders(tmp_path)
    save(tmp_path / ".thumbs/1.png", COLORS)
    save(tmp_path / "cat/.hidden.png", COLORS)
    assert len(list_images(tmp_path)) == 16


def test_real_faces(shared: Path) -> None:
    data = load(shared / "data/lfw/labels_gender.csv")
    assert data.classes == ("female", "male")
    assert {split: len(indices) for split, indices in data.splits.items()} == {"train": 1120, "val": 560, "test": 1120}
    assert data.groups is not None
    assert data.notes == ()
    assert load(shared / "data/smiles/labels.csv").images.shape == (3600, 64, 64, 3)
