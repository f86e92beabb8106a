"""The tutorial as a notebook: it is that of the page, and runs from its first cell to its last."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.helpers.markdown import ROOT

NOTEBOOK = ROOT / "examples/notebooks/tutorial.ipynb"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_notebook", ROOT / "scripts/make_notebook.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_notebook_is_made_from_the_page(script: ModuleType) -> None:
    made = script.notebook(script.PAGE.read_text(encoding="utf-8"))
    assert NOTEBOOK.read_text(encoding="utf-8") == made, "python scripts/make_notebook.py"


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="needs pip install -e '.[test]'")
    nbclient = pytest.importorskip("nbclient", reason="needs pip install -e '.[test]'")
    pytest.importorskip("ipykernel", reason="needs pip install -e '.[test]'")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "bbdft").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m blackbox_dft "$@"\n')
    (commands / "bbdft").chmod(0o755)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(commands), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env=environment)
    printed = "".join(_texts(notebook.cells))
    assert "improved: test accuracy 0.748 -> " in printed
    assert "(8, 32, 32, 3)" in printed


def _texts(cells: list[Any]) -> list[str]:
    return [output.get("text", "") for cell in cells for output in cell.get("outputs", ())]
