"""Proposals in flight: which level a search takes by measurement, what it records, and how that is replayed."""

import json
from collections.abc import Callable

import pytest

from blackbox_dft.search.in_flight import (
    FixedInFlight,
    InFlight,
    InFlightSearch,
    sent_together,
    useful_in_flight,
)


def together(limit: int) -> int:
    return sent_together(limit, proposal=16, batch=256, at_once=2)


class Run:
    """A search whose proposals are told in order; those in flight are scored at a rate that depends on their number."""

    def __init__(self, rate: Callable[[int], float], recorded: str | None = None, most: int = 32) -> None:
        self.now, self.kept = 0.0, recorded
        self.in_flight = InFlightSearch(most, together, record=self.keep, recorded=recorded, clock=lambda: self.now)
        self.rate, self.pending, self.groups = rate, 0, []
        self.told = 0

    def keep(self, text: str) -> None:
        self.kept = text

    def step(self, sent: int = 16) -> None:
        while room := self.in_flight.room(self.pending):
            self.pending += room
            self.groups.append((self.told, room))
        self.now += 16 / self.rate(self.in_flight.limit)
        self.pending -= 1
        self.told += 1
        self.in_flight.step(16, sent)


def test_a_device_that_takes_many_at_once_gets_all_that_it_takes() -> None:
    run = Run(lambda limit: 1000 * limit)
    for _ in range(400):
        run.step()
    assert run.in_flight.limit == 32
    # Sixteen proposals of 16 queries fill a call of 256 images, and two calls are in flight.
    assert run.groups[-1][1] == 16
    # No more than a quarter of what was told was ever in flight.
    changes = json.loads(run.kept or "")["changes"]
    assert [limit for _, limit, _ in changes] == [2, 4, 8, 16, 32]
    assert all(told >= 4 * limit for told, limit, _ in changes)


def test_a_target_that_serves_no_more_gets_no_more() -> None:
    run = Run(lambda limit: 1000 * min(limit, 4))
    for _ in range(400):
        run.step()
    assert run.in_flight.limit == 4
    # The level above was tried twice, as one measurement may have met a slow moment.
    assert [limit for _, limit, _ in json.loads(run.kept or "")["changes"]] == [2, 4, 8, 4, 8, 4]


def test_a_slow_moment_does_not_end_the_search() -> None:
    run = Run(lambda limit: 1000 * limit / (50 if 30 <= run.told < 60 else 1))
    for _ in range(600):
        run.step()
    assert run.in_flight.limit == 32


def test_a_resumed_run_makes_the_recorded_changes_at_the_same_moments() -> None:
    first = Run(lambda limit: 1000 * min(limit, 8))
    for _ in range(150):
        first.step()
    # Nothing is sent, as all is recorded, and no time passes.
    again = Run(lambda limit: 1e12, first.kept)
    for _ in range(150):
        again.step(sent=0)
    assert again.groups == first.groups
    assert again.kept == first.kept


def test_scores_that_take_no_time_are_not_measured() -> None:
    run = Run(lambda limit: 1e4 * limit)
    for _ in range(100):
        run.step(sent=0)
    assert run.in_flight.limit == 1
    assert run.kept is None
    for _ in range(100):
        run.step()
    assert run.in_flight.limit > 1


@pytest.mark.parametrize(("left", "room"), [(1e9, 4), (17.0, 4), (15.0, 3), (3.0, 1), (0.0, 1)])
def test_near_the_end_no_more_than_half_of_what_is_left_is_in_flight(left: float, room: int) -> None:
    recorded = json.dumps({"changes": [[1, 8, 4]], "rates": {}, "failed": 0})
    search = InFlightSearch(8, together, recorded=recorded, left=lambda: left)
    search.step(16, 16)
    assert search.room(0) == room
    assert search.room(min(8, max(1, int(left / 2)))) == 0


@pytest.mark.parametrize(
    ("in_flight", "proposal", "batch", "at_once", "wanted"),
    [
        (1, 16, 256, 2, 1),
        (2, 16, 256, 2, 1),
        (8, 16, 256, 2, 4),
        (64, 16, 256, 2, 16),  # A request is full.
        (8, 16, 8, 16, 1),  # A proposal is two requests.
        (8, 16, 64, 4, 2),  # Four workers are kept busy.
    ],
)
def test_proposals_are_sent_together_as_far_as_requests_take_them(
    in_flight: int, proposal: int, batch: int, at_once: int, wanted: int
) -> None:
    assert sent_together(in_flight, proposal=proposal, batch=batch, at_once=at_once) == wanted


def test_no_more_are_useful_than_fill_all_requests() -> None:
    assert useful_in_flight(proposal=16, batch=1, at_once=4) == 1
    assert useful_in_flight(proposal=16, batch=256, at_once=8) == 64
    fixed: InFlight = FixedInFlight(3)
    assert [fixed.room(pending) for pending in range(4)] == [1, 1, 1, 0]
