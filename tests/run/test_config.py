"""Configurations come back from JSON, also those of earlier versions."""

import json
from dataclasses import asdict

import pytest

from blackbox_dft import Config, InputError, TargetOptions
from blackbox_dft.run.config import parse_epsilon

CONFIG = Config("m", "d", map=("a=b",), target_options=TargetOptions(size=(8, 9), headers=("A: b",)))


def test_a_configuration_comes_back_from_json() -> None:
    assert Config.from_json(json.loads(json.dumps(asdict(CONFIG)))) == CONFIG


def test_configurations_of_earlier_versions_are_read() -> None:
    values = asdict(CONFIG)
    del values["path"], values["repeats"]
    config = Config.from_json({**values, "hedge": 0.0})
    assert (config.path, config.repeats) == ("array", 1)


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
