"""Kinds of terminals: widths, NO_COLOR, TERM=dumb, none."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Bbdft
from tests.helpers.main_job import words

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are of Unix")

ROOT = Path(__file__).parents[2]
COLOUR = re.compile(r"\x1b\[(3[0-7]|9[0-7]|38|1;3|4[0-7])[0-9;]*m")


def screen(width: int, line: list[object], **environment: str) -> str:
    """What ``bbdft`` writes to a terminal of this width."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    command = [sys.executable, "-m", "blackbox_dft", *map(str, line)]
    started = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, env={**inherited, "TERM": "xterm", **environment}
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        said += part
    os.close(ours)
    assert started.wait(60) == 0, said.decode()
    return said.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_of_a_plan_is_wider_than_the_terminal(width: int, tiny: Path, tmp_path: Path) -> None:
    said = screen(width, [*words(tiny, tmp_path / "run"), "--dry-run"])
    assert max(map(len, said.splitlines())) <= width
    assert "plan:" in said


def test_rows_of_an_inspection_are_broken_between_words(tiny: Path) -> None:
    said = screen(80, ["inspect", tiny / "model.onnx", "--data", tiny / "labels.csv"])
    lines = [line for line in said.splitlines() if str(tiny) not in line]
    assert max(map(len, lines)) <= 80
    assert re.search(r"^scores +kind: .*\n {19}\S", said, re.MULTILINE)


def test_a_command_to_copy_stays_in_one_line(tiny: Path, tmp_path: Path) -> None:
    said = screen(80, [*words(tiny, tmp_path / "run", budget=500), "--quiet"])
    (line,) = [line for line in said.splitlines() if line.lstrip().startswith("now: ")]
    assert " bbdft export " in line
    assert line.endswith("model.onnx")


def test_a_dumb_terminal_gets_plain_lines(tiny: Path, tmp_path: Path) -> None:
    said = screen(80, words(tiny, tmp_path / "run", budget=500), TERM="dumb")
    assert "\x1b" not in said
    assert "improved: test accuracy" in said


def test_no_color(tiny: Path, tmp_path: Path) -> None:
    said = screen(80, words(tiny, tmp_path / "run", budget=500), NO_COLOR="1")
    assert not COLOUR.search(said)
    assert "\x1b[" in said, "the moving line of a terminal"


def test_without_a_terminal_lines_stay_whole(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    said = bbdft(*words(tiny, tmp_path / "run"), "--dry-run", code=0).stdout
    assert "\x1b" not in said
    assert max(map(len, said.splitlines())) > 80
