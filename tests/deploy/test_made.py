"""Provenance of a tuning: in its file, in exported files, and as ``bbdft inspect`` shows it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from blackbox_dft import Tuning
from tests.conftest import Bbdft
from tests.helpers.main_job import words


def test_tuned_files_say_how_they_were_made(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    run, fused, change = tmp_path / "run", tmp_path / "fused.onnx", tmp_path / "change.onnx"
    bbdft(*words(tiny, run), "--quiet", code=0)
    bbdft("export", run, fused, "--fuse", tiny / "model.onnx", code=0)
    bbdft("export", run, change, code=0)
    summary, record = (json.loads((run / name).read_text()) for name in ("summary.json", "config.json"))
    of_file = json.loads(bbdft("inspect", run / "tuning.npz", "--json", code=0).stdout)
    assert json.loads(bbdft("inspect", run, "--json", code=0).stdout) == of_file
    test = summary["accuracy"]["test"]
    assert of_file["test"] == test
    assert of_file["gain"] == round(test["after"] - test["before"], 6)
    assert (of_file["verdict"], of_file["queries"]) == (summary["verdict"], summary["queries"]["total"])
    assert of_file["target_digest"] == record["inputs"]["target"]
    assert of_file["by"].startswith("blackbox-dft ")
    assert f"--data {tiny / 'labels.csv'} --space color" in of_file["command"]
    assert len(of_file["data_digest"]) == 32
    assert of_file["at"].endswith("+00:00")
    of_model = json.loads(bbdft("inspect", fused, "--json", code=0).stdout)
    assert of_model["tuning"] == of_file
    # Its scores are those of the user's labels, which the model's own classes need not be in the order of.
    assert (of_model["output"], of_model["classes"]) == ("labels", ["bright", "dark"])
    assert "data digest" in bbdft("inspect", run, code=0).stdout
    assert "data_digest" in bbdft("inspect", fused, code=0).stdout
    metadata = {entry.key: entry.value for entry in onnx.load(change).metadata_props}
    assert json.loads(metadata["bbdft_tuning"]) == of_file
    # What others wrote under this key is no tuning.
    made = onnx.load(fused)
    for entry in made.metadata_props:
        entry.value = "[1" if entry.key == "bbdft_tuning" else entry.value
    onnx.save(made, fused)
    assert "tuning" not in json.loads(bbdft("inspect", fused, "--json", code=0).stdout)


def test_the_digest_is_of_what_results_depend_on(tmp_path: Path) -> None:
    tuning = Tuning("color", np.full(6, 0.1), (8, 8, 3), labels=("a", "b"))
    made = replace(tuning, made={"by": "a hand", "gain": 0.1})
    made.save(tmp_path / "tuning.npz")
    loaded = Tuning.load(tmp_path)
    assert loaded.made == made.made
    assert loaded.digest == tuning.digest
    assert replace(tuning, z=np.full(6, 0.2)).digest != tuning.digest
    assert replace(tuning, encoding="jpeg:90").digest != tuning.digest
    # Files of before have no such entry, and earlier versions do not read it.
    tuning.save(tmp_path / "old.npz")
    with np.load(tmp_path / "old.npz") as file:
        assert "made" not in file.files
    assert Tuning.load(tmp_path / "old.npz").made == {}
