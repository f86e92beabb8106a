"""What tests of the docs share: the site, built as its workflow builds it."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.markdown import ROOT


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder; the test is skipped without what builds it."""
    for module in ("mkdocs", "material", "mkdocstrings", "mkdocs_click"):
        if not importlib.util.find_spec(module):
            pytest.skip("needs pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder
