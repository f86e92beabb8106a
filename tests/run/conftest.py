"""A finished run in a folder of its own, to copy and to change."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import Bbdft


@pytest.fixture(scope="session")
def finished(bbdft: Bbdft, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model, data and a run of them, all named relative to it."""
    folder = tmp_path_factory.mktemp("finished") / "here"
    shutil.copytree(tiny, folder)
    line = ["optimize", "model.onnx", "--data", "labels.csv", "--out", "run", "--space", "color", "--budget", 1000]
    bbdft(*line, cwd=folder, code=0)
    return folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """The same in another place."""
    return Path(shutil.copytree(finished, tmp_path / "there"))
