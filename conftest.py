"""What tests and the examples in docstrings share: the user's own cache folder is left alone."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

# Its docstrings have examples, for which the extra is needed.
collect_ignore = [] if find_spec("sklearn") else ["blackbox_dft/sklearn.py"]


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Decoded images and call plans are kept here, and not in the user's cache folder."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["BBDFT_CACHE"] = str(folder)
    return folder
