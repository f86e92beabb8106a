"""Shared options: generated from ``Config`` and ``TargetOptions``, on the command line and in TOML files."""

import json
import shlex
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click
import pytest

from blackbox_dft import Config, TargetOptions
from blackbox_dft._utils.options import Option, options_of
from blackbox_dft.cli import bbdft as commands
from blackbox_dft.cli.common_options import take_config
from blackbox_dft.run.fingerprint import fingerprint
from blackbox_dft.run.provenance import command
from tests.conftest import Bbdft

NOT_OPTIONS = {Config: {"target", "target_options"}, TargetOptions: set()}
"""The argument TARGET, and what holds the other table."""
ALL = [(kind, option) for kind in (Config, TargetOptions) for option in options_of(kind).values()]
RESUMABLE = {
    "data", "allow_outside", "budget", "price", "early_stop", "evaluate", "precision", "known", "calibrate", "in_doubt",
    "accept_drift", "provider", "batch", "workers", "headers", "cert", "rate", "timeout", "patience", "insecure",
    "cluster", "find_input",
}  # fmt: skip
"""Options with which a run may continue under other values."""


def another_value(option: Option) -> Any:
    """A value that is not the default of ``option``."""
    if option.choices:
        return next(choice for choice in option.choices if choice != option.default)
    if option.about.parse or option.repeated:
        item = {"size": (8, 9), "mean": (0.5, 0.25, 0.125), "std": (0.5,), "cluster": "local"}
        return item.get(option.name, ("a=b", "c=d"))
    if option.name == "epsilon":
        return "4/255"
    if option.name == "evaluate":
        return "enough"
    if option.name == "fit":
        return "crop:0.875"
    if option.name == "metric":
        return "balanced-accuracy"
    values = {bool: not option.default, int: 3, float: 0.5, str: "other"}
    return values[option.type]


def configured(kind: type, name: str, value: Any) -> Config:
    config = Config("model.onnx", "labels.csv")
    if kind is Config:
        return replace(config, **{name: value})
    return replace(config, target_options=replace(config.target_options, **{name: value}))


def parsed(words: list[str]) -> Config:
    """The configuration that ``bbdft optimize`` makes of ``words``."""
    optimize = commands.commands["optimize"]
    with optimize.make_context("optimize", words) as context:
        return take_config({key: value for key, value in context.params.items() if key in known()})


def known() -> set[str]:
    return {"target", *(option.key for _, option in ALL)}


def test_every_field_is_an_option() -> None:
    for kind, without in NOT_OPTIONS.items():
        assert set(options_of(kind)) == {field.name for field in fields(kind)} - without
    assert len(known()) == len(ALL) + 1, "two options have the same name"


@pytest.mark.parametrize(("kind", "option"), ALL, ids=[option.name for _, option in ALL])
def test_every_option_is_on_the_command_line_in_toml_in_the_fingerprint_and_in_reports(
    kind: type, option: Option, tmp_path: Path
) -> None:
    params = {flag: param for param in commands.commands["optimize"].params for flag in param.opts}
    for flag in option.flags:
        assert params[flag].name == option.key
    assert option.about.help.endswith((".", "Its type."))
    # The command in the report repeats the configuration, and so does a TOML file.
    value = another_value(option)
    config = configured(kind, option.name, value)
    words = shlex.split(command(config))[2:]
    assert parsed(words) == config
    given = option.about.separator.join(map(str, value)) if option.about.parse and isinstance(value, tuple) else value
    (tmp_path / "run.toml").write_text(f"{option.key.replace('_', '-')} = {json.dumps(given)}\n")
    others = [] if option.name == "data" else ["--data", "labels.csv"]
    assert parsed(["model.onnx", *others, "--out", "RUN", "--config", str(tmp_path / "run.toml")]) == config
    # In the fingerprint or not, as the table says.
    same = fingerprint(config) == fingerprint(Config("model.onnx", "labels.csv"))
    assert same == (option.name in RESUMABLE) == (not option.about.fingerprint)


def test_compare_takes_its_shared_options_from_the_table() -> None:
    optimize, compare = ({p.name: p for p in commands.commands[name].params} for name in ("optimize", "compare"))
    for name in ("epsilon", "repeats", "map", "reserve", "accept_drift", "provider", "cluster", "price", "dry_run"):
        one, other = (options[name].to_info_dict() for options in (optimize, compare))
        assert one == other


def test_values_that_are_none_are_refused() -> None:
    for words, sentence in (
        (["--mean", "a,b"], "'a,b' is not a list of numbers: write 0.485,0.456,0.406"),
        (["--size", "big"], "'big' is not a size: write HEIGHTxWIDTH, such as 112x112"),
        (["--model-classes", "a,a"], "'a,a' names a class twice or leaves one empty: write a,b,c"),
    ):
        with pytest.raises(click.BadParameter) as caught:
            parsed(["model.onnx", "--data", "labels.csv", "--out", "RUN", *words])
        assert sentence in str(caught.value)


def test_cluster_none_is_this_process() -> None:
    words = ["model.onnx", "--data", "labels.csv", "--out", "RUN", "--cluster", "none"]
    assert parsed(words).target_options.cluster == ""


def test_later_config_files_win_and_options_win_over_files(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(f'data = "{tiny / "labels.csv"}"\nspace = "color"\nbudget = 1000\nseed = 3\n')
    model = tiny / "model.onnx"
    bbdft("optimize", model, "--config", tmp_path / "run.toml", "--out", tmp_path / "run", "--seed", 4, code=0)
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert (summary["space"], summary["budget"], summary["seed"]) == ("color", 1000, 4)
    (tmp_path / "bad.toml").write_text("spce = 'color'\n")
    done = bbdft("optimize", model, "--config", tmp_path / "bad.toml", "--out", tmp_path / "no", code=2)
    assert "did you mean 'space'" in done.stderr
    (tmp_path / "later.toml").write_text("seed = 5\nrange = '0..255'\nmap = ['a=b']\nmean = [0.5, 0.25]\n")
    files = ["--config", str(tmp_path / "run.toml"), "--config", str(tmp_path / "later.toml")]
    config = parsed(["model.onnx", *files, "--out", "RUN", "--space", "affine"])
    assert (config.seed, config.space, config.budget, config.map) == (5, "affine", 1000, ("a=b",))
    assert (config.target_options.range, config.target_options.mean) == ("0..255", (0.5, 0.25))
