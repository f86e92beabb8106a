"""Small data sets in the published forms of LFW, CelebA and MUCT, whole and broken."""

import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from blackbox_dft.data import load
from blackbox_dft.errors import InputError

RNG = np.random.default_rng(0)
NAMES = ["Male", "Attractive Man", "Smiling", "Senior"]

PEOPLE = {"Aaron Eckhart": 1, "Abdullah al-Attiyah": 3, **{f"Person {letter}": 2 for letter in "ABCDEFGHIJ"}}


def picture(level: int) -> bytes:
    pixels = (level + RNG.normal(0, 8, (24, 20, 3))).clip(0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def lfw(folder: Path, images: str = "lfw", tail: str = "") -> Path:
    lines = ["#LFW attributes file", "\t".join(["#", "person", "imagenum", *NAMES])]
    for number, (person, count) in enumerate(PEOPLE.items()):
        for image in range(1, count + 1):
            smiles = (number + image) % 2
            scores = [1.5 if number % 3 else -0.25, -0.1, 0.75 if smiles else -1.25, -2.0]
            lines.append("\t".join([person, str(image), *map(str, scores)]) + tail)
            plain = person.replace(" ", "_")
            write(folder / images / plain / f"{plain}_{image:04d}.jpg", picture(160 if smiles else 90))
    (folder / "lfw_attributes.txt").write_text("\n".join(lines) + "\n")
    return folder


def celeba(folder: Path, form: str = "txt", identity: bool = True, deep: bool = False) -> Path:
    names = ["5_o_Clock_Shadow", "Male", "Smiling", "Young"]
    celeba_csv, split, person = [], [], []
    for number in range(1, 37):
        name = f"{number:06d}.jpg"
        values = ["-1", "1" if number % 3 else "-1", "1" if number % 2 else "-1", "1"]
        celeba_csv.append((name, values))
        split.append((name, str((number - 1) // 12)))
        person.append((name, str(100 + (number - 1) // 2)))
        images = folder / ("Img" if deep else "") / "img_align_celeba"
        write(images / ("img_align_celeba" if form == "csv" else "") / name, picture(160 if number % 2 else 90))
    anno, evaluation = (folder / "Anno", folder / "Eval") if deep else (folder, folder)
    anno.mkdir(exist_ok=True)
    evaluation.mkdir(exist_ok=True)
    if form == "csv":
        rows = [",".join(["image_id", *names]), *(",".join([name, *values]) for name, values in celeba_csv)]
        (anno / "list_attr_celeba.csv").write_text("\n".join(rows) + "\n")
        rows = ["image_id,partition", *map(",".join, split)]
        (evaluation / "list_eval_partition.csv").write_text("\n".join(rows) + "\n")
    else:
        # As published: the count, the names with a blank behind, and values padded to two.
        rows = [name + " " + " ".join(f"{value:>2}" for value in values) for name, values in celeba_csv]
        head = [" ".join(names) + " "] if form == "bare" else [str(len(celeba_csv)), " ".join(names) + " "]
        end = "\r\n" if form == "crlf" else "\n"
        (anno / "list_attr_celeba.txt").write_text(end.join([*head, *rows]) + end, newline="")
        (evaluation / "list_eval_partition.txt").write_text("\n".join(map(" ".join, split)) + "\n")
    if identity:
        (anno / "identity_CelebA.txt").write_text("\n".join(map(" ".join, person)) + "\n")
    return folder


def muct_files() -> dict[str, bytes]:
    return {
        f"i{person:03d}{lighting}{camera}-{'fm'[person % 2]}{'gn'[person % 3 == 0]}.jpg": picture(
            90 + 70 * (person % 2)
        )
        for person in range(12)
        for lighting, camera in (("q", "a"), ("r", "b"))
    }


def muct(folder: Path) -> Path:
    for name, data in muct_files().items():
        write(folder / "jpg" / name, data)
    return folder


def muct_archives(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for camera in "ab":
        with tarfile.open(folder / f"muct-{camera}-jpg-v1.tar.gz", "w:gz") as tar:
            for name, data in muct_files().items():
                if name[5] == camera:
                    for path, body in ((f"jpg/{name}", data), (f"jpg/._{name}", b"not an image")):
                        info = tarfile.TarInfo(path)
                        info.size = len(body)
                        tar.addfile(info, io.BytesIO(body))
    return folder


Broken = Callable[[Path], object]
Case = tuple[Callable[[Path], Path], str, Broken, list[str]]
"""Maker of the whole data set, label, what breaks it, and parts of the error message."""


def replace(name: str, old: str, new: str) -> Broken:
    def broken(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return broken


def remove(name: str) -> Broken:
    return lambda folder: shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()


def overwrite(name: str, data: bytes) -> Broken:
    return lambda folder: (folder / name).write_bytes(data)


def remove_images(folder: Path) -> None:
    for path in folder.rglob("*.jpg"):
        path.unlink()


def truncate(name: str) -> Broken:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-40])


def check_refused(kind: str, case: Case, folder: Path) -> None:
    """``load`` refuses the broken data set in one line, which contains all the sentences."""
    make, label, breaks, sentences = case
    folder.mkdir()
    make(folder)
    breaks(folder)
    with pytest.raises(InputError) as caught:
        load(f"{kind}:{folder}", label=label)
    message = str(caught.value)
    for sentence in sentences:
        assert sentence in message
    assert message.count("\n") == 0
    assert caught.value.exit_code == 2
