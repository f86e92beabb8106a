"""The dispatcher: the order of preparing, reserving, sending and recording, retries, and the drain."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from blackbox_dft._utils.types import Scores
from blackbox_dft.errors import LostAnswer, NotFiniteScores, TargetError
from blackbox_dft.scoring.dispatcher import Dispatcher, FixedConcurrency, Request
from blackbox_dft.scoring.first_scores import FirstScores, NoScoreError
from blackbox_dft.scoring.ledger import Ledger

ONE = np.zeros((1, 2), np.float32)


class Wire:
    """Makes requests of one query, notes what happens to them, and answers each as ``respond`` says."""

    def __init__(self, ledger: Ledger, respond: Callable[[int], Scores | Exception | None]) -> None:
        self.ledger, self.respond = ledger, respond
        self.log: list[tuple[str, int]] = []
        self.open: dict[int, Future[Scores]] = {}

    def request(self, number: int) -> Request:
        def send() -> Future[Scores]:
            self.log.append(("send", number))
            assert self.ledger.remaining < self.ledger.budget, "sent before it was reserved"
            response: Future[Scores] = Future()
            self.open[number] = response
            found = self.respond(number)
            if isinstance(found, Exception):
                response.set_exception(found)
            elif found is not None:
                response.set_result(found)
            return response

        def prepare() -> Future[Callable[[], Future[Scores]]]:
            self.log.append(("prepare", number))
            ready: Future[Callable[[], Future[Scores]]] = Future()
            ready.set_result(send)
            return ready

        return Request("tune", [number.to_bytes(16, "little")], prepare)

    def sent(self) -> list[int]:
        return [number for what, number in self.log if what == "send"]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "l.sqlite", budget=100) as ledger:
        yield ledger


def test_one_request_more_than_may_be_under_way_is_prepared_and_none_of_them_inside_a_transaction(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(ledger, lambda number: ONE)
    inside = []
    dispatcher = Dispatcher(ledger, lambda images: None, FixedConcurrency(2))
    transaction = ledger.transaction

    def watched() -> object:
        inside.append(len(wire.log))
        return transaction()

    monkeypatch.setattr(ledger, "transaction", watched)
    dispatcher.run(dispatcher.add([wire.request(n) for n in range(6)]))
    first_send = wire.log.index(("send", 0))
    assert wire.log[:first_send] == [("prepare", 0), ("prepare", 1), ("prepare", 2)]
    assert sorted(wire.sent()) == list(range(6))
    assert ledger.total == 6
    assert inside[0] == 3, "prepared before the first transaction"


def test_no_more_are_under_way_than_allowed(ledger: Ledger) -> None:
    most = 0

    def respond(number: int) -> Scores | None:
        nonlocal most
        unfinished = [n for n, response in wire.open.items() if not response.done()]
        most = max(most, len(unfinished))
        # The third request of each group answers the whole group.
        if len(unfinished) == 3:
            for n in unfinished:
                if n != number:
                    wire.open[n].set_result(ONE)
            return ONE
        return None

    wire = Wire(ledger, respond)
    dispatcher = Dispatcher(ledger, lambda images: None, FixedConcurrency(3))
    dispatcher.run(dispatcher.add([wire.request(n) for n in range(9)]))
    assert most == 3
    assert ledger.spent("tune") == 9


def test_a_lost_response_is_sent_again_and_its_query_stays_in_doubt(ledger: Ledger) -> None:
    left = {0: 2}

    def respond(number: int) -> Scores | Exception:
        if left.get(number):
            left[number] -= 1
            return LostAnswer("no answer")
        return ONE

    wire = Wire(ledger, respond)
    answered: list[int] = []
    dispatcher = Dispatcher(ledger, answered.append, FixedConcurrency(1))
    dispatcher.run(dispatcher.add([wire.request(0), wire.request(1)]))
    assert wire.sent() == [0, 0, 0, 1]
    assert (ledger.total, ledger.in_doubt, answered) == (4, 2, [1, 1])


def test_after_the_given_number_of_tries_it_is_an_error(ledger: Ledger) -> None:
    wire = Wire(ledger, lambda number: LostAnswer("no answer."))
    dispatcher = Dispatcher(ledger, lambda images: None, FixedConcurrency(1), max_tries=3)
    with pytest.raises(TargetError, match="no answer, 3 times in a row for the same images"):
        dispatcher.run(dispatcher.add([wire.request(0)]))
    assert wire.sent() == [0, 0, 0]
    assert ledger.in_doubt == 3


def test_the_policy_is_called_at_every_response(ledger: Ledger) -> None:
    class Policy(FixedConcurrency):
        log: list[object] = []  # noqa: RUF012

        def answered(self, images: int) -> None:
            self.log.append(images)
            self.limit = 2

        def lost(self) -> None:
            self.log.append("lost")

    lost_once = iter([LostAnswer("no answer")])
    wire = Wire(ledger, lambda number: next(lost_once, ONE))
    policy = Policy(1)
    dispatcher = Dispatcher(ledger, lambda images: None, policy)
    dispatcher.run(dispatcher.add([wire.request(n) for n in range(3)]))
    assert policy.log == ["lost", 1, 1, 1]


def test_later_batches_are_sent_while_there_is_room_and_recorded_by_the_drain(ledger: Ledger) -> None:
    wire = Wire(ledger, lambda number: ONE if number == 0 else None)
    dispatcher = Dispatcher(ledger, lambda images: None, FixedConcurrency(2))
    first = dispatcher.add([wire.request(0)])
    dispatcher.add([wire.request(1), wire.request(2)])
    dispatcher.run(first)
    assert wire.sent()[:2] == [0, 1]
    for response in wire.open.values():
        if not response.done():
            response.set_running_or_notify_cancel()
            response.set_result(ONE)
    dispatcher.drain()
    assert ledger.in_doubt == 0
    assert ledger.total == len(wire.sent())


def test_a_failure_records_what_else_was_sent(ledger: Ledger) -> None:
    def respond(number: int) -> Scores | Exception | None:
        if number == 1:
            wire.open[0].set_result(ONE)
            return TargetError("the model failed")
        return None

    wire = Wire(ledger, respond)
    dispatcher = Dispatcher(ledger, lambda images: None, FixedConcurrency(2))
    with pytest.raises(TargetError, match="the model failed"):
        dispatcher.run(dispatcher.add([wire.request(0), wire.request(1)]))
    assert (0).to_bytes(16, "little") in ledger


NAN = np.full((1, 2), np.nan, np.float32)


def test_scores_that_are_not_finite_are_retried_until_the_model_has_shown_that_it_is_like_that(ledger: Ledger) -> None:
    wire = Wire(ledger, lambda number: NotFiniteScores("NaN", NAN) if number in (2, 5) else ONE + 1)
    dispatcher = Dispatcher(ledger, lambda images: None, FixedConcurrency(1))
    dispatcher.run(dispatcher.add([wire.request(n) for n in range(7)]))
    assert wire.sent() == [0, 1, 2, 2, 2, 3, 4, 5, 6]
    # Every request counts, and the rows without a score are recorded.
    assert (ledger.total, ledger.in_doubt) == (9, 2)
    scores = ledger.scores([n.to_bytes(16, "little") for n in range(7)])
    np.testing.assert_array_equal(np.isnan(scores).all(axis=1), [n in (2, 5) for n in range(7)])


def test_a_nan_that_heals_is_not_kept(ledger: Ledger) -> None:
    fates = iter([NotFiniteScores("NaN", NAN), NotFiniteScores("NaN", NAN), ONE + 1])
    wire = Wire(ledger, lambda number: next(fates))
    dispatcher = Dispatcher(ledger, lambda images: None, FixedConcurrency(1))
    dispatcher.run(dispatcher.add([wire.request(0)]))
    np.testing.assert_array_equal(ledger.scores([bytes(16)]), ONE + 1)


def test_requests_are_sent_one_at_a_time_until_one_has_a_score(ledger: Ledger) -> None:
    most: list[int] = []

    def respond(number: int) -> Scores:
        most.append(ledger.total - len(ledger))
        return ONE + (number >= 3)

    wire = Wire(ledger, respond)
    dispatcher = Dispatcher(ledger, lambda images: None, FixedConcurrency(4))
    dispatcher.first_scores = FirstScores()
    dispatcher.run(dispatcher.add([wire.request(n) for n in range(12)]))
    assert most[:4] == [1, 1, 1, 1]
    assert max(most[4:]) == 4


def test_without_scores_it_stops_after_the_first_images(ledger: Ledger) -> None:
    wire = Wire(ledger, lambda number: ONE)
    dispatcher = Dispatcher(ledger, lambda images: None, FixedConcurrency(16))
    dispatcher.first_scores = FirstScores()
    with pytest.raises(NoScoreError):
        dispatcher.run(dispatcher.add([wire.request(n) for n in range(50)]))
    assert len(wire.sent()) == ledger.total == 8


def test_if_requests_cost_nothing_as_many_again_are_sent_ahead(ledger: Ledger) -> None:
    most = 0

    def respond(number: int) -> Scores | None:
        nonlocal most
        unfinished = [n for n, response in wire.open.items() if not response.done()]
        most = max(most, len(unfinished))
        if len(unfinished) == 4 or number == 9:
            for n in unfinished:
                if n != number:
                    wire.open[n].set_result(ONE)
            return ONE
        return None

    wire = Wire(ledger, respond)
    dispatcher = Dispatcher(ledger, lambda images: None, FixedConcurrency(2, queued=True))
    dispatcher.run(dispatcher.add([wire.request(n) for n in range(10)]))
    assert most == 4
    assert ledger.spent("tune") == 10


def test_an_earlier_batch_is_complete_although_a_later_one_has_no_response(ledger: Ledger) -> None:
    def respond(number: int) -> Scores | None:
        return ONE if number < 2 else None

    wire = Wire(ledger, respond)
    dispatcher = Dispatcher(ledger, lambda images: None, FixedConcurrency(2, queued=True))
    first = dispatcher.add([wire.request(0), wire.request(1)])
    second = dispatcher.add([wire.request(2)])
    dispatcher.run(first)
    assert wire.sent() == [0, 1, 2]
    assert (ledger.spent("tune"), ledger.in_doubt_of("tune")) == (2, 1)
    wire.open[2].set_result(ONE)
    dispatcher.run(second)
    assert ledger.spent("tune") == 3
