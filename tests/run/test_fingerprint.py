"""What a run may not change, and how the error names it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blackbox_dft import Config, TargetOptions
from blackbox_dft.run.fingerprint import changed, fingerprint
from tests.conftest import Bbdft

CONFIG = Config("model.onnx", "labels.csv", seed=3, path="fused", target_options=TargetOptions(mean=(0.5, 0.25)))


def test_the_fingerprint_is_what_comes_back_from_a_file() -> None:
    found = fingerprint(CONFIG)
    assert json.loads(json.dumps(found)) == found
    assert found["target_options.mean"] == [0.5, 0.25]
    assert found["seed"] == 3
    assert "seed" not in fingerprint(CONFIG, but=["seed"])


def test_a_change_is_named_with_both_values_and_its_flag() -> None:
    other = replace(CONFIG, target_options=TargetOptions(mean=(0.5,), channels="bgr"))
    change = changed(fingerprint(CONFIG), fingerprint(other))
    assert change == ("target_options.channels", "auto", "bgr")
    assert change
    assert change.flag == "--channel-order"


@pytest.mark.parametrize(
    "options",
    [
        {"provider": "cpu"},
        {"workers": 4, "batch": 3, "cluster": "local"},
        {"timeout": 1.0, "patience": 2.0, "rate": "1/s", "headers": ("A: b",), "cert": "me.pem", "insecure": True},
    ],
)
def test_how_and_where_a_target_is_called_may_change(options: dict[str, Any]) -> None:
    other = replace(CONFIG, target_options=replace(CONFIG.target_options, **options), budget=5, target="there.onnx")
    assert changed(fingerprint(CONFIG), fingerprint(other)) is None


def test_files_of_other_versions_are_read() -> None:
    now = fingerprint(CONFIG)
    # Keys that are no longer kept, and an option that there was not yet: it had its default then.
    assert changed({**now, "hedge": 3, "target_options.provider": "cuda"}, now) is None
    early = {key: value for key, value in now.items() if key != "repeats"}
    assert changed(early, now) is None
    assert changed(early, {**now, "repeats": 2}) == ("repeats", 1, 2)
    # Before there was --path, images were changed as arrays.
    before = {key: value for key, value in now.items() if key != "path"}
    assert changed(before, {**now, "path": "array"}) is None
    assert changed(before, now) == ("path", "array", "fused")


@pytest.mark.parametrize(
    ("key", "value", "recorded"),
    [
        ("seed", 5, "0"),
        ("space", "affine", '"color"'),
        ("estimator", "cma-es", '"auto"'),
        ("target_options.layout", "nchw", '"auto"'),
        ("encoding", "jpeg:90", '"png"'),
    ],
)
def test_an_edited_key_is_named(key: str, value: object, recorded: str, copied: Path, bbdft: Bbdft) -> None:
    path = copied / "run/config.json"
    document = json.loads(path.read_text())
    table, _, last = key.rpartition(".")
    (document["config"][table] if table else document["config"])[last] = value
    path.write_text(json.dumps(document))
    done = bbdft("resume", "run", cwd=copied, code=2)
    assert f"'{key}' is {json.dumps(value)}, and was {recorded}" in done.stderr or "the splits changed" in done.stderr
    assert "bbdft: " in done.stderr.splitlines()[-1]


def test_a_changed_image_is_named(copied: Path, bbdft: Bbdft) -> None:
    shutil.copy(copied / "images/001.png", copied / "images/000.png")
    done = bbdft("resume", "run", cwd=copied, code=2)
    assert "labels.csv: the images changed (images/000.png) since run was started" in done.stderr
