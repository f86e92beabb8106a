"""The script for a machine with a GPU runs from end to end on any machine, on the processor."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from blackbox_dft.targets.onnx.providers import unavailable_reason

ROOT = Path(__file__).parents[2]


def check(*words: object, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(ROOT / "benchmarks/speed/gpu_check.sh"), *map(str, words)]
    given = {**os.environ, "PYTHON": sys.executable, **(environment or {})}
    return subprocess.run(command, env=given, capture_output=True, text=True, timeout=300)


def wheel_in_pieces(folder: Path) -> None:
    """A wheel with a module that Python runs at its start, cut into three files."""
    folder.mkdir()
    module = "import os\nopen(os.environ['MARK'], 'a').write('started\\n')\n"
    with zipfile.ZipFile(folder / "whole", "w") as file:
        file.writestr("sitecustomize.py", module)
        file.writestr("mark-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: mark\nVersion: 1.0\n")
        file.writestr("mark-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("mark-1.0.dist-info/RECORD", "")
    data = (folder / "whole").read_bytes()
    (folder / "whole").unlink()
    for number in range(3):
        part = data[number * len(data) // 3 : (number + 1) * len(data) // 3]
        (folder / f"mark-1.0-py3-none-any.whl.{number:02d}").write_bytes(part)


@pytest.mark.slow
def test_the_script_runs_from_end_to_end(tmp_path: Path) -> None:
    wheel_in_pieces(tmp_path / "wheels")
    out, mark = tmp_path / "out", tmp_path / "mark"
    given = ["--provider", "cpu", "--quick", "--parts", "about,traffic", "--wheels", tmp_path / "wheels", "--out", out]
    done = check(*given, environment={"MARK": str(mark)})
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [json.loads(line) for line in (out / "gpu.jsonl").read_text().splitlines()]
    assert rows[0]["provider in use"] == "CPUExecutionProvider"
    copied = [row for row in rows if "MemcpyFromHost" in row]
    assert len(copied) == 3
    for row in copied:
        assert row["MemcpyFromHost"] == row["MemcpyToHost"] == 0
        # The graph as a GPU has it: all of the change is in it, beside the model's 11 operators.
        assert row["nodes on CPU"] > 20
        assert row["bytes of indices and z"] < row["bytes of the images"] / 10
    assert "| provider asked |" in (out / "gpu.md").read_text()
    assert "no CUDA here" in (out / "tests.txt").read_text() or unavailable_reason("cuda") is None
    assert mark.exists()


@pytest.mark.skipif(unavailable_reason("cuda") is None, reason="there is CUDA here")
def test_without_a_gpu_the_script_says_so(tmp_path: Path) -> None:
    done = check("--out", tmp_path)
    assert done.returncode == 1
    assert "nothing to measure: no cuda here" in done.stderr
    assert not (tmp_path / "gpu.jsonl").exists()


def test_an_unknown_part_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks/speed/gpu.py"), "--parts", "magic", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2
    assert "there is no part magic" in done.stderr
