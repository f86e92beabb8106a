"""The reference is whole: keys of files, exit codes, profiles, columns; test_commands looks at the commands."""

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from blackbox_dft import errors
from blackbox_dft.deploy.prediction_table import COLUMNS
from blackbox_dft.targets.http.profile_schema import KEYS, profile_names, read_profile
from tests.conftest import Bbdft
from tests.helpers.markdown import ROOT, section

REFERENCE = ROOT / "docs/reference"
FILES = REFERENCE / "files.md"
CODE = re.compile(r"`([^`]+)`")


def first_cells(text: str) -> list[str]:
    """What stands as code in the first column of the tables."""
    return [name for line in text.splitlines() if line.startswith("| ") for name in CODE.findall(line.split("|")[1])]


def keys(document: dict[str, object], prefix: str = "") -> Iterator[str]:
    for key, value in document.items():
        if isinstance(value, dict):
            yield from keys(value, f"{prefix}{key}.")
        else:
            yield prefix + key


@pytest.fixture(scope="module")
def run(bbdft: Bbdft, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    bbdft("demo", "--files", "digits", cwd=folder, code=0)
    words = "model.onnx", "--data", "labels.csv", "--out", "run", "--budget", 2000, "--price", 0.001, "--yes"
    bbdft("optimize", *words, cwd=folder / "digits", code=0)
    bbdft("check", "run", "--yes", cwd=folder / "digits", code=0)
    bbdft("predict", "run", "photo.jpg", "--out", "table.csv", "--yes", cwd=folder / "digits", code=0)
    return folder / "digits/run"


def test_every_file_of_a_run_is_documented(run: Path) -> None:
    listed = first_cells(section(FILES, "## A run"))
    assert {path.name for path in run.iterdir()} <= {*listed, "ledger.sqlite-wal", "ledger.sqlite-shm"}


def test_every_key_of_the_summary_is_documented(run: Path) -> None:
    text = section(FILES, "## summary.json")
    found = set(keys(json.loads((run / "summary.json").read_text())))
    # A key without an entry of its own stands in that of the table it is in.
    missing = {key for key in found if f"`{key}`" not in text and not key.startswith("accuracy.val.")}
    assert missing == set()
    top = {key.partition(".")[0] for key in first_cells(text)}
    assert top == set(json.loads((run / "summary.json").read_text()))


def test_every_key_of_the_other_documents_is_documented(run: Path) -> None:
    for name in ("config.json", "checks.json"):
        # Some keys stand in some runs only.
        assert set(json.loads((run / name).read_text())) <= set(first_cells(section(FILES, f"## {name}")))
    (check,) = json.loads((run / "checks.json").read_text())["checks"]
    text = section(FILES, "## checks.json")
    assert all(f"`{key}`" in text for key in check)


@pytest.mark.parametrize("name", ["tuning.npz", "answers.npz"])
def test_every_array_is_documented(run: Path, name: str) -> None:
    with np.load(run / name) as arrays:
        assert set(arrays) <= set(first_cells(section(FILES, f"## {name}")))


def test_every_column_of_a_ledger_is_documented(run: Path) -> None:
    text = section(FILES, "## ledger.sqlite")
    with sqlite3.connect(run / "ledger.sqlite") as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {row[1] for table in tables for row in database.execute(f"PRAGMA table_info({table})")}
    assert set(first_cells(text)) == set(tables)
    assert all(f"`{column}`" in text for column in columns)


def test_every_column_of_predictions_is_documented() -> None:
    assert first_cells(section(FILES, "## Predictions")) == list(COLUMNS)


def test_every_exit_code_is_documented() -> None:
    text = (REFERENCE / "exit-codes.md").read_text(encoding="utf-8")
    rows = {int(code): row for code, row in re.findall(r"^\| (\d+) \| (.*)$", text, re.M)}
    classes = (errors.BlackboxError, errors.InputError, errors.BudgetError, errors.TargetError)
    assert all(f"`{error.__name__}`" in rows[error.exit_code] for error in classes)
    assert set(rows) == {0, *(error.exit_code for error in classes), errors.DRIFT_FOUND, 130}


def test_every_profile_is_documented() -> None:
    listed = first_cells((REFERENCE / "profiles.md").read_text(encoding="utf-8").partition("## Keys")[0])
    assert set(listed) == {"v2", *profile_names()}
    for name in profile_names():
        (row,) = re.findall(rf"^\| `{name}` \|.*\| (\d+) \|", (REFERENCE / "profiles.md").read_text(), re.M)
        assert int(row) == read_profile(name).get("batch", 1)


def test_every_key_of_a_profile_is_documented() -> None:
    listed = first_cells(section(REFERENCE / "profiles.md", "## Keys of the file"))
    own = {key for key in KEYS[""] if key not in ("request", "response")}
    assert set(listed) == own | {f"{table}.{key}" for table in ("request", "response") for key in KEYS[table]}


def test_the_words_of_the_glossary_are_in_order() -> None:
    text = (REFERENCE / "glossary.md").read_text(encoding="utf-8")
    words = [found.lower() for found in re.findall(r"^\*\*([^*]+)\*\*", text, re.M)]
    assert len(words) > 30
    assert words == sorted(words)
