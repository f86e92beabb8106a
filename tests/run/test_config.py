"""Configurations are checked when they are made, and come back from JSON, also those of earlier versions."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blackbox_dft import Config, InputError, TargetOptions
from blackbox_dft.cli import bbdft as commands
from blackbox_dft.cli.common_options import take
from blackbox_dft.run.config import parse_epsilon
from blackbox_dft.run.fingerprint import fingerprint
from blackbox_dft.run.record import RunRecord

CONFIG = Config("m", "d", map=("a=b",), target_options=TargetOptions(size=(8, 9), headers=("A: b",)))


def test_a_configuration_comes_back_from_json() -> None:
    assert Config.from_json(json.loads(json.dumps(CONFIG.to_json()))) == CONFIG


@pytest.mark.parametrize(("recorded", "space"), [("affine+color", "affine:mirror+color"), ("auto", "auto:mirror")])
def test_before_there_were_borders_they_were_mirrored(recorded: str, space: str) -> None:
    config = Config.from_json({**CONFIG.to_json(), "space": recorded})
    assert config.space == space
    assert config.to_json()["space"] == fingerprint(config)["space"] == recorded
    for text in ("affine", "auto", "affine:black+color", "dct:8+affine:mirror"):
        again = Config.from_json(replace(CONFIG, space=text).to_json())
        assert again.space == text


def test_configurations_of_earlier_versions_are_read() -> None:
    values = asdict(CONFIG)
    del values["path"], values["repeats"], values["start"]
    config = Config.from_json({**values, "hedge": 0.0})
    assert (config.path, config.repeats, config.start) == ("array", 1, "identity")


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown key 'spce'"):
        Config.from_json({**asdict(CONFIG), "spce": "color"})


@pytest.mark.parametrize(("text", "value"), [("51/255", 0.2), (" 1 / 4 ", 0.25), ("0.03", 0.03), ("1", 1.0)])
def test_epsilon_is_a_fraction_or_a_decimal(text: str, value: float) -> None:
    assert parse_epsilon(text) == value


@pytest.mark.parametrize("text", ["0", "-1/4", "1.01", "1/0", "small", ""])
def test_epsilon_outside_its_range_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--epsilon"):
        parse_epsilon(text)


@pytest.mark.parametrize(
    ("kind", "name", "value", "sentence"),
    [
        (Config, "channels", "yuv", "Config(channels='yuv'): it must be 'rgb' or 'luma'."),
        (Config, "budget", 0, "Config(budget=0): it must be at least 1."),
        (Config, "budget", "1000", "Config(budget='1000'): it must be a whole number."),
        (Config, "seed", 1.5, "Config(seed=1.5): it must be a whole number."),
        (Config, "repeats", True, "Config(repeats=True): it must be a whole number."),
        (Config, "reserve", 0.95, "Config(reserve=0.95): it must be from 0 to 0.9."),
        (Config, "distance_weight", math.inf, "Config(distance_weight=inf): it must be a finite number."),
        (Config, "price", -1, "Config(price=-1): it must be at least 0."),
        (Config, "map", "a=b", "Config(map='a=b'): it must be a tuple of texts."),
        (Config, "early_stop", 1, "Config(early_stop=1): it must be True or False."),
        (Config, "epsilon", 2, "Config(epsilon=2): it is outside (0, 1]: give the largest change of a pixel"),
        (Config, "target", None, "Config(target=None): it must be the name of an ONNX file"),
        (Config, "target_options", {}, "Config(target_options={}): it must be TargetOptions(...)."),
        (TargetOptions, "layout", "NCHW", "TargetOptions(layout='NCHW'): it must be 'auto', 'nchw' or 'nhwc'."),
        (TargetOptions, "size", 112, "TargetOptions(size=112): it must be a tuple of 2 whole numbers."),
        (TargetOptions, "classes", "a,b", "TargetOptions(classes='a,b'): it must be a tuple of texts."),
        (TargetOptions, "timeout", math.nan, "TargetOptions(timeout=nan): it must be a number."),
        (TargetOptions, "workers", 0, "TargetOptions(workers=0): it must be from 1 to 1024."),
    ],
)
def test_values_that_no_option_takes_are_refused_in_words_of_python(
    kind: type, name: str, value: Any, sentence: str
) -> None:
    given = {"target": "m", "data": "d"} if kind is Config else {}
    with pytest.raises(InputError) as caught:
        kind(**given | {name: value})
    assert str(caught.value).startswith(sentence)


def test_the_command_line_names_flags() -> None:
    words = ["model.onnx", "--data", "d", "--out", "RUN", "--timeout", "nan"]
    with commands.commands["optimize"].make_context("optimize", words) as context, pytest.raises(InputError) as caught:
        take(TargetOptions, dict(context.params))
    assert str(caught.value) == "--timeout nan: it must be a number."


def test_values_that_can_be_read_in_one_way_are_kept_in_the_type_of_their_field() -> None:
    options = TargetOptions(size=[8, 9], mean=np.array([0.5, 0.25]))  # type: ignore[arg-type]
    config = Config(
        Path("m.onnx"),  # type: ignore[arg-type]
        Path("d"),  # type: ignore[arg-type]
        epsilon=8 / 255,  # type: ignore[arg-type]
        budget=np.int64(900),  # type: ignore[arg-type]
        price=1,
        map=["a=b"],  # type: ignore[arg-type]
        target_options=options,
    )
    assert (config.target, config.data, config.budget, config.price, config.map) == ("m.onnx", "d", 900, 1.0, ("a=b",))
    assert (options.size, options.mean) == ((8, 9), (0.5, 0.25))
    assert parse_epsilon(config.epsilon) == 8 / 255
    assert Config.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_a_damaged_value_in_the_file_of_a_run_is_named(tmp_path: Path) -> None:
    RunRecord(CONFIG, batch=1, inputs={}).write(tmp_path)
    text = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(text.replace('"channels": "rgb"', '"channels": "yuv"'))
    with pytest.raises(InputError, match=r"config\.json cannot be read .*channels='yuv'.*: restore it"):
        RunRecord.read(tmp_path)
