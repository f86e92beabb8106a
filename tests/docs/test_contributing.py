"""CONTRIBUTING.md: its tree and layers are those of the package, and its examples work as an installed package."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from blackbox_dft.demo import assets
from blackbox_dft.targets import TargetOptions, make_target
from tests.helpers.markdown import ROOT, blocks, section

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


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The page's examples as an installed package, beside a model and images."""
    for one in blocks(PAGE):
        if named := re.match(r"# (my_\w+\.py|my-api\.toml)\n", one.text):
            (tmp_path / named[1]).write_text(one.text)
    groups = tomllib.loads(block("# pyproject.toml"))["project"]["entry-points"]
    metadata = tmp_path / "my_parts-0.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-parts\nVersion: 0.1\n")
    lines = [
        line for group, names in groups.items() for line in (f"[{group}]", *(f"{k} = {v}" for k, v in names.items()))
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
    shutil.copy(assets() / "digits.onnx", tmp_path / "model.onnx")
    shutil.copytree(assets() / "images", tmp_path / "images")
    rows = (assets() / "labels.csv").read_text().splitlines()[1:]
    (tmp_path / "list.txt").write_text("\n".join(" ".join(row.split(",")[:2]) for row in rows))
    return tmp_path


def bbdft(line: str, folder: Path) -> str:
    words = line.split()[1:]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    command = [sys.executable, "-m", "blackbox_dft", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_parts_work_together_and_in_the_graph(installed: Path) -> None:
    line = block("bbdft optimize opencv:").strip()
    printed = bbdft(line, installed)
    assert "test accuracy" in printed
    # The space in the model's graph agrees with the arrays: both paths are compared before one is taken.
    fused = line.replace("opencv:model", "model.onnx").replace("--out run", "--out fused --path fused")
    assert "test accuracy" in bbdft(fused, installed)


def test_the_profile_is_accepted(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", "secret")
    with make_target("https://127.0.0.1:9/api", TargetOptions(profile=str(installed / "my-api.toml"))) as target:
        assert (target.classes, target.batch) == (("cat", "dog"), 1)


def test_every_kind_of_part_has_an_example() -> None:
    kinds = re.findall(r"^### (.*)$", section(PAGE, "## Adding a part"), re.M)
    assert kinds == ["An estimator", "A space", "An objective", "A target", "A profile", "A data layout"]
