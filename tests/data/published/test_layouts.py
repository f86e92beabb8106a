"""Data sets as they are published: small trees of their very forms, whole, and with each part missing or malformed."""

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from blackbox_dft.data import load
from blackbox_dft.errors import InputError
from tests.conftest import Bbdft

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
    table, split, person = [], [], []
    for number in range(1, 37):
        name = f"{number:06d}.jpg"
        values = ["-1", "1" if number % 3 else "-1", "1" if number % 2 else "-1", "1"]
        table.append((name, values))
        split.append((name, str((number - 1) // 12)))
        person.append((name, str(100 + (number - 1) // 2)))
        images = folder / ("Img" if deep else "") / "img_align_celeba"
        write(images / ("img_align_celeba" if form == "csv" else "") / name, picture(160 if number % 2 else 90))
    anno, evaluation = (folder / "Anno", folder / "Eval") if deep else (folder, folder)
    anno.mkdir(exist_ok=True)
    evaluation.mkdir(exist_ok=True)
    if form == "csv":
        rows = [",".join(["image_id", *names]), *(",".join([name, *values]) for name, values in table)]
        (anno / "list_attr_celeba.csv").write_text("\n".join(rows) + "\n")
        rows = ["image_id,partition", *map(",".join, split)]
        (evaluation / "list_eval_partition.csv").write_text("\n".join(rows) + "\n")
    else:
        # As published: the count, the names with a blank behind, and values padded to two.
        rows = [name + " " + " ".join(f"{value:>2}" for value in values) for name, values in table]
        head = [" ".join(names) + " "] if form == "bare" else [str(len(table)), " ".join(names) + " "]
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


def packed(folder: Path) -> Path:
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


@pytest.mark.parametrize("images", ["lfw", "lfw-deepfunneled", "lfw_funneled", ""])
def test_lfw(images: str, tmp_path: Path) -> None:
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
    where = [set(data.groups[indices]) for indices in data.splits.values()]
    assert not where[0] & where[1] | where[0] & where[2] | where[1] & where[2]
    assert set(data.traits) == {"Male", "Senior"}
    assert set(data.traits["Male"]) == {"Male", "not Male"}


@pytest.mark.parametrize("label", ["Attractive_Man", "attractive man", "Attractive Man"])
def test_attributes_go_by_any_spelling(label: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one class only"):
        load(f"lfw:{lfw(tmp_path, tail=chr(9))}", label=label)


@pytest.mark.parametrize("form", ["txt", "bare", "crlf", "csv"])
@pytest.mark.parametrize("identity", [True, False])
@pytest.mark.parametrize("deep", [True, False])
def test_celeba(form: str, identity: bool, deep: bool, tmp_path: Path) -> None:
    data = load(f"celeba:{celeba(tmp_path, form, identity, deep)}", label="Smiling")
    assert data.classes == ("Smiling", "not Smiling")
    assert {split: len(indices) for split, indices in data.splits.items()} == {"train": 12, "val": 12, "test": 12}
    for split, first in (("train", 1), ("val", 13), ("test", 25)):
        assert [int(Path(data.files[i]).stem) for i in data.splits[split]] == list(range(first, first + 12))
    for number, label in enumerate(data.labels):
        assert (data.images[number].mean() > 125) == (data.classes[label] == "Smiling") == (number % 2 == 0)
    assert (data.groups is None) != identity
    assert set(data.traits) == {"Male", "Young"}


@pytest.mark.parametrize("make", [muct, packed])
@pytest.mark.parametrize(("label", "classes"), [("", ("female", "male")), ("glasses", ("glasses", "no glasses"))])
def test_muct(make: Callable[[Path], Path], label: str, classes: tuple[str, str], tmp_path: Path) -> None:
    data = load(f"muct:{make(tmp_path)}", label=label)
    assert data.classes == classes
    assert len(data.labels) == 24
    assert data.groups is not None
    for number, name in enumerate(data.files):
        stem = Path(name).stem
        sex, glasses = ("female", "male")["fm".index(stem[-2])], ("glasses", "no glasses")["gn".index(stem[-1])]
        assert classes[data.labels[number]] == (glasses if label else sex)
        # Men were drawn brighter, so each name has the pixels that go with it.
        assert (data.images[number].mean() > 125) == (sex == "male")
        assert data.traits["camera"][number] == stem[5]
        assert data.traits["lighting"][number] == stem[4]
    assert len(set(data.groups)) == 12


def test_one_archive_alone_and_archives_beside_their_images(tmp_path: Path) -> None:
    one = load(f"muct:{packed(tmp_path) / 'muct-a-jpg-v1.tar.gz'}")
    assert {name[9] for name in one.files} == {"a"}
    both = load(f"muct:{muct(tmp_path)}")
    assert len(both.files) == 24
    assert any("archives lie beside" in note for note in both.notes)


def test_a_bad_member_of_an_archive_is_named_and_can_be_left_out(tmp_path: Path) -> None:
    folder = packed(tmp_path)
    with tarfile.open(folder / "muct-c-jpg-v1.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("jpg/i020qc-fn.jpg")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"hello"))
    with pytest.raises(InputError, match=r"muct-c-jpg-v1.tar.gz: jpg/i020qc-fn.jpg is not an image"):
        load(f"muct:{folder}")
    assert load(f"muct:{folder}", skip_bad=True).skipped == ("jpg/i020qc-fn.jpg",)


Broken = Callable[[Path], object]


def change(name: str, old: str, new: str) -> Broken:
    def broken(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return broken


def gone(name: str) -> Broken:
    return lambda folder: shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()


def filled(name: str, data: bytes) -> Broken:
    return lambda folder: (folder / name).write_bytes(data)


def emptied(folder: Path) -> None:
    for path in folder.rglob("*.jpg"):
        path.unlink()


def again(folder: Path) -> None:
    shutil.copy(folder / "muct-a-jpg-v1.tar.gz", folder / "again.tgz")


def hollow(folder: Path) -> None:
    for archive in folder.glob("*.tar.gz"):
        tarfile.open(archive, "w:gz").close()


def table(folder: Path) -> Path:
    return celeba(folder, "csv", identity=False)


def cut(name: str) -> Broken:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-40])


HEADER = b"#\tperson\timagenum\tSmiling\n"
COLUMBIA, UMASS, CUHK, MILBO = "www.cs.columbia.edu", "vis-www.cs.umass.edu", "mmlab.ie.cuhk.edu.hk", "www.milbo.org"
NAMED = "5_o_Clock_Shadow Male Smiling Young \n"
ATTR, PART, WHO = "list_attr_celeba.txt", "list_eval_partition.txt", "identity_CelebA.txt"
BROKEN: dict[str, tuple[Callable[[Path], Path], str, Broken, list[str]]] = {
    "lfw table": (lfw, "Smiling", gone("lfw_attributes.txt"), ["lfw_attributes.txt is missing", COLUMBIA]),
    "lfw table empty": (lfw, "Smiling", filled("lfw_attributes.txt", b"\n"), ["is empty", COLUMBIA]),
    "lfw table binary": (lfw, "Smiling", filled("lfw_attributes.txt", b"\xff\xfe\x00"), ["is not text", COLUMBIA]),
    "lfw no header": (lfw, "Smiling", change("lfw_attributes.txt", "imagenum", "number"), ["no line that", COLUMBIA]),
    "lfw header": (lfw, "Smiling", change("lfw_attributes.txt", "person", "who"), ["line 2 does not begin", COLUMBIA]),
    "lfw cells": (lfw, "Smiling", change("lfw_attributes.txt", "-2.0\n", "-2.0\t9\n"), ["line 3 has 7 cells instead"]),
    "lfw score": (lfw, "Smiling", change("lfw_attributes.txt", "-1.25", "sad"), ["line 4 has a score that is not"]),
    "lfw nan": (lfw, "Smiling", change("lfw_attributes.txt", "-1.25", "nan"), ["line 4 has a score that is not"]),
    "lfw number": (lfw, "Smiling", change("lfw_attributes.txt", "hart\t1", "hart\tx"), ["line 3 does not name"]),
    "lfw escape": (lfw, "Smiling", change("lfw_attributes.txt", "Aaron Eck", "../Eck"), ["line 3 does not name"]),
    "lfw twice": (lfw, "Smiling", change("lfw_attributes.txt", "iyah\t2", "iyah\t1"), ["lists an image twice"]),
    "lfw images": (lfw, "Smiling", gone("lfw"), ["Aaron_Eckhart_0001.jpg is missing", UMASS]),
    "lfw one image": (lfw, "Smiling", gone("lfw/Person_A/Person_A_0002.jpg"), ["Person_A_0002.jpg does not exist"]),
    "lfw broken image": (lfw, "Smiling", filled("lfw/Person_A/Person_A_0002.jpg", b"no"), ["0002.jpg is not an image"]),
    "lfw two": (lfw, "Smiling", lambda f: (f / "lfw-deepfunneled").mkdir(), ["holds lfw/ and lfw-deepfunneled/"]),
    "lfw no label": (lfw, "", lambda f: None, ["choose one with --label"]),
    "lfw label": (lfw, "Smilling", lambda f: None, ["has no attribute 'Smilling': did you mean 'Smiling'?"]),
    "lfw no images listed": (lfw, "Smiling", filled("lfw_attributes.txt", HEADER), ["lists no images"]),
    "celeba table": (celeba, "Smiling", gone(ATTR), [f"{ATTR} is missing", CUHK]),
    "celeba table empty": (celeba, "Smiling", filled(ATTR, b""), ["is empty", CUHK]),
    "celeba table binary": (celeba, "Smiling", filled(ATTR, b"\xff\xfe\x00"), ["is not text", CUHK]),
    "celeba cut off": (celeba, "Smiling", change(ATTR, "000036.jpg -1 -1 -1  1\n", ""), ["36 it announces"]),
    "celeba header": (celeba, "Smiling", change(ATTR, NAMED, ""), ["has no line with the names", CUHK]),
    "celeba value": (celeba, "Smiling", change(ATTR, "-1  1 -1", "-1  2 -1"), ["neither 1 nor -1", CUHK]),
    "celeba name": (celeba, "Smiling", change(ATTR, "000005.jpg", "../005.jpg"), ["line 7 is not a file such as"]),
    "celeba twice": (celeba, "Smiling", change(ATTR, "000005.jpg", "000004.jpg"), ["lists 000004.jpg again"]),
    "celeba partition": (celeba, "Smiling", gone(PART), [f"{PART} is missing", CUHK]),
    "celeba partition short": (celeba, "Smiling", change(PART, "000007.jpg 0\n", ""), ["does not list 000007.jpg"]),
    "celeba partition value": (celeba, "Smiling", change(PART, "007.jpg 0", "007.jpg 3"), ["instead of 0, 1 or 2"]),
    "celeba partition line": (celeba, "Smiling", change(PART, "000007.jpg 0", "000007.jpg"), ["line 7 is not a file"]),
    "celeba partition empty": (celeba, "Smiling", filled(PART, b"\n"), ["is empty", CUHK]),
    "celeba partition binary": (celeba, "Smiling", filled(PART, b"\xff\xfe\x00"), ["is not text", CUHK]),
    "celeba identity": (celeba, "Smiling", change(WHO, "000007.jpg 103", "seven"), ["line 7 is not a file"]),
    "celeba identity short": (celeba, "Smiling", change(WHO, "000007.jpg 103\n", ""), ["does not list 000007"]),
    "celeba identity empty": (celeba, "Smiling", filled(WHO, b""), ["is empty", CUHK]),
    "celeba identity binary": (celeba, "Smiling", filled(WHO, b"\xff\xfe\x00"), ["is not text", CUHK]),
    "celeba csv": (table, "Smiling", gone(f"{ATTR[:-3]}csv"), [f"{ATTR} is missing", CUHK]),
    "celeba csv empty": (table, "Smiling", filled(f"{ATTR[:-3]}csv", b""), ["is empty", CUHK]),
    "celeba csv header": (table, "Smiling", change(f"{ATTR[:-3]}csv", "image_id", "name"), ["line 2 is not a file"]),
    "celeba csv value": (table, "Smiling", change(f"{ATTR[:-3]}csv", "1,-1,1", "1,,1"), ["neither 1 nor -1", CUHK]),
    "celeba csv partition": (table, "Smiling", gone(f"{PART[:-3]}csv"), [f"{PART} is missing", CUHK]),
    "celeba csv split": (table, "Smiling", change(f"{PART[:-3]}csv", "07.jpg,0", "07.jpg,"), ["line 8 is not a file"]),
    "celeba images": (celeba, "Smiling", gone("img_align_celeba"), ["img_align_celeba is missing", CUHK]),
    "celeba no images": (celeba, "Smiling", emptied, ["holds no images", CUHK]),
    "celeba one image": (celeba, "Smiling", filled("img_align_celeba/000009.jpg", b""), ["000009.jpg is empty"]),
    "celeba broken image": (celeba, "Smiling", filled("img_align_celeba/000009.jpg", b"no"), ["9.jpg is not an image"]),
    "celeba lost image": (celeba, "Smiling", gone("img_align_celeba/000009.jpg"), ["000009.jpg does not exist"]),
    "muct images": (muct, "gender", gone("jpg"), ["holds no images such as i000qa-fn.jpg", MILBO]),
    "muct name": (muct, "gender", filled("jpg/holiday.jpg", b"x"), ["holiday.jpg does not have a name"]),
    "muct empty image": (muct, "gender", filled("jpg/i000qa-fg.jpg", b""), ["i000qa-fg.jpg is empty"]),
    "muct broken image": (muct, "gender", filled("jpg/i000qa-fg.jpg", b"no"), ["i000qa-fg.jpg is not an image"]),
    "muct label": (muct, "Smiling", lambda f: None, ["give --label gender or glasses"]),
    "muct archive cut": (packed, "", cut("muct-b-jpg-v1.tar.gz"), ["muct-b-jpg-v1.tar.gz is damaged", MILBO]),
    "muct archive empty": (packed, "", filled("muct-b-jpg-v1.tar.gz", b"no archive"), ["is damaged or cut off", MILBO]),
    "muct archive of nothing": (packed, "", hollow, ["holds no images such as i000qa-fn.jpg", MILBO]),
    "muct archive a folder": (packed, "", lambda f: (f / "x.tar.gz").mkdir(), ["is a folder: name an archive"]),
    "muct archive twice": (packed, "", again, ["both contain"]),
    "folder": (muct, "", lambda f: shutil.rmtree(f), ["does not exist: give --data muct:DIR"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_part_that_is_missing_or_malformed_is_one_sentence(name: str, tmp_path: Path) -> None:
    make, label, breaks, sentences = BROKEN[name]
    folder = tmp_path / "set"
    folder.mkdir()
    make(folder)
    breaks(folder)
    kind = name.split()[0] if name != "folder" else "muct"
    with pytest.raises(InputError) as caught:
        load(f"{kind}:{folder}", label=label)
    message = str(caught.value)
    for sentence in sentences:
        assert sentence in message
    assert message.count("\n") == 0
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["lfw table", "celeba partition", "muct archive cut"])
def test_the_command_line_says_it_with_exit_code_2(name: str, bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    make, label, breaks, sentences = BROKEN[name]
    folder = tmp_path / "set"
    make(folder)
    breaks(folder)
    data = f"{name.split()[0]}:{folder}"
    words = ["optimize", tiny / "model.onnx", "--data", data, "--label", label, "--out", tmp_path / "run"]
    done = bbdft(*words, code=2)
    assert sentences[0] in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_sources_that_only_look_like_layouts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lfws:.* does not exist"):
        load(f"lfws:{tmp_path / 'nowhere'}")
    with pytest.raises(InputError, match="unknown layout 'lfws': did you mean 'lfw'"):
        load(f"lfws:{tmp_path}")
    write(tmp_path / "a/x.jpg", picture(9))
    write(tmp_path / "b/x.jpg", picture(9))
    with pytest.raises(InputError, match="leave --label out"):
        load(tmp_path, label="Smiling")
    # The column of a table, and what else it says.
    rows = "\n".join(f"a/{n}.jpg,{n % 2},{'dark' if n % 3 else 'light'}" for n in range(12))
    (tmp_path / "t.csv").write_text(f"file,Smiling,skin\n{rows}\n")
    for number in range(12):
        write(tmp_path / f"a/{number}.jpg", picture(9))
    data = load(tmp_path / "t.csv", label="Smiling")
    assert data.classes == ("0", "1")
    assert data.traits == {"skin": tuple("dark" if n % 3 else "light" for n in range(12))}
    with pytest.raises(InputError, match="no column 'Smile': give --label one of file, smiling, skin"):
        load(tmp_path / "t.csv", label="Smile")


def test_a_run_on_a_layout_remembers_its_label(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    data = f"celeba:{celeba(tmp_path / 'set', identity=False)}"
    maps = ["--map", "Smiling=bright", "--map", "not Smiling=dark"]
    words = ["--data", data, "--label", "Smiling", "--space", "color", "--budget", 400, "--out", tmp_path / "run"]
    bbdft("optimize", tiny / "model.onnx", *words, *maps, code=0)
    before = json.loads((tmp_path / "run/summary.json").read_text())
    bbdft("resume", tmp_path / "run", code=0)
    after = json.loads((tmp_path / "run/summary.json").read_text())
    assert before["accuracy"] == after["accuracy"]
    assert before["queries"] == after["queries"]
    bbdft("evaluate", tmp_path / "run", "--split", "val", code=0)
