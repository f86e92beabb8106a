"""The commands and the Python in the pages work as they stand, on the demo's images and model."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from blackbox_dft.demo import assets
from tests.helpers.markdown import PAGES, ROOT, blocks, name_of

LANGUAGES = {"sh", "python", "text", "toml", "yaml", "cpp", "js"}
RUN = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}
ELSEWHERE = {"CONTRIBUTING.md"}
"""Its Python is run by test_contributing."""
RUNNABLE = [
    page
    for page in PAGES
    if name_of(page) not in ELSEWHERE and any(block.language in RUN and not block.reason for block in blocks(page))
]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_names_its_language(page: Path) -> None:
    assert not [(block.line, block.language) for block in blocks(page) if block.language not in LANGUAGES]


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """A user's folder: a model, labelled images, further images, and ``bbdft`` on the path."""
    shutil.copy(assets() / "digits.onnx", tmp_path / "model.onnx")
    shutil.copy(assets() / "labels.csv", tmp_path)
    shutil.copytree(assets() / "images", tmp_path / "images")
    (tmp_path / "new_images").mkdir()
    shutil.copy(assets() / "images" / "000.png", tmp_path / "new_images")
    cv2.imwrite(str(tmp_path / "photo.jpg"), cv2.imread(str(assets() / "images" / "001.png")))
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "bbdft"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m blackbox_dft "$@"\n')
    command.chmod(0o755)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNABLE, ids=name_of)
def test_blocks_run_in_their_order(page: Path, user: Path) -> None:
    path = os.pathsep.join([str(user / "bin"), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    for block in blocks(page):
        if block.language in RUN and not block.reason:
            command = [*RUN[block.language], block.text]
            done = subprocess.run(command, capture_output=True, text=True, cwd=user, env=environment, timeout=300)
            assert done.returncode == 0, f"{name_of(page)}:{block.line}\n{block.text}\n{done.stdout}{done.stderr}"


def test_the_pages_of_the_main_commands_are_run() -> None:
    assert {"README.md", "docs/how-to/compare.md", "docs/reference/python.md"} <= {name_of(page) for page in RUNNABLE}
