"""The progress display: a moving line on a terminal, plain lines elsewhere, warnings alone if quiet; all on stderr."""

import io
import re
import sys
from pathlib import Path

import click
import numpy as np
import pytest

from blackbox_dft.cli.progress_bar import PlainProgress, resume_hint, show_progress
from blackbox_dft.errors import DriftError, MisfitError, TargetError
from blackbox_dft.report.progress_display import BarProgress, RunningLoss
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.search.progress import Point, Progress


class Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def search(progress: Progress) -> None:
    """A search of 100 queries in ten steps."""
    progress.note("scores: [probabilities]")
    progress.phase("tune", 100)
    for step in range(10):
        progress.scored(10, 5)
        progress.step(Point(10 * (step + 1), 0.5, 0.75))
    progress.phase("done", 0)


def test_plain_lines_outside_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress(100, quiet=False) as progress:
        assert isinstance(progress, PlainProgress)
        search(progress)
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert lines[0] == "scores: [probabilities]"
    assert lines[1] == "tuning: 10 of 100 queries"
    assert lines[2] == "tuning: 20 of 100 queries  loss 0.500"
    assert lines[-1] == "tuning: 100 of 100 queries  loss 0.500 (at first 0.500)"
    assert len(lines) == 11
    assert captured.out == ""


def test_one_moving_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys, "stderr", screen)
    with show_progress(100, quiet=False) as progress:
        assert isinstance(progress, BarProgress)
        search(progress)
    shown = screen.getvalue()
    # Names of files and classes are no markup.
    assert "scores: [probabilities]" in shown
    assert "100/100 queries" in shown
    assert "loss 0.500 (at first 0.500)" in shown
    assert "images/s" in shown
    assert capsys.readouterr().out == ""


def test_warnings_alone_if_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress(100, quiet=True) as progress:
        search(progress)
        assert capsys.readouterr().err == ""
        progress.warning("these images are odd")
    assert capsys.readouterr() == ("", "WARNING: these images are odd\n")


def test_the_running_loss_forgets_and_keeps_its_first() -> None:
    loss = RunningLoss()
    assert str(loss) == ""
    for _ in range(50):
        loss.add(1.0)
    for _ in range(5):
        loss.add(0.0)
    # .9 ** 5 of the weight is left for the earlier ones, all but .9 ** 55 of them.
    assert str(loss) == "  loss 0.589 (at first 1.000)"


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_the_moving_line_fits_the_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Terminal()
    for name, value in (("TERM", "xterm"), ("COLUMNS", str(width)), ("LINES", "24")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", screen)
    with show_progress(123_456, quiet=False, price=0.001) as progress:
        progress.phase("tune", 123_456)
        for step in range(20):
            progress.scored(12_345, 12_345)
            progress.step(Point(step, 0.5, 0.75))
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue()).replace("\r", "\n").split("\n")
    assert max(map(len, lines)) < width
    # One line, drawn again and again at the same place.
    assert screen.getvalue().count("\n") <= 2
    if width >= 40:
        assert "123,456/123,456 queries" in screen.getvalue()
    assert "loss 0.500" in screen.getvalue() or width < 80
    # Of this call: what a resumed run paid before is in its summary.
    assert "246.90 paid now" in screen.getvalue() or width < 80


def test_no_counter_passes_its_total(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress(100, quiet=False) as progress:
        progress.phase("tune", 200)
        for _ in range(20):
            progress.scored(10, 10)
    assert "100 of 100 queries" in capsys.readouterr().err.splitlines()[-1]


def stopped(run: Path, error: BaseException) -> str:
    """What is said of a run that ends with ``error``."""
    with pytest.raises(type(error)) as caught, resume_hint(run):
        raise error
    return str(caught.value)


def test_a_stop_before_the_first_score_is_told_to_start_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(click.exceptions.Exit) as caught, resume_hint(tmp_path):
        raise KeyboardInterrupt
    assert caught.value.exit_code == 130
    assert capsys.readouterr().err == (
        "\nbbdft: stopped before the first score: give the same command again to start.\n"
    )
    with Ledger(tmp_path / "ledger.sqlite", budget=10) as ledger:
        ledger.record(ledger.reserve("tune", [b"a" * 16]), np.ones((1, 2), np.float32))
    with pytest.raises(click.exceptions.Exit), resume_hint(tmp_path):
        raise KeyboardInterrupt
    assert "stopped; all scores are kept: continue with 'bbdft resume" in capsys.readouterr().err


def test_errors_say_how_to_continue_only_if_that_can_help(tmp_path: Path) -> None:
    run = tmp_path / "a run"
    run.mkdir()
    # Nothing is recorded: the command can be given again.
    assert stopped(run, TargetError("no answer.")) == "no answer."
    with Ledger(run / "ledger.sqlite", budget=10) as ledger:
        request = ledger.reserve("tune", [b"a" * 16])
    assert stopped(run, TargetError("no answer.")) == "no answer."
    with Ledger(run / "ledger.sqlite", budget=10) as ledger:
        request = ledger.reserve("tune", [b"b" * 16])
        ledger.record(request, np.ones((1, 2), np.float32))
    hint = f"; all scores are kept: continue with 'bbdft resume '{run}''."
    assert stopped(run, TargetError("no answer.")) == f"no answer{hint}"
    # Another output, map or profile is another run.
    assert stopped(run, MisfitError("give another --output.")) == "give another --output."
    with pytest.raises(TargetError, match=r"resume .*--accept-drift'\.$"), resume_hint(run):
        raise DriftError("it has changed")
