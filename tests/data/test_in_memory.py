"""Data sets from Python objects: every kind gives the same images and labels, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from blackbox_dft import InputError, load
from blackbox_dft.data.in_memory import ImageOptions, dataset_of
from blackbox_dft.demo import assets
from blackbox_dft.images.fitting import Fitting

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 6, 5, 3)).astype(np.uint8)
NAMES = ["cat", "dog"] * 20


class Pairs:
    """A data set as torch has them: a length, and items that are pairs."""

    classes = ("cat", "dog")

    def __init__(self, images: Any, labels: Any) -> None:
        self.images, self.labels, self.read = images, labels, 0

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, number: int) -> tuple[Any, Any]:
        self.read += 1
        return self.images[number], self.labels[number]


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ((IMAGES, NAMES), "<arrays>"),
        ((IMAGES.transpose(0, 3, 1, 2), NAMES), "<arrays>"),
        ((IMAGES / 255, np.array(NAMES)), "<arrays>"),
        ((IMAGES.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255), pd.Series(NAMES)), "<arrays>"),
        ((list(IMAGES), NAMES), "<list of images>"),
        (([Image.fromarray(image) for image in IMAGES], NAMES), "<list of images>"),
        (list(zip(IMAGES, NAMES, strict=True)), "<data set>"),
        (Pairs(IMAGES, [0, 1] * 20), "<data set>"),
        (Pairs(IMAGES.transpose(0, 3, 1, 2) / 255, [0, 1] * 20), "<data set>"),
        (pd.DataFrame({"image": list(IMAGES), "Label": NAMES}), "<data frame>"),
    ],
)
def test_every_kind_gives_the_same_images(given: object, kind: str) -> None:
    data = dataset_of(given)
    assert (data.images == IMAGES).all()
    assert [data.classes[label] for label in data.labels] == NAMES
    assert str(data.source) == kind
    assert {split: len(indices) for split, indices in data.splits.items()} == {"train": 16, "val": 8, "test": 16}
    assert data.digests == dataset_of((IMAGES, NAMES)).digests


def test_images_of_files_and_arrays_have_the_same_digests() -> None:
    named = load(assets() / "labels.csv")
    given = dataset_of((named.images, named.labels))
    assert given.digests == named.digests


def test_what_was_assumed_is_said() -> None:
    assert dataset_of((IMAGES, NAMES)).notes[1] == "images are taken as (N, H, W, 3)"
    floats = dataset_of((IMAGES.transpose(0, 3, 1, 2) / 255, NAMES))
    assert floats.notes[1] == "images are taken as (N, 3, H, W), and rounded to 8 bits"
    assert dataset_of((IMAGES[..., 0], NAMES)).notes[1] == "images are taken as (N, H, W), grey"


def test_grey_images_become_three_channels() -> None:
    for grey in (IMAGES[..., 0], IMAGES[..., :1], IMAGES[:, None, :, :, 0]):
        data = dataset_of((grey, NAMES))
        assert (data.images == IMAGES[..., :1]).all()


def test_images_of_any_size_are_brought_to_one() -> None:
    pictures = [Image.fromarray(image).resize((7, 9)) for image in IMAGES[:10]] + list(IMAGES[10:])
    common = dataset_of((pictures, NAMES))
    assert (common.images.shape[1:3], common.resized) == ((6, 5), 10)
    options = ImageOptions((12, 12), fitting=Fitting("pad"))
    assert dataset_of((IMAGES, NAMES), options).images[0, 0, :1].tolist() == [[0, 0, 0]]


def test_paths_and_frames_of_paths_are_read_as_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(len(NAMES))]
    for path, image in zip(paths, IMAGES, strict=True):
        Image.fromarray(image).save(path)
    splits = ["train"] * 20 + ["val"] * 10 + ["test"] * 10
    rows = {
        "file": list(map(str, paths)),
        "class": NAMES,
        "split": splits,
        "group": range(40),
        "camera": ["a", "b"] * 20,
    }
    monkeypatch.chdir(tmp_path)
    for given in ((paths, NAMES), ([path.name for path in paths], NAMES), pd.DataFrame(rows)):
        data = dataset_of(given)
        assert (data.images == IMAGES).all()
    assert {split: len(indices) for split, indices in data.splits.items()} == {"train": 20, "val": 10, "test": 10}
    assert (data.traits, len(set(data.groups.tolist()))) == ({"camera": ("a", "b") * 20}, 40)
    with pytest.raises(InputError, match=r"none\.png does not exist"):
        dataset_of(([*paths[:39], "none.png"], NAMES))


def test_splits_are_those_of_a_mapping() -> None:
    parts = {"train": (IMAGES[:20], NAMES[:20]), "validation": (IMAGES[20:30], NAMES[20:30])}
    data = dataset_of({**parts, "test": Pairs(IMAGES[30:], [0, 1] * 5)})
    assert (data.images == IMAGES).all()
    assert [data.splits[name].tolist() for name in ("train", "val", "test")] == [
        list(range(20)), list(range(20, 30)), list(range(30, 40)),
    ]  # fmt: skip
    assert len(set(data.files)) == 40


def test_each_item_of_a_data_set_is_read_once() -> None:
    pairs = Pairs(IMAGES, NAMES)
    dataset_of(pairs)
    assert pairs.read <= len(NAMES) + 1


def test_a_dataset_stays_or_is_resized() -> None:
    data = dataset_of((IMAGES, NAMES))
    assert dataset_of(data) is data
    larger = dataset_of(data, ImageOptions((10, 10)))
    assert (larger.images.shape, larger.resized) == ((40, 10, 10, 3), 40)
    assert larger.digests != data.digests


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (3, "data of type int cannot be used: give a path, (images, labels)"),
        ((IMAGES, NAMES[:3]), "data has 40 images and 3 labels"),
        ((IMAGES.astype(np.float64), NAMES), "may be levels: give them as uint8, or divided by 255"),
        ((IMAGES / 127.5 - 1, NAMES), "images are float64 from"),
        ((np.zeros((40, 4, 6, 6)), NAMES), "without 1 or 3 channels"),
        ((np.zeros((40, 3, 6, 3), np.uint8), NAMES), "the second or the last axis"),
        ((np.zeros((40, 16, 3), np.uint8), NAMES), "as one image has: give several, or images[None]"),
        ((np.zeros((40, 6)), NAMES), "the images have shape (40, 6)"),
        ((IMAGES, [0.5] * 40), "the labels are fractions"),
        ((IMAGES, [None, *NAMES[1:]]), "a label is missing"),
        ((IMAGES, np.eye(40)), "the labels have shape (40, 40)"),
        ((IMAGES, ["cat"] * 40), "holds one class only"),
        (([], []), "data holds no images"),
        (Pairs([], []), "data holds no images"),
        ({"trian": (IMAGES, NAMES)}, "unknown split 'trian'"),
        (pd.DataFrame({"file": ["a.png"], "colour": ["red"]}), "no column of labels"),
        (pd.DataFrame({"where": ["a.png"], "label": ["red"]}), "no column of paths"),
    ],
)
def test_what_is_refused(given: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        dataset_of(given)
    assert said in str(caught.value)


def test_a_bad_image_is_named() -> None:
    with pytest.raises(InputError, match=r"image 2: it has shape \(4, 4, 7\)"):
        dataset_of(([IMAGES[0], IMAGES[1], np.zeros((4, 4, 7)), *IMAGES[3:]], NAMES))


def test_a_torch_dataset() -> None:
    torch = pytest.importorskip("torch", reason="needs pip install -e '.[test-data]'")
    pixels = torch.from_numpy(IMAGES.transpose(0, 3, 1, 2)).float() / 255
    tensors = torch.utils.data.TensorDataset(pixels, torch.tensor([0, 1] * 20))
    data = dataset_of(tensors)
    assert (data.images == IMAGES).all()
    assert data.classes == ("0", "1")


def test_a_torchvision_folder(tmp_path: Path) -> None:
    torchvision = pytest.importorskip("torchvision", reason="needs pip install -e '.[test-data]'")
    for number, (image, name) in enumerate(zip(IMAGES, NAMES, strict=True)):
        (tmp_path / name).mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / name / f"{number:02d}.png")
    data = dataset_of(torchvision.datasets.ImageFolder(tmp_path))
    assert (data.classes, len(data.images)) == (("cat", "dog"), 40)
    assert sorted(data.digests) == sorted(dataset_of((IMAGES, NAMES)).digests)


def test_a_hugging_face_dataset() -> None:
    datasets = pytest.importorskip("datasets", reason="needs pip install -e '.[test-data]'")
    features = datasets.Features({"picture": datasets.Image(), "animal": datasets.ClassLabel(names=["cat", "dog"])})
    rows = {"picture": [Image.fromarray(image) for image in IMAGES], "animal": [0, 1] * 20}
    one = datasets.Dataset.from_dict(rows, features=features)
    data = dataset_of(one)
    assert (data.images == IMAGES).all()
    assert [data.classes[label] for label in data.labels] == NAMES
    both = datasets.DatasetDict({"train": one.select(range(30)), "test": one.select(range(30, 40))})
    assert len(dataset_of(both).splits["test"]) == 10
    with pytest.raises(InputError, match="no column of labels 'colour': it has picture, animal"):
        dataset_of(one, ImageOptions(label="colour"))
