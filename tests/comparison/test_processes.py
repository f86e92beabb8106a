"""Worker processes."""

import multiprocessing
from typing import Any

import pytest

from blackbox_dft.comparison.processes import _ProgressReporter, _send_error
from blackbox_dft.errors import BudgetError, TargetError


class UnpicklableError(Exception):
    """With a constructor that pickle does not know."""

    def __init__(self, word: str, *, code: int) -> None:
        super().__init__(f"{word} {code}")


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (BudgetError("too small"), BudgetError, "too small"),
        (UnpicklableError("broken", code=3), TargetError, "UnpicklableError: broken 3"),
    ],
)
def test_errors_reach_the_parent(error: Exception, kind: type[Exception], text: str) -> None:
    ours, theirs = multiprocessing.Pipe()
    _send_error(theirs, error)
    word, received = ours.recv()
    assert word == "failed"
    assert type(received) is kind
    assert str(received) == text


def test_progress_is_sent_in_sums() -> None:
    sent: list[Any] = []

    class Recorder:
        def send(self, message: Any) -> None:
            sent.append(message)

    reporter = _ProgressReporter(Recorder())  # type: ignore[arg-type]
    reporter(3, 2)
    reporter(4, 0)
    reporter.flush()
    assert sent == [("scored", (7, 2))]
