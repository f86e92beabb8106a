"""``bbdft check`` of a URL: what it prints, its exit code, and a check that is killed."""

import json
import shlex
import time
from pathlib import Path

import numpy as np

from blackbox_dft import Tuning
from tests import forked
from tests.conftest import Bbdft
from tests.helpers.serving import serving, words


def test_a_url_that_changes(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    run, count, said = tmp_path / "run", tmp_path / "count", tmp_path / "said"
    with serving(count, drift=700, delay=0.01) as url:
        bbdft(*words(url, tiny, run, batch=8, budget=400), "--yes", code=0)
        start = int(count.read_text())
        assert "up to 95 images would be sent" in bbdft("check", run, "--confirm-above", 10, code=2).stderr
        process = forked.start(["check", run], None, said, said)
        while process.exitcode is None and int(count.read_text() or 0) < start + 30:
            time.sleep(0.0005)
        process.kill()
        process.join()
        first = bbdft("check", run, code=0)
        # What was on its way when the check was killed may have been sent again.
        assert 64 <= int(count.read_text()) - start <= 64 + 64
        assert first.stdout.startswith("note: the run holds the scores of 32 images under its tuning, and not of 60\n")
        assert "\nno drift: scores of 32 images moved by 0 at most" in first.stdout
        assert "over 1 check +0.0 points" in first.stdout
        bbdft("check", run, "--quiet", code=0)
        bbdft("evaluate", run, "--split", "all", "--quiet", code=0)
        assert int(count.read_text()) > 700
        found = bbdft("check", run, code=5)
        assert "drift: a score moved by " in found.stdout
        assert "  by label, in the mean: " in found.stdout
        assert f"next: 'bbdft evaluate {run} --fresh' says" in found.stdout
        # What it says to give works as it stands.
        line = found.stdout.splitlines()[-1].strip()
        assert line.endswith(f"--start {run} --out {run}-again") or f" --start {run} " in line
        again = bbdft(*shlex.split(line)[1:], "--yes", "--json", code=0)
        assert json.loads(again.stdout)["accuracy"]["test"]["after"] > 0.9
        recorded = json.loads(Path(f"{run}-again", "config.json").read_text())["config"]["start"]
        np.testing.assert_allclose([float(n) for n in recorded.split(",")], Tuning.load(run).z, rtol=1e-5)
        bbdft("resume", f"{run}-again", "--json", code=0)
        document = json.loads(bbdft("check", run, "--json", code=5).stdout)
    assert document["drift"] is True
    assert document["checks"] == 4
    assert len(json.loads((run / "checks.json").read_text())["checks"]) == 4
