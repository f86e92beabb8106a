"""The file of what all runs of a comparison share."""

from dataclasses import replace
from pathlib import Path

import pytest

from blackbox_dft import Config
from blackbox_dft.compare.record import ComparisonRecord, settings_of
from blackbox_dft.errors import InputError
from blackbox_dft.targets import TargetOptions

CONFIG = Config("model.onnx", "labels.csv", map=("a=b",), target_options=TargetOptions(size=(8, 9)))


def test_a_record_comes_back_from_its_file(tmp_path: Path) -> None:
    assert ComparisonRecord.read(tmp_path) is None
    record = ComparisonRecord(settings_of(CONFIG), 32, {"images": "ab"}, (100, 200))
    record.write(tmp_path)
    assert ComparisonRecord.read(tmp_path) == record
    record.check(settings_of(CONFIG), tmp_path)


def test_the_first_setting_that_differs_is_named(tmp_path: Path) -> None:
    record = ComparisonRecord(settings_of(CONFIG), 32, {}, (100,))
    with pytest.raises(InputError, match="was begun with encoding png, not none"):
        record.check(settings_of(replace(CONFIG, encoding="none", repeats=2)), tmp_path)


def test_settings_that_change_no_score_may_differ(tmp_path: Path) -> None:
    record = ComparisonRecord(settings_of(CONFIG), 32, {}, (100,))
    options = replace(CONFIG.target_options, workers=3, timeout=5.0)
    record.check(settings_of(replace(CONFIG, space="dct:8", estimator="nes", target_options=options)), tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"settings": 3, "batch": 1, "inputs": {}, "budgets": []}'])
def test_a_damaged_file_is_an_input_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "comparison.json").write_text(text)
    with pytest.raises(InputError, match="cannot be read"):
        ComparisonRecord.read(tmp_path)
