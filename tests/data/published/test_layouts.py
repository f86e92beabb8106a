"""``NAME:DIR``: which sources are layouts, and layouts on the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from blackbox_dft.data import load
from blackbox_dft.errors import InputError
from tests.conftest import Bbdft
from tests.helpers.published import celeba, lfw, picture, remove, write


def test_paths_with_colons_and_unknown_layouts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lfws:.* does not exist"):
        load(f"lfws:{tmp_path / 'nowhere'}")
    with pytest.raises(InputError, match="unknown layout 'lfws': did you mean 'lfw'"):
        load(f"lfws:{tmp_path}")
    write(tmp_path / "a/x.jpg", picture(9))
    write(tmp_path / "b/x.jpg", picture(9))
    with pytest.raises(InputError, match="leave --label out"):
        load(tmp_path, label="Smiling")
    # A column of a table as label, and its other columns as traits.
    rows = "\n".join(f"a/{n}.jpg,{n % 2},{'dark' if n % 3 else 'light'}" for n in range(12))
    (tmp_path / "t.csv").write_text(f"file,Smiling,skin\n{rows}\n")
    for number in range(12):
        write(tmp_path / f"a/{number}.jpg", picture(9))
    data = load(tmp_path / "t.csv", label="Smiling")
    assert data.classes == ("0", "1")
    assert data.traits == {"skin": tuple("dark" if n % 3 else "light" for n in range(12))}
    with pytest.raises(InputError, match="no column 'Smile': give --label one of file, smiling, skin"):
        load(tmp_path / "t.csv", label="Smile")


@pytest.mark.parametrize(
    ("kind", "make", "part"),
    [("lfw", lfw, "lfw_attributes.txt"), ("celeba", celeba, "list_eval_partition.txt")],
)
def test_a_missing_table_ends_the_command_with_exit_code_2(
    kind: str, make: Callable[[Path], Path], part: str, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    remove(part)(make(folder))
    words = ["--data", f"{kind}:{folder}", "--label", "Smiling", "--out", tmp_path / "run"]
    done = bbdft("optimize", tiny / "model.onnx", *words, code=2)
    assert f"{part} is missing" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_resumed_run_keeps_its_label(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
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
