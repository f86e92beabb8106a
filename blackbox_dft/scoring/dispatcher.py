"""Dispatcher: prepares requests in advance, records each in the ledger, sends it, records the response.

Only the thread that calls ``Dispatcher.run`` writes to the ledger. It never waits for an image to be prepared while
more requests may be sent, and if images cost money, no request is sent before its reservation is committed.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from blackbox_dft._utils.types import Scores
from blackbox_dft.errors import BlackboxError, LostAnswer, NotFiniteScores, TargetError
from blackbox_dft.scoring.backends.base import Send
from blackbox_dft.scoring.first_scores import FirstScores
from blackbox_dft.scoring.ledger import Ledger

MAX_TRIES = 5
"""How many times a request is sent, the first included, if its response gets lost."""
MAX_TRIES_NOT_FINITE = 3
"""The same if its scores are NaN or infinite. If they stay so once, the model is like that: later ones are not retried.
"""

MAX_UNRECORDED_SECONDS = 0.05
"""A response that arrives later than this after the last was recorded is recorded without waiting for others."""


class ConcurrencyPolicy(Protocol):
    """How many requests may be under way at once. Called by the dispatcher, from the thread that runs it."""

    limit: int
    """Requests that may be under way now, at least 1."""

    def answered(self, images: int) -> None:
        """A response to a request of ``images`` images was recorded."""

    def lost(self) -> None:
        """A response was lost."""


@dataclass
class FixedConcurrency:
    """``limit`` requests at once, whatever happens."""

    limit: int
    queued: bool = False
    """Whether as many again are sent ahead: they cost nothing, and the target queues what it does not work on."""

    def answered(self, images: int) -> None:
        """Changes nothing."""

    def lost(self) -> None:
        """Changes nothing."""


@dataclass(eq=False)
class Request:
    """Images that are scored together."""

    phase: str
    keys: list[bytes]
    prepare: Callable[[], Future[Send]]
    """Starts to prepare the request; the result sends it."""
    prepared: Future[Send] | None = None
    number: int = -1
    """Of the ledger's reservation."""
    response: Future[Scores] | None = None
    """``None`` until the request is sent."""
    tries: int = 1
    batch_id: int = 0
    """Of the call to ``Dispatcher.add`` that it came with."""

    @property
    def ready(self) -> bool:
        """Whether it can be sent."""
        return self.prepared is not None and self.prepared.done()


class Dispatcher:
    """Keeps as many requests under way as ``concurrency`` allows.

    Args:
        ledger: where each request is reserved before it is sent, and its response recorded.
        answered: called with the number of images of each response recorded.
        concurrency: how many requests may be under way at once.
        max_tries: how many times a request is sent if its response gets lost.
    """

    def __init__(
        self,
        ledger: Ledger,
        answered: Callable[[int], None],
        concurrency: ConcurrencyPolicy,
        *,
        max_tries: int = MAX_TRIES,
    ) -> None:
        self.ledger, self.concurrency = ledger, concurrency
        self.first_scores: FirstScores | None = None
        """Judges the responses, if set; until one has a score, requests that cost money are sent one at a time."""
        self._answered, self._max_tries = answered, max_tries
        self._keeps_not_finite = False
        """Whether scores that are not finite are recorded at once, as retries have not helped."""
        self._event = threading.Event()
        self._woken = 0.0
        self._enough = 0
        """Unanswered requests at which a response is reason to wake up."""
        self._batches = 0
        self._waiting: deque[Request] = deque()
        self._preparing: deque[Request] = deque()
        self._under_way: list[Request] = []
        self._unsent: list[Request] = []
        """Those of ``_under_way`` that are to be sent."""
        self._arrived: deque[Request] = deque()
        """Those that have a response which is not recorded yet."""

    def add(self, requests: Sequence[Request]) -> int:
        """Queues ``requests`` behind all others, to be sent while ``run`` runs; returns their batch id."""
        self._batches += 1
        for request in requests:
            request.batch_id = self._batches
        self._waiting.extend(requests)
        return self._batches

    def run(self, batch_id: int) -> None:
        """Records a response to every request up to those of ``batch_id``; sends later ones while there is room.

        Raises:
            BudgetError: the ledger's budget does not cover them.
            TargetError: the target failed; the responses it gave before are recorded.
            NoScoreError: the first responses, which are recorded, hold nearly no score.
        """
        self._woken = time.monotonic()
        try:
            while self._step(batch_id):
                self._enough = self._unanswered_to_wait_for(batch_id)
                if self._unanswered > self._enough:
                    self._event.wait()
                self._event.clear()
                self._woken = time.monotonic()
        except BaseException:
            self.drain()
            raise

    def _step(self, batch_id: int) -> bool:
        """Prepares, records, reserves and sends what it can; whether a request up to ``batch_id`` is unfinished."""
        self._prepare()
        # One transaction for all that arrived and all that is sent now: a commit costs more than a row.
        with self.ledger.transaction():
            while self._arrived:
                request = self._arrived.popleft()
                if request in self._under_way:
                    self._record(request)
            while self._preparing and self._preparing[0].ready and len(self._under_way) < self._limit:
                self._reserve(self._preparing.popleft())
            if not self.ledger.counts_in_doubt:
                # A local model costs nothing, so it may work while the transaction is committed.
                self._send()
        # Otherwise only what is committed is sent.
        self._send()
        self._prepare()
        # Those that are not under way yet are in order.
        first = [*self._under_way, *list(self._preparing)[:1], *list(self._waiting)[:1]]
        return any(request.batch_id <= batch_id for request in first)

    @property
    def _unanswered(self) -> int:
        """Requests under way without a response."""
        return len(self._under_way) - len(self._arrived)

    def _unanswered_to_wait_for(self, batch_id: int) -> int:
        """How few of the requests under way may be unanswered when there is something to do.

        To be woken for every response takes longer than to record it. If requests are sent ahead, the target has enough
        to do until half of them are answered.
        """
        most = len(self._under_way) - 1
        if not self._sends_ahead:
            return most
        later = sum(request.batch_id > batch_id for request in self._under_way)
        return min(most, max(later, self.concurrency.limit if self._preparing or self._waiting else 0))

    @property
    def _sends_ahead(self) -> bool:
        return isinstance(self.concurrency, FixedConcurrency) and self.concurrency.queued

    @property
    def _limit(self) -> int:
        """Requests that may be under way now."""
        first = self.first_scores
        if first and not first.enough and self.ledger.counts_in_doubt:
            return 1
        return (1 + self._sends_ahead) * self.concurrency.limit

    def _prepare(self) -> None:
        # One more than may be under way, so that the next request never waits for its images.
        while self._waiting and len(self._preparing) <= self._limit:
            request = self._waiting.popleft()
            request.prepared = request.prepare()
            if not request.prepared.done():
                request.prepared.add_done_callback(self._wake)
            self._preparing.append(request)

    def _reserve(self, request: Request) -> None:
        request.number = self.ledger.reserve(request.phase, request.keys)
        self._under_way.append(request)
        self._unsent.append(request)

    def _send(self) -> None:
        # A request leaves the list once it is sent, so that one that cannot be sent is withdrawn.
        while self._unsent:
            request = self._unsent[0]
            assert request.prepared
            request.response = request.prepared.result()()
            request.response.add_done_callback(partial(self._arrive, request))
            del self._unsent[0]

    def _record(self, request: Request) -> None:
        assert request.response
        try:
            scores = request.response.result()
        except NotFiniteScores as lost:
            if request.tries < MAX_TRIES_NOT_FINITE and not self._keeps_not_finite:
                self._retry(request, lost)
                return
            # No score of these images: their rows say so.
            self._keeps_not_finite = True
            scores = lost.scores
        except LostAnswer as lost:
            self.concurrency.lost()
            self._retry(request, lost)
            return
        # The request stays in the list until its response is recorded, so that no interruption loses it.
        self.ledger.record(request.number, scores)
        self._under_way.remove(request)
        self.concurrency.answered(len(request.keys))
        self._answered(len(request.keys))
        if self.first_scores:
            self.first_scores.add(scores)

    def _retry(self, request: Request, lost: LostAnswer) -> None:
        self.ledger.abandon(request.number)
        self._under_way.remove(request)
        if request.tries >= self._max_tries:
            raise TargetError(
                f"{str(lost).rstrip('.')}, {self._max_tries} times in a row for the same images: try later, or see "
                "what 'bbdft inspect' prints."
            ) from lost
        request.response, request.tries = None, request.tries + 1
        self._reserve(request)

    def _wake(self, _: object) -> None:
        self._event.set()

    def _arrive(self, request: Request, _: object) -> None:
        self._arrived.append(request)
        # What took long is recorded at once, so that a killed run has not lost it.
        if self._unanswered <= self._enough or time.monotonic() - self._woken > MAX_UNRECORDED_SECONDS:
            self._event.set()

    def drain(self) -> None:
        """Sends nothing more; waits for and records the responses to what was sent, as it has been paid for.

        Called on Ctrl-C, on failure and by ``Scorer.close``.
        """
        for request in self._under_way:
            if not self.ledger.is_pending(request.number):
                continue
            if request.response is None or request.response.cancel():
                self.ledger.withdraw(request.number)
                continue
            # The first failure is the one that is reported.
            with suppress(BlackboxError):
                self.ledger.record(request.number, request.response.result())
        self._under_way.clear()
        self._unsent.clear()
        self._arrived.clear()
        self._preparing.clear()
        self._waiting.clear()
