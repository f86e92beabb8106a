"""Progress from Python: what a terminal, a notebook and a callback get, and warnings."""

import io
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from blackbox_dft import Callback, InputError, Point, Result, RunWarning, optimize
from blackbox_dft.api.progress import NotebookProgress
from blackbox_dft.search.progress import NoProgress
from tests.api.conftest import OPTIONS
from tests.helpers.tone_arrays import Bright, tone_arrays


class Recorder(Callback):
    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def phase(self, name: str, queries: int) -> None:
        self.calls.append((name, queries))

    def step(self, point: Point) -> None:
        self.calls.append(("step", point))

    def done(self, result: Result) -> None:
        assert (result.path / "summary.json").exists()
        self.calls.append(("done", result.verdict))


class StepsOnly:
    def __init__(self) -> None:
        self.queries: list[int] = []

    def step(self, point: Point) -> None:
        self.queries.append(point.queries)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_callbacks_are_called_in_the_order_of_the_run() -> None:
    recorder, steps = Recorder(), StepsOnly()
    result = optimize(Bright(), tone_arrays(), callbacks=[recorder, steps], **OPTIONS)  # type: ignore[call-overload]
    names = [name for name, _ in recorder.calls]
    assert names[0] == "select"
    assert [name for name in names if name != "step"] == ["select", "tune", "evaluate", "done"]
    assert names.index("tune") < names.index("step") < names.index("evaluate")
    assert recorder.calls[-1] == ("done", "improved")
    assert steps.queries == result.to_frame()["queries"].tolist()


@pytest.mark.parametrize(
    ("callbacks", "said"),
    [([print], "is no callback: give it a method step, phase or done"), (StepsOnly(), r"pass callbacks=\[\.\.\.\]")],
)
def test_what_would_be_ignored_is_refused(callbacks: Any, said: str) -> None:
    target = Bright()
    with pytest.raises(InputError, match=said):
        optimize(target, tone_arrays(), callbacks=callbacks, **OPTIONS)  # type: ignore[call-overload]
    assert target.scored == 0


def test_a_terminal_gets_a_line_unless_it_is_unwanted(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {name: value for name, value in OPTIONS.items() if name != "progress"}
    for progress, stream, shown in ((None, Terminal(), True), (False, Terminal(), False), (None, io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        optimize(Bright(), tone_arrays(), progress=progress, **options)  # type: ignore[call-overload]
        assert ("queries" in stream.getvalue()) is shown


def test_an_object_of_the_user_is_notified() -> None:
    class Mine(NoProgress):
        notes: list[str] = []  # noqa: RUF012

        def note(self, text: str) -> None:
            self.notes.append(text)

    mine = Mine()
    optimize(Bright(), tone_arrays(), **{**OPTIONS, "progress": mine})  # type: ignore[call-overload]
    assert any("scores: " in note for note in mine.notes)


def test_warnings_are_pythons_and_at_the_callers_line() -> None:
    with pytest.warns(RunWarning, match="hardly better than by chance") as caught:
        optimize(lambda images: np.ones((len(images), 2)) * [0.4, 0.6], tone_arrays(), **OPTIONS)  # type: ignore[call-overload]
    assert caught[0].filename == __file__
    assert "--" not in str(caught[0].message)


def test_a_notebook_gets_one_line_that_is_replaced() -> None:
    shown: list[str] = []

    class Handle:
        def update(self, html: str) -> None:
            shown[-1] = html

    def display(html: str, display_id: bool) -> Handle:
        shown.append(html)
        return Handle()

    line = NotebookProgress(display, lambda text: text, 100)
    line.phase("tune", 80)
    line.scored(40, 40)
    line.step(Point(40, 0.5, 0.75))
    line.phase("done", 0)
    assert len(shown) == 1
    assert "done: 40 of up to 100 queries  loss 0.500" in shown[0]


def test_the_line_of_a_notebook_says_what_was_paid_and_how_long_it_takes() -> None:
    shown: list[str] = []
    handle = SimpleNamespace(update=shown.append)
    times = iter(range(0, 1000, 10))
    line = NotebookProgress(
        lambda html, display_id: handle, lambda text: text, 100, price=0.5, clock=lambda: float(next(times))
    )
    line.phase("tune", 80)
    assert "paid now" in shown[-1]
    assert "left" not in shown[-1]
    line.scored(20, 20)
    line.scored(20, 4)
    # 20 images between two notices, which are 20 s apart, as every look at the clock takes 10 s.
    assert "tuning: 40 of up to 100 queries  12.00 paid now  60 s left at most" in shown[-1]
    line.phase("done", 0)
    assert "left" not in shown[-1]
