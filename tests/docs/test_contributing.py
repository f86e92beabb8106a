"""CONTRIBUTING.md: its tree and layers are those of the package."""

import os
import re
import tomllib

from tests.helpers.markdown import ROOT, blocks

PAGE = ROOT / "CONTRIBUTING.md"


def block(start: str) -> str:
    """The fenced block that begins so."""
    (found,) = (one.text for one in blocks(PAGE) if one.text.startswith(start))
    return found


def test_the_tree_names_every_room_and_no_other() -> None:
    named, parents = set(), [""]
    for line in block("blackbox_dft/\n").splitlines()[1:]:
        depth = (len(line) - len(line.lstrip())) // 2
        name = line.split()[0]
        parents[depth:] = [parents[depth - 1] + name]
        named.add(parents[depth])
    package = ROOT / "blackbox_dft"
    rooms = {path.parent.relative_to(package).as_posix() + "/" for path in package.rglob("__init__.py")} - {"./"}
    loose = {path.name for path in package.glob("*.py")} - {"__init__.py"}
    assert named == rooms | loose


def test_folders_beside_the_package_exist() -> None:
    assert [name for name in re.findall(r"^(\S+)/ ", block("tests/ "), re.M) if (ROOT / name).is_dir()] == [
        "tests",
        "docs",
        "benchmarks",
        "examples",
        "scripts",
    ]


def test_layers_are_those_that_are_checked() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (one["layers"] for one in contracts if one["type"] == "layers")
    expected = [" ".join(f"blackbox_dft.{w}" if w.isidentifier() else w for w in layer.split()) for layer in layers]
    assert block("blackbox_dft.cli").splitlines() == [
        line.replace("blackbox_dft.blackbox_dft", "blackbox_dft") for line in expected
    ]


def test_scripts_can_be_run() -> None:
    for name in ("scripts/check", "scripts/test", "scripts/docs", ".ci/run"):
        assert os.access(ROOT / name, os.X_OK)
        assert "set -euo pipefail" in (ROOT / name).read_text()


def test_the_test_command_of_the_readme_is_that_of_ci() -> None:
    (command,) = re.findall(r"^pip install .*pytest$", (ROOT / "README.md").read_text(), re.M)
    assert command in (ROOT / ".ci" / "run").read_text().splitlines()
