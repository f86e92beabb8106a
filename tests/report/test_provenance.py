"""The command, versions and digests that reproduce a run."""

from dataclasses import fields
from pathlib import Path

import pytest

from blackbox_dft import Config, InputError
from blackbox_dft.cli import bbdft as commands
from blackbox_dft.report.provenance import WORDS, command, provenance, public
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


def test_every_option_of_a_run_is_one_of_the_command_line() -> None:
    known = {word for param in commands.commands["optimize"].params for word in param.opts}
    for kind in (Config, TargetOptions):
        for field in fields(kind):
            if field.name not in ("target", "target_options"):
                name = WORDS.get(field.name, field.name).replace("_", "-")
                assert {f"--{name}", f"--{name.removesuffix('s')}"} & known, name


def test_versions_and_digests_come_from_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"versions": {"numpy": "2.0"}, "inputs": {"images": "ab"}}')
    assert provenance(tmp_path) == ({"numpy": "2.0"}, {"images": "ab"})
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(InputError, match="cannot be read"):
        provenance(tmp_path)
