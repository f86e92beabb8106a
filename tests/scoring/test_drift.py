"""The drift check: fixed images scored again, and what their scores may move."""

from typing import ClassVar

import numpy as np
import pytest

from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.errors import TargetError
from blackbox_dft.scoring.drift import DriftCheck, queries


class MovingScorer:
    """Scores 0 and 1; each repetition is off by the next of ``moves``."""

    class target:  # noqa: N801
        name = "http://service"

    def __init__(self, moves: list[float]) -> None:
        self.moves = moves
        self.calls: list[tuple[str, list[int], int]] = []

    def score(self, phase: str, indices: Ints, z: Floats, *, again: int = 0) -> Floats:
        self.calls.append((phase, indices.tolist(), again))
        return np.tile([0.0, 1.0], (len(indices), 1)) + (self.moves[again - 1] if again else 0)

    def keys(self, indices: Ints, z: Floats, *, again: int) -> list[bytes]:
        return [f"{index} {again}".encode() for index in indices]

    class ledger:  # noqa: N801
        forgotten: ClassVar[list[bytes]] = []

        @classmethod
        def forget_scoreless(cls, keys: list[bytes]) -> None:
            cls.forgotten[:] = keys


def check(moves: list[float], *, accept: bool = False) -> tuple[DriftCheck, MovingScorer]:
    scorer = MovingScorer(moves)
    return DriftCheck(scorer, np.arange(10), np.zeros(1), 1000, accept=accept), scorer  # type: ignore[arg-type]


def test_four_images_are_scored_again_after_each_tenth_of_the_search_from_the_second_on() -> None:
    drift, scorer = check([0.0] * 10)
    # The first scores, and their noise.
    assert scorer.calls == [("watch", [0, 1, 2, 3], again) for again in range(2)]
    checked = []
    for spent in range(50, 1051, 50):
        before = len(scorer.calls)
        drift(spent)
        checked += [spent] * (len(scorer.calls) - before)
    assert checked == list(range(200, 1001, 100))
    assert scorer.calls == [("watch", [0, 1, 2, 3], again) for again in range(11)]
    assert sum(len(images) for _, images, _ in scorer.calls) <= queries()
    assert drift.moved == 0


@pytest.mark.parametrize(
    ("noise", "move", "refused"),
    # Two hundredths of the range of the scores, 1, or five times the first repetition's noise.
    [(0.0, 0.019, False), (0.0, 0.021, True), (0.01, 0.049, False), (0.01, 0.051, True)],
)
def test_scores_may_move_by_a_share_of_their_range_or_by_their_noise(noise: float, move: float, refused: bool) -> None:
    drift, _ = check([noise, 0.0, move])
    drift(200)
    if not refused:
        drift(300)
        return
    with pytest.raises(TargetError, match=r"http://service has changed: after 300 queries .*accept it with --accept-"):
        drift(300)


def test_a_move_that_is_accepted_is_kept_for_the_report() -> None:
    drift, _ = check([0.0, 0.5, 0.25], accept=True)
    drift(200)
    drift(300)
    assert drift.moved == pytest.approx(0.5)
    assert drift.moved > drift.tolerance


def test_images_that_lose_all_scores_end_the_search_and_are_scored_again_later() -> None:
    drift, scorer = check([0.0, np.nan], accept=True)
    with pytest.raises(TargetError, match="http://service no longer returns scores: after 200 queries none of 4"):
        drift(200)
    assert scorer.ledger.forgotten == [b"0 2", b"1 2", b"2 2", b"3 2"]


def test_a_step_without_scores_is_followed_up_once_in_a_tenth_of_the_search() -> None:
    drift, scorer = check([0.0, 0.0, 0.0, np.nan])
    for spent in (110, 120, 130, 250, 260):
        drift.check_scores(spent, [b"step"])
    assert len(scorer.calls) == 2 + 2
    with pytest.raises(TargetError, match="no longer returns scores"):
        drift.check_scores(310, [b"step"])
    assert scorer.ledger.forgotten[0] == b"step"
