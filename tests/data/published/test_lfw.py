"""LFW, whole and with each part missing or malformed."""

from pathlib import Path

import pytest

from blackbox_dft.data import load
from blackbox_dft.errors import InputError
from tests.helpers.published import PEOPLE, Case, check_refused, lfw, overwrite, remove, replace

COLUMBIA, UMASS = "www.cs.columbia.edu", "vis-www.cs.umass.edu"
HEADER = b"#\tperson\timagenum\tSmiling\n"

BROKEN: dict[str, Case] = {
    "table": (lfw, "Smiling", remove("lfw_attributes.txt"), ["lfw_attributes.txt is missing", COLUMBIA]),
    "table empty": (lfw, "Smiling", overwrite("lfw_attributes.txt", b"\n"), ["is empty", COLUMBIA]),
    "table binary": (lfw, "Smiling", overwrite("lfw_attributes.txt", b"\xff\xfe\x00"), ["is not text", COLUMBIA]),
    "no header": (lfw, "Smiling", replace("lfw_attributes.txt", "imagenum", "number"), ["no line that", COLUMBIA]),
    "header": (lfw, "Smiling", replace("lfw_attributes.txt", "person", "who"), ["line 2 does not begin", COLUMBIA]),
    "cells": (lfw, "Smiling", replace("lfw_attributes.txt", "-2.0\n", "-2.0\t9\n"), ["line 3 has 7 cells instead"]),
    "score": (lfw, "Smiling", replace("lfw_attributes.txt", "-1.25", "sad"), ["line 4 has a score that is not"]),
    "nan": (lfw, "Smiling", replace("lfw_attributes.txt", "-1.25", "nan"), ["line 4 has a score that is not"]),
    "number": (lfw, "Smiling", replace("lfw_attributes.txt", "hart\t1", "hart\tx"), ["line 3 does not name"]),
    "escape": (lfw, "Smiling", replace("lfw_attributes.txt", "Aaron Eck", "../Eck"), ["line 3 does not name"]),
    "twice": (lfw, "Smiling", replace("lfw_attributes.txt", "iyah\t2", "iyah\t1"), ["lists an image twice"]),
    "images": (lfw, "Smiling", remove("lfw"), ["Aaron_Eckhart_0001.jpg is missing", UMASS]),
    "one image": (lfw, "Smiling", remove("lfw/Person_A/Person_A_0002.jpg"), ["Person_A_0002.jpg does not exist"]),
    "broken image": (lfw, "Smiling", overwrite("lfw/Person_A/Person_A_0002.jpg", b"no"), ["0002.jpg is not an image"]),
    "two": (lfw, "Smiling", lambda f: (f / "lfw-deepfunneled").mkdir(), ["holds lfw/ and lfw-deepfunneled/"]),
    "no label": (lfw, "", lambda f: None, ["choose one with --label"]),
    "label": (lfw, "Smilling", lambda f: None, ["has no attribute 'Smilling': did you mean 'Smiling'?"]),
    "no images listed": (lfw, "Smiling", overwrite("lfw_attributes.txt", HEADER), ["lists no images"]),
}  # fmt: skip


@pytest.mark.parametrize("images", ["lfw", "lfw-deepfunneled", "lfw_funneled", ""])
def test_lfw_is_read_with_each_folder_of_images(images: str, tmp_path: Path) -> None:
    data = load(f"lfw:{lfw(tmp_path, images)}", label="smiling")
    assert data.classes == ("Smiling", "not Smiling")
    assert len(data.labels) == 24
    assert data.images.shape == (24, 24, 20, 3)
    for number, name in enumerate(data.files):
        person, image = Path(name).stem.rsplit("_", 1)
        assert Path(name).parent.name == person
        smiles = (list(PEOPLE).index(person.replace("_", " ")) + int(image)) % 2
        assert data.classes[data.labels[number]] == ("Smiling" if smiles else "not Smiling")
        # The right pixels: smiles were drawn brighter.
        assert (data.images[number].mean() > 125) == bool(smiles)
    assert data.groups is not None
    groups = [set(data.groups[indices]) for indices in data.splits.values()]
    assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]
    assert set(data.traits) == {"Male", "Senior"}
    assert set(data.traits["Male"]) == {"Male", "not Male"}


@pytest.mark.parametrize("label", ["Attractive_Man", "attractive man", "Attractive Man"])
def test_attributes_are_found_in_any_spelling(label: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one class only"):
        load(f"lfw:{lfw(tmp_path, tail=chr(9))}", label=label)


@pytest.mark.parametrize("name", BROKEN)
def test_missing_and_malformed_parts_are_refused(name: str, tmp_path: Path) -> None:
    check_refused("lfw", BROKEN[name], tmp_path / "set")
