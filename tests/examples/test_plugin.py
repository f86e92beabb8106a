"""The package of docs/tutorial/plug-in.md: it installs, its parts work together, and the page shows its files."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from blackbox_dft.demo import write_files
from blackbox_dft.targets import TargetOptions, make_target
from tests.helpers.markdown import ROOT, blocks, section

PAGE = ROOT / "docs/tutorial/plug-in.md"
PLUGIN = ROOT / "examples/plugin"
FILES = {path.relative_to(PLUGIN).as_posix(): path for path in PLUGIN.rglob("*") if path.suffix in (".py", ".toml")}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages that holds my-parts."""
    source, site = tmp_path_factory.mktemp("source") / "plugin", tmp_path_factory.mktemp("site")
    shutil.copytree(PLUGIN, source)
    if importlib.util.find_spec("setuptools") and int(version("setuptools").split(".")[0]) >= 71:
        words = ["install", "--no-index", "--no-build-isolation", "--no-deps", "--target", str(site), str(source)]
        done = subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return site
    # Without a setuptools that makes wheels: what pip would have written.
    shutil.copytree(source / "my_parts", site / "my_parts")
    groups = tomllib.loads(FILES["pyproject.toml"].read_text())["project"]["entry-points"]
    lines = [
        line for group, names in groups.items() for line in (f"[{group}]", *(f"{k} = {v}" for k, v in names.items()))
    ]
    metadata = site / "my_parts-0.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-parts\nVersion: 0.1\n")
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return site


@pytest.fixture
def user(tmp_path: Path, installed: Path) -> tuple[Path, dict[str, str]]:
    """The folder of ``bbdft demo --files``, and an environment with the package and ``bbdft`` on the path."""
    write_files(tmp_path)
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "bbdft"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m blackbox_dft "$@"\n')
    command.chmod(0o755)
    path = os.pathsep.join([str(command.parent), os.environ["PATH"]])
    return tmp_path, {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)])}


def block(start: str) -> str:
    """The fenced block that begins so."""
    (found,) = (one.text for one in blocks(PAGE) if one.text.startswith(start))
    return found


def run(command: list[str], user: tuple[Path, dict[str, str]]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=user[0], env=user[1], timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


READS_IT = pytest.mark.skipif(
    int(version("opencv-python-headless").split(".")[0]) < 5, reason="OpenCV 4 does not read the model of the demo"
)


@READS_IT
@pytest.mark.slow
def test_the_parts_work_together_and_in_the_graph(user: tuple[Path, dict[str, str]]) -> None:
    commands = block("tail -n +2")
    assert "test accuracy" in run(["bash", "-euo", "pipefail", "-c", commands], user)
    # The space in the model's graph agrees with the arrays: both paths are compared before one is taken.
    line = commands.splitlines()[-1]
    fused = line.replace("opencv:model", "model.onnx").replace("--out run", "--out fused --path fused")
    assert "test accuracy" in run(["bash", "-c", fused], user)


@READS_IT
@pytest.mark.slow
def test_the_parts_are_found_from_python(user: tuple[Path, dict[str, str]]) -> None:
    run(["bash", "-c", block("tail -n +2").splitlines()[0]], user)
    run([sys.executable, "-c", block("from blackbox_dft import Config, optimize")], user)
    assert (user[0] / "from-python/summary.json").exists()


def test_the_profile_is_accepted_and_travels_with_the_package(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", "secret")
    options = TargetOptions(profile=str(installed / "my_parts/my-api.toml"))
    with make_target("https://127.0.0.1:9/api", options) as target:
        assert (target.classes, target.batch) == (("cat", "dog"), 1)


@pytest.mark.parametrize("name", sorted(set(FILES) - {"my_parts/__init__.py"}))
def test_the_page_shows_the_files(name: str) -> None:
    assert block(f"# {name}\n").partition("\n")[2] == FILES[name].read_text(encoding="utf-8")


def test_every_kind_of_part_has_an_example() -> None:
    headings = re.findall(r"^## (An? .*)$", PAGE.read_text(encoding="utf-8"), re.M)
    assert headings == ["An estimator", "A space", "An objective", "A target", "A profile", "A data layout"]
    assert all(section(PAGE, f"## {heading}").strip() for heading in headings)
