"""CelebA, whole and with each part missing or malformed."""

from pathlib import Path

import pytest

from blackbox_dft.data import load
from tests.helpers.published import Case, celeba, check_refused, overwrite, remove, remove_images, replace


def celeba_csv(folder: Path) -> Path:
    return celeba(folder, "csv", identity=False)


CUHK = "mmlab.ie.cuhk.edu.hk"
NAMED = "5_o_Clock_Shadow Male Smiling Young \n"

ATTR, PART, WHO = "list_attr_celeba.txt", "list_eval_partition.txt", "identity_CelebA.txt"

BROKEN: dict[str, Case] = {
    "table": (celeba, "Smiling", remove(ATTR), [f"{ATTR} is missing", CUHK]),
    "table empty": (celeba, "Smiling", overwrite(ATTR, b""), ["is empty", CUHK]),
    "table binary": (celeba, "Smiling", overwrite(ATTR, b"\xff\xfe\x00"), ["is not text", CUHK]),
    "cut off": (celeba, "Smiling", replace(ATTR, "000036.jpg -1 -1 -1  1\n", ""), ["36 it announces"]),
    "header": (celeba, "Smiling", replace(ATTR, NAMED, ""), ["has no line with the names", CUHK]),
    "value": (celeba, "Smiling", replace(ATTR, "-1  1 -1", "-1  2 -1"), ["neither 1 nor -1", CUHK]),
    "name": (celeba, "Smiling", replace(ATTR, "000005.jpg", "../005.jpg"), ["line 7 is not a file such as"]),
    "twice": (celeba, "Smiling", replace(ATTR, "000005.jpg", "000004.jpg"), ["lists 000004.jpg again"]),
    "partition": (celeba, "Smiling", remove(PART), [f"{PART} is missing", CUHK]),
    "partition short": (celeba, "Smiling", replace(PART, "000007.jpg 0\n", ""), ["does not list 000007.jpg"]),
    "partition value": (celeba, "Smiling", replace(PART, "007.jpg 0", "007.jpg 3"), ["instead of 0, 1 or 2"]),
    "partition line": (celeba, "Smiling", replace(PART, "000007.jpg 0", "000007.jpg"), ["line 7 is not a file"]),
    "partition empty": (celeba, "Smiling", overwrite(PART, b"\n"), ["is empty", CUHK]),
    "partition binary": (celeba, "Smiling", overwrite(PART, b"\xff\xfe\x00"), ["is not text", CUHK]),
    "identity": (celeba, "Smiling", replace(WHO, "000007.jpg 103", "seven"), ["line 7 is not a file"]),
    "identity short": (celeba, "Smiling", replace(WHO, "000007.jpg 103\n", ""), ["does not list 000007"]),
    "identity empty": (celeba, "Smiling", overwrite(WHO, b""), ["is empty", CUHK]),
    "identity binary": (celeba, "Smiling", overwrite(WHO, b"\xff\xfe\x00"), ["is not text", CUHK]),
    "csv": (celeba_csv, "Smiling", remove(f"{ATTR[:-3]}csv"), [f"{ATTR} is missing", CUHK]),
    "csv empty": (celeba_csv, "Smiling", overwrite(f"{ATTR[:-3]}csv", b""), ["is empty", CUHK]),
    "csv header": (celeba_csv, "Smiling", replace(f"{ATTR[:-3]}csv", "image_id", "name"), ["line 2 is not a file"]),
    "csv value": (celeba_csv, "Smiling", replace(f"{ATTR[:-3]}csv", "1,-1,1", "1,,1"), ["neither 1 nor -1", CUHK]),
    "csv partition": (celeba_csv, "Smiling", remove(f"{PART[:-3]}csv"), [f"{PART} is missing", CUHK]),
    "csv split": (celeba_csv, "Smiling", replace(f"{PART[:-3]}csv", "07.jpg,0", "07.jpg,"), ["line 8 is not a file"]),
    "images": (celeba, "Smiling", remove("img_align_celeba"), ["img_align_celeba is missing", CUHK]),
    "no images": (celeba, "Smiling", remove_images, ["holds no images", CUHK]),
    "one image": (celeba, "Smiling", overwrite("img_align_celeba/000009.jpg", b""), ["000009.jpg is empty"]),
    "broken image": (celeba, "Smiling", overwrite("img_align_celeba/000009.jpg", b"no"), ["9.jpg is not an image"]),
    "lost image": (celeba, "Smiling", remove("img_align_celeba/000009.jpg"), ["000009.jpg does not exist"]),
}  # fmt: skip


@pytest.mark.parametrize("form", ["txt", "bare", "crlf", "csv"])
@pytest.mark.parametrize("identity", [True, False])
@pytest.mark.parametrize("deep", [True, False])
def test_celeba_is_read_in_every_form(form: str, identity: bool, deep: bool, tmp_path: Path) -> None:
    data = load(f"celeba:{celeba(tmp_path, form, identity, deep)}", label="Smiling")
    assert data.classes == ("Smiling", "not Smiling")
    assert {split: len(indices) for split, indices in data.splits.items()} == {"train": 12, "val": 12, "test": 12}
    for split, first in (("train", 1), ("val", 13), ("test", 25)):
        assert [int(Path(data.files[i]).stem) for i in data.splits[split]] == list(range(first, first + 12))
    for number, label in enumerate(data.labels):
        assert (data.images[number].mean() > 125) == (data.classes[label] == "Smiling") == (number % 2 == 0)
    assert (data.groups is None) != identity
    assert set(data.traits) == {"Male", "Young"}


@pytest.mark.parametrize("name", BROKEN)
def test_missing_and_malformed_parts_are_refused(name: str, tmp_path: Path) -> None:
    check_refused("celeba", BROKEN[name], tmp_path / "set")
