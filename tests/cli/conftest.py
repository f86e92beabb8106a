"""A finished run that the tests of several commands use."""

from pathlib import Path

import pytest

from tests.conftest import Bbdft
from tests.helpers.main_job import words


@pytest.fixture(scope="session")
def run(bbdft: Bbdft, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder."""
    out = tmp_path_factory.mktemp("runs") / "run"
    bbdft(*words(tiny, out), code=0, fresh=True)
    return out
