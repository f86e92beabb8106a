"""What a comparison may not change: as for a run, but for what its runs differ in."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blackbox_dft import Config, InputError, TargetOptions
from blackbox_dft.comparison.record import ComparisonRecord, settings_of

CONFIG = Config("model.onnx", "labels.csv", target_options=TargetOptions(mean=(0.5,)))


@pytest.fixture
def record(tmp_path: Path) -> ComparisonRecord:
    """A record that was written and read again."""
    ComparisonRecord(settings_of(CONFIG), 16, {"images": "ab"}, (500, 1000)).write(tmp_path)
    found = ComparisonRecord.read(tmp_path)
    assert found
    return found


def with_options(**options: Any) -> Config:
    return replace(CONFIG, target_options=replace(CONFIG.target_options, **options))


def test_the_record_comes_back_from_its_file(record: ComparisonRecord) -> None:
    assert record == ComparisonRecord(settings_of(CONFIG), 16, {"images": "ab"}, (500, 1000))


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        with_options(provider="cpu"),
        with_options(cert="me.pem", workers=3, cluster="local", batch=4),
        replace(CONFIG, space="affine", estimator="nes", budget=9, reserve=0.5, target="there.onnx"),
    ],
)
def test_what_a_run_may_change_a_comparison_may(config: Config, record: ComparisonRecord) -> None:
    record.check(settings_of(config), Path("out"))


def test_what_differs_is_named_by_its_flag(record: ComparisonRecord) -> None:
    with pytest.raises(InputError, match=r"^out was begun with --encoding png, not none: give the same, or take ano"):
        record.check(settings_of(replace(CONFIG, encoding="none")), Path("out"))
    with pytest.raises(InputError, match="begun with --channel-order auto, not bgr"):
        record.check(settings_of(with_options(channels="bgr")), Path("out"))


def test_files_of_earlier_versions_are_read(tmp_path: Path) -> None:
    settings = {"epsilon": "8/255", "seed": 0, "path": "auto", "label": "", "early_stop": False, "hedge": 0.0}
    settings |= {"target layout": "auto", "target provider": "auto", "target mean": [0.5], "target cert": None}
    document = {"settings": settings, "batch": 16, "inputs": {}, "budgets": [500], "version": "0.0.9"}
    (tmp_path / "comparison.json").write_text(json.dumps(document))
    record = ComparisonRecord.read(tmp_path)
    assert record
    # They had no output map, no race for the start, and no contrast in auto.
    before = {"output_map": "none", "start": "identity", "flat": "keep"}
    record.check(settings_of(replace(with_options(provider="cpu"), **before)), tmp_path)
    with pytest.raises(InputError, match="begun with --layout auto, not nchw"):
        record.check(settings_of(replace(with_options(layout="nchw"), **before)), tmp_path)
