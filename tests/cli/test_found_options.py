"""Options that are not typed: of ``bbdft.toml``, ``[tool.bbdft]`` and the environment."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bbdft


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    """A project with a found file, from one of whose sub-folders commands are called."""
    (tmp_path / "bbdft.toml").write_text(
        f'data = "{tiny / "labels.csv"}"\nspace = "color"\nbudget = 1000\nseed = 3\nbudgets = "100,200"\n'
        '[optimize]\nseed = 4\n[predict]\nrate = "10/s"\n'
    )
    (tmp_path / "sub").mkdir()
    return tmp_path / "sub"


def plan(bbdft: Bbdft, tiny: Path, folder: Path, *words: object) -> str:
    done = bbdft("optimize", tiny / "model.onnx", "--out", "run", "--dry-run", *words, cwd=folder, code=0)
    return str(done.stdout)


def json_plan(bbdft: Bbdft, tiny: Path, folder: Path, *words: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(plan(bbdft, tiny, folder, "--json", *words))
    return found


def test_the_plan_says_where_options_came_from(bbdft: Bbdft, tiny: Path, folder: Path) -> None:
    file = folder.parent / "bbdft.toml"
    assert f"options: --data, --space, --budget, --seed from {file}" in plan(bbdft, tiny, folder).splitlines()
    assert "options:" not in plan(bbdft, tiny, tiny, "--data", "labels.csv")
    assert f"--space from {file.name}" in plan(bbdft, tiny, folder.parent, "--seed", 0, "--budget", 900, "--data", tiny)


def test_the_command_line_wins_over_the_environment_over_config_over_what_is_found(
    bbdft: Bbdft, tiny: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(folder.parent / "bbdft.toml")
    found = json_plan(bbdft, tiny, folder)
    assert (found["budget"], found["options_from"]["budget"]) == (1000, file)
    (folder / "more.toml").write_text("budget = 1100\n")
    config = ["--config", "more.toml"]
    found = json_plan(bbdft, tiny, folder, *config)
    assert (found["budget"], found["options_from"]["budget"]) == (1100, "more.toml")
    monkeypatch.setenv("BBDFT_BUDGET", "1200")
    found = json_plan(bbdft, tiny, folder, *config)
    assert (found["budget"], found["options_from"]["budget"]) == (1200, "BBDFT_BUDGET")
    monkeypatch.setenv("BBDFT_OPTIMIZE_BUDGET", "1300")
    found = json_plan(bbdft, tiny, folder, *config)
    assert (found["budget"], found["options_from"]["budget"]) == (1300, "BBDFT_OPTIMIZE_BUDGET")
    found = json_plan(bbdft, tiny, folder, *config, "--budget", 1400)
    assert found["budget"] == 1400
    assert "budget" not in found["options_from"]


def test_pyproject(bbdft: Bbdft, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.bbdft]\nspace = "affine"\n')
    assert "space: affine" in plan(bbdft, tiny, tmp_path, "--data", tiny / "labels.csv")
    monkeypatch.setenv("BBDFT_CONFIG", "none")
    assert "space: affine:" not in plan(bbdft, tiny, tmp_path, "--data", tiny / "labels.csv", "--space", "color")
    monkeypatch.setenv("BBDFT_CONFIG", str(tmp_path / "missing.toml"))
    missing = bbdft("optimize", tiny / "model.onnx", "--data", tiny, "--out", "run", cwd=tmp_path, code=2)
    assert "missing.toml cannot be read as TOML" in missing.stderr


def test_paths_in_a_found_file_are_relative_to_it(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").symlink_to(tiny)
    (tmp_path / "sub").mkdir()
    (tmp_path / "bbdft.toml").write_text('data = "mine/labels.csv"\n')
    assert "200 images" in plan(bbdft, tiny, tmp_path / "sub")


def test_what_is_at_the_top_is_for_runs_alone(
    bbdft: Bbdft, tiny: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Else inspect would refuse the budget, which it takes with --find-input alone.
    monkeypatch.setenv("BBDFT_BUDGET", "1200")
    assert "options:" not in bbdft("inspect", tiny / "model.onnx", cwd=folder, code=0).stderr
    words = ["compare", tiny / "model.onnx", "--estimator", "nes", "--seeds", 1, "--out", "all", "--dry-run"]
    assert "measured at 100, 200 tuning queries" in bbdft(*words, cwd=folder, code=0).stdout
    monkeypatch.setenv("BBDFT_INSPECT_PRICE", "0.001")
    said = bbdft("inspect", tiny / "model.onnx", "--yes", cwd=folder, code=0).stderr
    assert "options: --price from BBDFT_INSPECT_PRICE" in said


def test_the_lines_of_a_variable_are_the_items_of_a_repeated_option(
    bbdft: Bbdft, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BBDFT_MAP", "dark=dark\nbright=*")
    monkeypatch.setenv("BBDFT_EARLY_STOP", "false")
    found = json_plan(bbdft, tiny, tmp_path, "--data", tiny / "labels.csv")
    assert found["options_from"] == {"map": "BBDFT_MAP", "early_stop": "BBDFT_EARLY_STOP"}


def test_mistakes_are_named(bbdft: Bbdft, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["optimize", tiny / "model.onnx", "--data", tiny / "labels.csv", "--out", "run", "--dry-run"]
    (tmp_path / "bbdft.toml").write_text("spce = 'color'\n")
    assert "did you mean 'space'" in bbdft(*words, cwd=tmp_path, code=2).stderr
    assert "Usage" in bbdft("optimize", "--help", cwd=tmp_path, code=0).stdout
    (tmp_path / "bbdft.toml").write_text("yes = true\n")
    assert "give --yes yourself" in bbdft(*words, cwd=tmp_path, code=2).stderr
    (tmp_path / "bbdft.toml").write_text("space = \n")
    assert "cannot be read as TOML" in bbdft(*words, cwd=tmp_path, code=2).stderr
    (tmp_path / "bbdft.toml").unlink()
    monkeypatch.setenv("BBDFT_BUGDET", "7")
    assert "BBDFT_BUGDET is no option: did you mean BBDFT_BUDGET?" in bbdft(*words, cwd=tmp_path, code=0).stderr
