"""The notebook runs from its first cell to its last, in a kernel of its own, and shows what it should."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="needs pip install -e '.[test]'")
nbclient = pytest.importorskip("nbclient", reason="needs pip install -e '.[test]'")
pytest.importorskip("ipykernel", reason="needs pip install -e '.[test]'")
pytest.importorskip("sklearn", reason="needs pip install -e '.[test]'")

ROOT = Path(__file__).parents[2]
FILE = ROOT / "examples" / "notebooks" / "digits.ipynb"
MAX_BYTES = 300_000


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    notebook = nbformat.read(FILE, as_version=4)
    folder = tmp_path_factory.mktemp("notebook")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}})
    client.execute(env={**os.environ, "PYTHONPATH": path})
    return notebook


def shown(notebook: Any, start: str) -> dict[str, Any]:
    """What the cell shows whose source holds ``start``, by kind."""
    (cell,) = (cell for cell in notebook.cells if start in cell.source)
    found: dict[str, Any] = {}
    for output in cell.outputs:
        found |= {"text": output.text} if output.output_type == "stream" else output.data
    return found


def test_it_is_committed_without_outputs() -> None:
    cells = nbformat.read(FILE, as_version=4).cells
    assert len(cells) >= 15
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


@pytest.mark.slow
def test_it_runs_and_shows_little(executed: Any) -> None:
    size = sum(len(json.dumps(cell.get("outputs", []))) for cell in executed.cells)
    assert size < MAX_BYTES
    assert not [o for cell in executed.cells for o in cell.get("outputs", ()) if o.output_type == "error"]


@pytest.mark.slow
def test_its_cells_show_results_figures_and_scores(executed: Any) -> None:
    assert "Improved: " in shown(executed, "from blackbox_dft import optimize")["text/html"]
    assert "image/png" in shown(executed, "plot_trajectory")
    assert "image/png" in shown(executed, "plot_images")
    assert "All scores are kept" in shown(executed, "class Stop")["text"]
    assert "array([0.9" in shown(executed, "cross_val_score(")["text/plain"]
