"""The table of predictions in each of its formats."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from blackbox_dft import InputError
from blackbox_dft.deploy import prediction_table
from blackbox_dft.deploy.prediction_table import PredictionTable

NAN = np.nan


@pytest.fixture
def table() -> PredictionTable:
    probabilities = np.array([[0.25, 0.75], [NAN, NAN], [0.5, 0.5], [NAN, NAN]])
    errors = ("", "", "", "d.png is empty")
    return PredictionTable(("cat", "label"), ("a, b.png", "b.png", "c.png", "d.png"), probabilities, errors)


def test_csv(table: PredictionTable, tmp_path: Path) -> None:
    table.write(tmp_path / "out.CSV")
    with (tmp_path / "out.CSV").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["file", "label", "probability", "no_score", "error", "cat", "probability of label"],
        ["a, b.png", "label", "0.75", "0", "", "0.25", "0.75"],
        ["b.png", "", "", "1", "", "", ""],
        # A tie is a score and no decision.
        ["c.png", "", "", "0", "", "0.5", "0.5"],
        ["d.png", "", "", "0", "d.png is empty", "", ""],
    ]


def test_json_lines_and_data_frame(table: PredictionTable, tmp_path: Path) -> None:
    table.write(tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert rows == list(table.rows())
    assert rows[0] == {
        "file": "a, b.png",
        "label": "label",
        "probability": 0.75,
        "no_score": False,
        "error": None,
        "probabilities": {"cat": 0.25, "label": 0.75},
    }
    frame = table.to_pandas()
    assert list(frame.columns) == [*prediction_table.COLUMNS, "cat", "probability of label"]
    assert frame["label"][0] == "label"
    assert frame["cat"].isna().tolist() == [False, True, False, True]


def test_other_formats_are_refused(table: PredictionTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"out\.xlsx does not end in \.csv, \.jsonl or \.parquet: rename it"):
        table.write(tmp_path / "out.xlsx")
    monkeypatch.setattr(prediction_table.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"out\.parquet needs pyarrow: pip install 'blackbox-dft\[parquet\]'"):
        table.write(tmp_path / "out.parquet")
    assert list(tmp_path.iterdir()) == []


def test_parquet(table: PredictionTable, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pandas as pd

    table.write(tmp_path / "out.parquet")
    assert pd.read_parquet(tmp_path / "out.parquet")["no_score"].tolist() == [False, True, False, False]
