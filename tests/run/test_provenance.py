"""The command, versions and digests that reproduce a run."""

from pathlib import Path

import pytest

from blackbox_dft import Config, InputError
from blackbox_dft.run.provenance import command, provenance, public
from blackbox_dft.targets import TargetOptions


def test_the_command_has_all_options_and_no_secrets() -> None:
    options = TargetOptions(classes=("a", "b c"), headers=("X: {env:KEY}",), size=(8, 9), workers=3, insecure=True)
    config = Config(
        "https://me:pw@host/v2?key=s3cret&k={env:KEY}", "lfw:d", label="Smiling", map=("a=b", "c=*"), seed=3,
        distance_weight=2.5, skip_bad=True, target_options=options,
    )  # fmt: skip
    words = command(config)
    assert "pw" not in words
    assert "s3cret" not in words
    for part in (
        "--map a=b", "--map 'c=*'", "--label Smiling", "--seed 3", "--distance-weight 2.5", "--skip-bad",
        "--model-classes 'a,b c'", "--header 'X: {env:KEY}'", "--size 8x9", "--concurrency 3", "--insecure",
    ):  # fmt: skip
        assert part in words
    assert "--space" not in words
    assert public("model.onnx?x=1") == "model.onnx?x=1"


def test_versions_and_digests_come_from_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"versions": {"numpy": "2.0"}, "inputs": {"images": "ab"}}')
    assert provenance(tmp_path) == ({"numpy": "2.0"}, {"images": "ab"})
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(InputError, match="cannot be read"):
        provenance(tmp_path)
