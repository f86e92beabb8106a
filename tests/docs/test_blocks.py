"""The commands and the Python in the pages work as they stand, on the demo's images and model."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from blackbox_dft.demo import write_files
from tests.helpers.markdown import PAGES, ROOT, Block, blocks, name_of

LANGUAGES = {"sh", "python", "text", "toml", "yaml", "cpp", "js"}
RUN = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}
RUNNABLE = [page for page in PAGES if any(block.language in RUN and not block.reason for block in blocks(page))]
PORT = "8000"
"""Of services in the pages; the tests take free ones."""


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_names_its_language(page: Path) -> None:
    assert not [(block.line, block.language) for block in blocks(page) if block.language not in LANGUAGES]


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """What ``bbdft demo --files`` writes: a model, labelled and further images; and ``bbdft`` on the path."""
    write_files(tmp_path)
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "bbdft"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m blackbox_dft "$@"\n')
    command.chmod(0o755)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNABLE, ids=name_of)
def test_blocks_run_in_their_order(page: Path, user: Path) -> None:
    if not find_spec("sklearn") and any("blackbox_dft.sklearn" in block.text for block in blocks(page)):
        pytest.skip("needs pip install 'blackbox-dft[sklearn]'")
    path = os.pathsep.join([str(user / "bin"), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    port = free_port()
    try:
        for block in blocks(page):
            if block.language in RUN and not block.reason:
                run(page, block, port, user, environment)
    finally:
        # A service that a page starts and, as something failed, did not end.
        for file in user.glob("*.pid"):
            with suppress(ProcessLookupError, ValueError):
                os.kill(int(file.read_text()), signal.SIGTERM)


def free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def run(page: Path, block: Block, port: str, user: Path, environment: dict[str, str]) -> None:
    """Runs a block as a reader would paste it."""
    command = [*RUN[block.language], block.text.replace(PORT, port)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=user, env=environment, timeout=300)
    assert done.returncode == 0, f"{name_of(page)}:{block.line}\n{block.text}\n{done.stdout}{done.stderr}"


def test_the_pages_that_a_newcomer_follows_are_run() -> None:
    walks = ("tune-an-onnx-model", "tune-a-paid-api", "compare", "use-with-scikit-learn", "use-it-in-production")
    pages = {"README.md", "docs/reference/python.md", "docs/tutorial/ten-minutes.md", "docs/tutorial/plug-in.md"}
    assert pages | {f"docs/how-to/{walk}.md" for walk in walks} <= {name_of(page) for page in RUNNABLE}
