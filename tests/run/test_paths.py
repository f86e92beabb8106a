"""Paths of a run: found from any working directory, and after the run has moved."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blackbox_dft import Config, TargetOptions
from blackbox_dft.run.fingerprint import changed, fingerprint
from blackbox_dft.run.paths import record_paths, restore_paths
from tests.conftest import Bbdft
from tests.helpers.recording_server import RecordingServer, decoded


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a model, data, a profile, a certificate and an empty folder of a run."""
    folder = tmp_path / "home"
    (folder / "data/faces").mkdir(parents=True)
    (folder / "runs/one").mkdir(parents=True)
    for name in ("model.onnx", "data/labels.csv", "mine.toml", "me.pem"):
        (folder / name).touch()
    monkeypatch.chdir(folder)
    return folder


def moved(config: Config, home: Path, run: Path) -> Config:
    """The configuration as it is read after it was recorded for the run ``runs/one``."""
    places = json.loads(json.dumps(record_paths(config, home / "runs/one")))
    return restore_paths(config, places, run)


def test_paths_are_recorded_absolute_and_relative(home: Path) -> None:
    config = Config("model.onnx", "data/labels.csv", target_options=TargetOptions(profile="mine.toml", cert="me.pem"))
    assert record_paths(config, Path("runs/one")) == {
        "target": {"absolute": str(home / "model.onnx"), "relative": "../../model.onnx"},
        "data": {"absolute": str(home / "data/labels.csv"), "relative": "../../data/labels.csv"},
        "profile": {"absolute": str(home / "mine.toml"), "relative": "../../mine.toml"},
        "cert": {"absolute": str(home / "me.pem"), "relative": "../../me.pem"},
    }


@pytest.mark.parametrize(
    ("target", "data", "profile"),
    [
        ("model.onnx", "data/labels.csv", "mine.toml"),
        ("./model.onnx", "lfw:data/faces", "v2"),
        ("opencv:model.onnx", "data", "image-json"),
        ("https://scores.example/v2/models/tone", "data/labels.csv", "mine.toml"),
    ],
)
def test_a_run_is_read_from_anywhere_and_moves_with_its_data(
    target: str, data: str, profile: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config(target, data, target_options=TargetOptions(profile=profile))
    # From the same place the texts are as they were given.
    assert moved(config, home, home / "runs/one") == config

    def at(folder: Path, text: str) -> str:
        prefix, _, path = text.rpartition(":")
        named = Path(path).exists() or path.endswith((".onnx", ".toml")) or path.startswith("data")
        return text if "://" in text or not named else f"{prefix}{':' if prefix else ''}{folder / path}"

    places = record_paths(config, home / "runs/one")
    (home.parent / "away").mkdir()
    monkeypatch.chdir(home.parent / "away")
    found = restore_paths(config, places, home / "runs/one")
    assert (found.target, found.data) == (at(home, target), at(home, data))
    assert found.target_options.profile == at(home, profile)
    # A profile's place is no change, and others are.
    assert changed(fingerprint(config), fingerprint(found)) is None
    other = replace(config, target_options=TargetOptions(profile="form-json"))
    assert changed(fingerprint(other), fingerprint(found)) is not None
    # The run alone was moved: what it names is where it was.
    shutil.copytree(home / "runs/one", home.parent / "elsewhere/deep/one")
    assert restore_paths(config, places, home.parent / "elsewhere/deep/one") == found
    # It was moved with its data.
    home.rename(home.parent / "new")
    found = restore_paths(config, places, home.parent / "new/runs/one")
    assert (found.target, found.data) == (at(home.parent / "new", target), at(home.parent / "new", data))


def test_what_is_gone_is_named_by_its_place(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config("model.onnx", "data")
    places = record_paths(config, home / "runs/one")
    (home / "model.onnx").unlink()
    monkeypatch.chdir(home.parent)
    assert restore_paths(config, places, home / "runs/one").target == str(home / "model.onnx")


def test_a_function_has_no_path(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "some_scores.py").write_text("def f(images): ...\n")
    (home / "f").mkdir()
    monkeypatch.setattr(sys, "path", [str(home), *sys.path])
    import some_scores  # type: ignore[import-not-found]

    assert some_scores
    places = record_paths(Config("some_scores:f", "data"), home / "runs/one")
    assert places["module"] == {"absolute": str(home), "relative": "../.."}
    assert "target" not in places
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place != str(home)])
    assert restore_paths(Config("some_scores:f", "data"), places, home / "runs/one").target == "some_scores:f"
    assert str(home) in sys.path
    # An installed module is imported from where it is installed.
    assert record_paths(Config("numpy:mean", "data"), home / "runs/one").keys() == {"data"}


def test_commands_take_a_run_from_anywhere(copied: Path, bbdft: Bbdft, tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    bbdft("resume", copied / "run", "--budget", 1500, cwd=tmp_path / "away", code=0)
    bbdft("evaluate", "../there/run", cwd=tmp_path / "away", code=0)
    bbdft("report", copied / "run", cwd=tmp_path / "away", code=0)
    shutil.move(copied, tmp_path / "moved")
    bbdft("resume", tmp_path / "moved/run", "--budget", 2200, cwd=tmp_path / "away", code=0)
    document = json.loads((tmp_path / "moved/run/config.json").read_text())
    assert document["paths"]["data"] == {"absolute": str(tmp_path / "moved/labels.csv"), "relative": "../labels.csv"}


@pytest.mark.parametrize("command", ["resume", "evaluate"])
@pytest.mark.parametrize(("what", "file"), [("data", "labels.csv"), ("target", "model.onnx")])
def test_a_run_whose_files_are_gone_says_where_they_were(
    command: str, what: str, file: str, copied: Path, bbdft: Bbdft, tmp_path: Path
) -> None:
    first = json.loads((copied / "run/config.json").read_text())["paths"][what]["absolute"]
    document = (copied / "run/config.json").read_text().replace(first, str(copied / file))
    (copied / "run/config.json").write_text(document)
    (copied / file).unlink()
    said = bbdft(command, copied / "run", cwd=tmp_path, code=2).stderr
    assert f"{copied / file}, the {what} of {copied / 'run'}, is gone: put it back there" in said
    if what == "data" and command == "evaluate":
        (copied / "other.csv").write_text("file,label\nimages/000.png,dark\n")
        bbdft("evaluate", copied / "run", "--data", copied / "other.csv", cwd=tmp_path, code=0)


def test_a_function_is_found_from_anywhere(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    shutil.copytree(tiny, folder)
    (folder / "own_scores.py").write_text(
        "import numpy as np\n"
        "def score(images):\n"
        "    p = 1 / (1 + np.exp(-80 * (images.mean((1, 2, 3)) / 255 - 0.5)))\n"
        "    return np.stack([1 - p, p], 1)\n"
        "score.classes = ['dark', 'bright']\n"
    )
    line = ["optimize", "own_scores:score", "--data", "labels.csv", "--out", "run", "--space", "color", "--budget", 800]
    bbdft(*line, cwd=folder, code=0, fresh=True)
    (tmp_path / "away").mkdir()
    bbdft("resume", folder / "run", "--budget", 1400, cwd=tmp_path / "away", code=0, fresh=True)
    folder.rename(tmp_path / "moved")
    bbdft("evaluate", tmp_path / "moved/run", cwd=tmp_path / "away", code=0, fresh=True)


def test_files_of_secrets_are_found_from_anywhere(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    shutil.copytree(tiny, folder)
    (folder / "api").mkdir()
    (folder / "api/secret").write_text("abc")
    (folder / "token").write_text("def")
    (folder / "api/my.toml").write_text(
        'name = "mine"\n[request]\nheaders = { X-Key = "{file:secret}" }\njson = { image = "{base64}" }\n'
        '[response]\nitems = "predictions"\nlabel = "label"\nscore = "score"\n'
    )
    server = RecordingServer()

    def respond(body: bytes) -> Any:
        bright = float(decoded(json.loads(body)["image"]).mean() > 127)
        return {"predictions": [{"label": "dark", "score": 1 - bright}, {"label": "bright", "score": bright}]}

    server.respond = respond
    line = ["optimize", server.url, "--profile", "api/my.toml", "--header", "X-Token: {file:token}", "--size", 16]
    line += ["--data", "labels.csv", "--out", "run", "--space", "color", "--budget", 450, "--quiet", "--concurrency", 4]
    bbdft(*line, "--model-classes", "dark,bright", cwd=folder, code=0)
    folder.rename(tmp_path / "moved")
    (tmp_path / "away").mkdir()
    (tmp_path / "away/token").write_text("another")
    bbdft("evaluate", tmp_path / "moved/run", "--split", "val", cwd=tmp_path / "away", code=0)
    assert {(headers["x-key"], headers["x-token"]) for _, headers, _ in server.requests} == {("abc", "def")}
    server.server.shutdown()
