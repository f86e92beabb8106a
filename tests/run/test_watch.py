"""A folder that is watched: new files, files that grow, a table that goes on, and a target that fails."""

import csv
import json
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from blackbox_dft import BudgetError, InputError
from blackbox_dft.run.watch import Watched, watch


class Clock:
    """Takes the place of waiting: each look at the folder is preceded by the next of ``events``; then it ends."""

    def __init__(self, *events: object) -> None:
        self.events = list(events)
        self.waits: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)
        if not self.events:
            raise KeyboardInterrupt
        event = self.events.pop(0)
        if callable(event):
            event()


def image(path: Path, level: int = 120, side: int = 16) -> None:
    cv2.imwrite(str(path), np.full((side, side, 3), level, np.uint8))


def watched(run: Path, folder: Path, clock: Clock, out: Path | None = None, **options: object) -> list[Watched]:
    found: list[Watched] = []
    with suppress(KeyboardInterrupt):
        found.extend(watch(run, folder, out, pause=clock, **options))  # type: ignore[arg-type]
    return found


def files(out: Path) -> list[str]:
    with out.open() as table:
        return [Path(row["file"]).name for row in csv.DictReader(table)]


def test_new_files_are_added_once_they_are_whole_and_a_restart_goes_on(copied: Path) -> None:
    new, out = copied / "new", copied / "out.csv"
    new.mkdir()
    image(new / "a.png")
    (new / "b.png").write_bytes(b"no image")

    def grow() -> None:
        image(new / "c.png", side=18)

    def end() -> None:
        image(new / "c.png", level=90)

    found = watched(copied / "run", new, Clock(None, grow, end, None), out)
    assert [one.queries for one in found] == [1, 1]
    assert files(out) == ["a.png", "b.png", "c.png"]
    image(new / "d.png", level=60)
    # A kill left half a row.
    with out.open("a") as table:
        table.write(f"{new / 'd.png'},dark,0.")
    found = watched(copied / "run", new, Clock(None, None), out)
    assert ([one.queries for one in found], files(out)) == ([1], ["a.png", "b.png", "c.png", "d.png"])
    # Without the table, all are labelled again, and none is paid for.
    found = watched(copied / "run", new, Clock(None))
    assert [one.queries for one in found] == [0]
    assert len(found[0].table.files) == 4


def test_files_none_of_which_can_be_read_are_rows_too(copied: Path) -> None:
    (copied / "new").mkdir()
    (copied / "new/a.png").write_bytes(b"")
    (found,) = watched(copied / "run", copied / "new", Clock(None))
    assert found.table.errors == (f"{copied / 'new/a.png'} is empty",)


def test_a_budget_holds_for_all_that_comes(copied: Path) -> None:
    (copied / "new").mkdir()
    image(copied / "new/a.png")

    def more() -> None:
        image(copied / "new/b.png", 99)

    clock = Clock(None, more, None)
    with pytest.raises(BudgetError, match="1 images need 1 queries more, and --budget allows 0"):
        list(watch(copied / "run", copied / "new", budget=1, pause=clock))


def test_a_target_that_fails_is_tried_again_less_and_less_often(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (copied / "new").mkdir()
    image(copied / "new/a.png")
    said: list[str] = []
    (copied / "flaky.py").write_text(
        "import pathlib\nimport numpy as np\n\ndef score(images):\n"
        f"    if pathlib.Path({str(copied / 'down')!r}).exists():\n        raise RuntimeError('out of order')\n"
        "    bright = images.mean(axis=(1, 2, 3)) > 110\n    return np.stack([~bright, bright], axis=1) * 1.0\n\n"
        "score.classes = ['dark', 'bright']\n"
    )
    monkeypatch.syspath_prepend(copied)
    config = copied / "run/config.json"
    document = json.loads(config.read_text())
    document["config"] |= {"target": "flaky:score", "path": "array"}
    del document["paths"]["target"]
    config.write_text(json.dumps(document))
    (copied / "down").touch()
    clock = Clock(None, None, None, (copied / "down").unlink, None)
    (found,) = watched(copied / "run", copied / "new", clock, warn=said.append)
    assert clock.waits[:5] == [1, 2, 4, 8, 1]
    assert len(said) == 3
    assert "out of order; trying again in 2 s" in said[0]
    assert len(found.table.files) == 1


def test_a_table_of_something_else_is_left_alone(copied: Path) -> None:
    other = copied / "labels.csv"
    before = other.read_bytes()
    with pytest.raises(InputError, match=r"holds no predictions of this run \(its columns are not file, label"):
        next(watch(copied / "run", copied / "images", other))
    assert other.read_bytes() == before
