"""The examples use public names only."""

import ast
import json
from pathlib import Path

import pytest

import blackbox_dft

FOLDER = Path(__file__).parents[2] / "examples"
LEFT_OUT = ("train_demo_model.py", "plugin")
"""The first trains the demo's model, and is no use of the package; parts of one's own use its contracts."""
SCRIPTS = [path for path in sorted(FOLDER.rglob("*.py")) if path.relative_to(FOLDER).parts[0] not in LEFT_OUT]
PUBLIC = {"blackbox_dft", "blackbox_dft.plots", "blackbox_dft.sklearn", "blackbox_dft.demo"}


def imported(source: str) -> set[tuple[str, str]]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("blackbox_dft"):
            found |= {(str(node.module), name.name) for name in node.names}
        elif isinstance(node, ast.Import):
            found |= {(name.name, "") for name in node.names if name.name.startswith("blackbox_dft")}
    return found


def sources(path: Path) -> str:
    if path.suffix == ".py":
        return path.read_text(encoding="utf-8")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    # Those that begin so are for the shell.
    return "\n\n".join(cell for cell in code if not cell.startswith("%"))


@pytest.mark.parametrize("path", [*SCRIPTS, *sorted(FOLDER.rglob("*.ipynb"))], ids=lambda path: path.name)
def test_examples_use_public_names(path: Path) -> None:
    used = imported(sources(path))
    assert used
    for module, name in used:
        assert module in PUBLIC
        assert module != "blackbox_dft" or name in ("", "plots", *blackbox_dft.__all__)
