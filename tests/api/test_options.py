"""Keyword arguments: the command line's names, values as Python has them, and what is refused."""

import typing
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from blackbox_dft import Config, InputError, Options, TargetOptions, load_options
from blackbox_dft.api.options import configure, known_options, metric_text
from blackbox_dft.cli import bbdft
from tests.helpers.markdown import ROOT, section

PAGE = ROOT / "docs" / "how-to" / "use-from-python.md"


def options_of(command: click.Command) -> set[str]:
    """Names of the options of a command, as Python would spell them."""
    flags = [name for one in command.params if isinstance(one, click.Option) for name in one.opts]
    return {name.removeprefix("--").replace("-", "_") for name in flags if name.startswith("--")}


def test_every_option_of_a_run_is_a_keyword_argument() -> None:
    assert set(typing.get_type_hints(Options)) == set(known_options())


def test_every_option_of_the_command_line_has_a_twin() -> None:
    """Those that are no options of a run are in the table of the page."""
    table = section(PAGE, "## What the commands and their options are called here")
    for name, command in bbdft.commands.items():
        # The page says that these are on the command line only.
        known = (
            options_of(command) if name in ("serve", "profiles", "completion", "cache", "env") else set(known_options())
        )
        for option in options_of(command) - known:
            assert f"`--{option.replace('_', '-')}`" in table, (name, option)
        assert f"`bbdft {name}`" in table, name


def test_values_are_as_python_has_them() -> None:
    config = configure(
        "m.onnx",
        "d.csv",
        {
            "map": {"smile": "happy", "nonsmile": ["sad", "angry"]},
            "model_classes": ["happy", "sad", "angry"],
            "evaluate": 200,
            "early_stop": False,
            "epsilon": 8 / 255,
            "channel_order": "bgr",
            "mean": 0.5,
            "std": "0.2,0.2,0.3",
            "size": (112, 96),
            "header": {"Authorization": "Bearer {env:KEY}"},
            "workers": 4,
            "known": Path("scores.csv"),
        },
    )
    assert config.map == ("smile=happy", "nonsmile=sad,angry")
    assert (config.evaluate, config.early_stop, config.known) == ("200", False, "scores.csv")
    assert config.target_options == TargetOptions(
        classes=("happy", "sad", "angry"),
        channels="bgr",
        mean=(0.5,),
        std=(0.2, 0.2, 0.3),
        size=(112, 96),
        headers=("Authorization: Bearer {env:KEY}",),
        workers=4,
    )


def test_texts_are_read_as_on_the_command_line() -> None:
    texts = {"size": "112x96", "model_classes": "a,b", "map": "a=b", "header": "X: 1"}
    config = configure("m.onnx", "d.csv", texts)
    assert (config.target_options.size, config.target_options.classes) == ((112, 96), ("a", "b"))
    assert (config.map, config.target_options.headers) == (("a=b",), ("X: 1",))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"earlystop": True}, "there is no option earlystop=: did you mean early_stop="),
        ({"classes": ["a"]}, "there is no option classes=: did you mean model_classes="),
        ({"quxblarg": 1}, "there is no option quxblarg=: there are accept_drift, allow_outside"),
        ({"budget": -1}, "budget=-1: it must be at least 1."),
        ({"output_map": "cubic"}, "output_map='cubic': it must be 'auto', 'none', 'bias' or 'linear'."),
        ({"channel_order": "xyz"}, "channel_order='xyz': it must be "),
        ({"size": "large"}, "size='large': 'large' is not a size"),
        ({"budget": {"a": 1}}, "budget= takes no mapping."),
        ({"workers": 2, "concurrency": 3}, "concurrency= is the same option: give one of the two."),
    ],
)
def test_what_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(InputError) as caught:
        configure("m.onnx", "d.csv", given)
    assert said in str(caught.value)
    assert "--" not in str(caught.value)


def test_options_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('budget = 500\nearly-stop = false\nmap = ["a=b"]\ndata = "d.csv"\n')
    (tmp_path / "b.toml").write_text("budget = 700\n")
    found = load_options(tmp_path / "a.toml", tmp_path / "b.toml")
    assert found == {"budget": 700, "early_stop": False, "map": ["a=b"], "data": "d.csv"}
    found.pop("data")
    assert configure("m", "d.csv", found) == Config("m", "d.csv", budget=700, early_stop=False, map=("a=b",))
    (tmp_path / "c.toml").write_text("bugdet = 700\n")
    with pytest.raises(InputError, match="did you mean budget="):
        load_options(tmp_path / "c.toml")


def test_costs_may_have_labels_and_numbers_of_numpy() -> None:
    zero, one = np.arange(2)
    costs: Any = {zero: {zero: np.float32(0), one: np.int64(5)}, one: {zero: 1, one: 0}}
    assert metric_text("metric", costs) == 'cost:{"0": {"0": 0.0, "1": 5.0}, "1": {"0": 1, "1": 0}}'
