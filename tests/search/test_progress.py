"""Progress callbacks."""

import pytest

from blackbox_dft.search.progress import NoProgress, Point, Progress


def test_no_progress_is_a_progress_that_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    progress: Progress = NoProgress()
    progress.note("a line")
    progress.phase("tune", 100)
    progress.scored(10, 5)
    progress.step(Point(10, 0.5, 0.75))
    assert capfd.readouterr() == ("", "")
