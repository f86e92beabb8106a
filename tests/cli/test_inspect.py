"""``bbdft inspect``: inputs, outputs, speed and noise of a target."""

import json
from pathlib import Path

import pytest

from tests.conftest import Bbdft
from tests.helpers.recording_server import RecordingServer


def test_inspect_shows_what_was_inferred(bbdft: Bbdft, tiny: Path) -> None:
    found = json.loads(bbdft("inspect", tiny / "model.onnx", "--json", code=0, fresh=True).stdout)
    assert found["layout"] == "nchw"
    assert found["classes"] == ["dark", "bright"]
    assert found["provider"] == "cpu"
    assert found["noise"] == 0
    assert found["scores"]["kind"] == "probabilities"
    assert "best batch" in bbdft("inspect", tiny / "model.onnx", code=0).stdout


def test_inspect_needs_no_splits(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text(f"file,label\n{(tiny / 'images/000.png').as_posix()},nan\n")
    found = bbdft("inspect", tiny / "model.onnx", "--data", tmp_path / "one.csv", "--json", code=0).stdout
    # What is odd in the images is said here, too.
    assert "1 image has the label 'nan', which looks like a missing value: fill it in" in json.loads(found)["notes"]


def test_show_prints_one_exchange_without_secrets(bbdft: Bbdft, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCORES_KEY", "hush123")
    server = RecordingServer()
    server.respond = lambda body: {"predictions": [{"label": "A", "score": 0.75}], "key": "hush123"}
    options = ["--profile", "image-json", "--model-classes", "a,b", "--size", 16]
    header = ["--header", "Authorization: Bearer {env:SCORES_KEY}"]
    shown = bbdft("inspect", server.url, *options, *header, "--show", code=0).stdout
    assert "> POST " in shown
    assert "< 200 OK" in shown
    assert "scores: a 0.75, b 0" in shown
    assert "hush123" not in shown
    assert len(server.requests) == 1
    server.server.shutdown()


def test_show_is_for_urls(bbdft: Bbdft, tiny: Path) -> None:
    assert "--show prints requests to a URL" in bbdft("inspect", tiny / "model.onnx", "--show", code=2).stderr


def test_find_input_prints_a_table_a_sentence_and_the_options(bbdft: Bbdft, tiny: Path) -> None:
    words = ["inspect", tiny / "model.onnx", "--data", tiny / "labels.csv", "--find-input", "--budget", 200]
    found = json.loads(bbdft(*words, "--range", "-1..1", "--json", code=0).stdout)["input"]
    assert {"order", "range", "mean", "std", "fit", "filter", "accuracy", "ci95", "queries", "options"} <= set(found)
    assert found["queries"] <= 200
    shown = bbdft(*words, "--range", "-1..1", code=0).stdout.splitlines()
    assert shown[0].split()[:3] == ["hypothesis", "images", "accuracy"]
    assert any(line.startswith("RGB, -1..1, stretched ") for line in shown)
    assert any(f", {found['queries']} queries" in line for line in shown)
    if found["options"]:
        assert shown[-1] == f"give: {' '.join(found['options'])}"


def test_find_input_needs_data_and_an_onnx_file(bbdft: Bbdft, tiny: Path) -> None:
    assert "--find-input needs labelled images" in bbdft("inspect", tiny / "model.onnx", "--find-input", code=2).stderr
    data = ["--data", tiny / "labels.csv"]
    assert "for --find-input" in bbdft("inspect", tiny / "model.onnx", *data, "--budget", 100, code=2).stderr


def test_labelled_images_show_accuracy_and_the_mapping(bbdft: Bbdft, tiny: Path) -> None:
    words = ["inspect", tiny / "model.onnx", "--data", tiny / "labels.csv"]
    found = json.loads(bbdft(*words, "--json", code=0).stdout)
    assert found["label_mapping"] == {"bright": ["bright"], "dark": ["dark"]}
    accuracy = found["accuracy"]
    # The model calls nearly all of them dark.
    assert accuracy["images"] == 16
    assert accuracy["unchanged"] == accuracy["right"] / 16
    assert 0.2 < accuracy["unchanged"] < 0.8
    without = json.loads(bbdft(*words[:2], "--json", code=0).stdout)
    assert "accuracy" not in without
    swapped = json.loads(bbdft(*words, "--map", "bright=dark", "--map", "dark=bright", "--json", code=0).stdout)
    assert swapped["label_mapping"] == {"bright": ["dark"], "dark": ["bright"]}
    assert swapped["accuracy"]["right"] == 16 - accuracy["right"]
    assert "unchanged" in bbdft(*words, code=0).stdout


def test_labels_that_no_class_has_are_a_note(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "two.csv").write_text(
        f"file,label\n{(tiny / 'images/000.png').as_posix()},cat\n{(tiny / 'images/001.png').as_posix()},dog\n"
    )
    found = json.loads(bbdft("inspect", tiny / "model.onnx", "--data", tmp_path / "two.csv", "--json", code=0).stdout)
    assert "accuracy" not in found
    assert any(note.startswith("no accuracy: ") for note in found["notes"])
