"""MUCT, whole and with each part missing or malformed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from blackbox_dft.data import load
from tests.helpers.published import Case, check_refused, muct, muct_archives, overwrite, remove

MILBO = "www.milbo.org"

BROKEN: dict[str, Case] = {
    "images": (muct, "gender", remove("jpg"), ["holds no images such as i000qa-fn.jpg", MILBO]),
    "name": (muct, "gender", overwrite("jpg/holiday.jpg", b"x"), ["holiday.jpg does not have a name"]),
    "empty image": (muct, "gender", overwrite("jpg/i000qa-fg.jpg", b""), ["i000qa-fg.jpg is empty"]),
    "broken image": (muct, "gender", overwrite("jpg/i000qa-fg.jpg", b"no"), ["i000qa-fg.jpg is not an image"]),
    "label": (muct, "Smiling", lambda f: None, ["give --label gender or glasses"]),
    "folder": (muct, "", lambda f: shutil.rmtree(f), ["does not exist: give --data muct:DIR"]),
}  # fmt: skip


@pytest.mark.parametrize("make", [muct, muct_archives])
@pytest.mark.parametrize(("label", "classes"), [("", ("female", "male")), ("glasses", ("glasses", "no glasses"))])
def test_muct_is_read_from_images_and_from_archives(
    make: Callable[[Path], Path], label: str, classes: tuple[str, str], tmp_path: Path
) -> None:
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


@pytest.mark.parametrize("name", BROKEN)
def test_missing_and_malformed_parts_are_refused(name: str, tmp_path: Path) -> None:
    check_refused("muct", BROKEN[name], tmp_path / "set")
