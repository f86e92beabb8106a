"""Completion in the shell: its script, and what it offers."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Bbdft


def offered(bbdft: Bbdft, monkeypatch: pytest.MonkeyPatch, line: str) -> set[str]:
    """What bash is told for ``line``, whose last word is being typed."""
    monkeypatch.setenv("_BBDFT_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    return {answer.partition(",")[2] for answer in bbdft(code=0).stdout.splitlines()}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("bbdft opt", {"optimize"}),
        ("bbdft optimize m.onnx --dry", {"--dry-run"}),
        ("bbdft optimize m.onnx --channels l", {"luma"}),
        ("bbdft optimize m.onnx --space affine+co", {"affine+contrast", "affine+color"}),
        ("bbdft optimize m.onnx --space au", {"auto"}),
        ("bbdft compare m.onnx --estimator sp", {"spsa"}),
        ("bbdft compare m.onnx --space aff", {"affine"}),
        ("bbdft optimize m.onnx --objective bri", {"brier"}),
        ("bbdft inspect http://x --profile image-j", {"image-json"}),
        ("bbdft completion ", {"bash", "zsh", "fish"}),
    ],
)
def test_values_are_completed(line: str, expected: set[str], bbdft: Bbdft, monkeypatch: pytest.MonkeyPatch) -> None:
    assert offered(bbdft, monkeypatch, line) == expected


def test_a_part_of_a_space_is_offered_once(bbdft: Bbdft, monkeypatch: pytest.MonkeyPatch) -> None:
    found = offered(bbdft, monkeypatch, "bbdft optimize m.onnx --space affine+")
    assert "affine+color" in found
    assert not {"affine+affine", "affine+auto"} & found


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell(shell: str, bbdft: Bbdft, tmp_path: Path) -> None:
    script = bbdft("completion", shell, code=0).stdout
    assert f"_BBDFT_COMPLETE={shell}_complete" in script
    if shutil.which(shell):
        (tmp_path / "script").write_text(script)
        subprocess.run([shell, "-n", tmp_path / "script"], check=True)


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_bash_completes_with_it(bbdft: Bbdft, tmp_path: Path) -> None:
    (tmp_path / "script").write_text(bbdft("completion", "bash", code=0).stdout)
    (tmp_path / "bbdft").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m blackbox_dft "$@"\n')
    (tmp_path / "bbdft").chmod(0o755)
    code = (
        f"PATH={tmp_path}:$PATH; . {tmp_path}/script; COMP_WORDS=(bbdft optimize m --space affine+colo); COMP_CWORD=4; "
        '_bbdft_completion bbdft 2>/dev/null; echo "${COMPREPLY[@]}"'
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(["bash", "--norc", "-c", code], capture_output=True, text=True, cwd=root)
    assert done.stdout.split() == ["affine+color"], done.stderr
