"""Requests on their way: made ready ahead of need, written down as asked, sent, heard, written down as answered.

The thread that runs ``Dispatcher.run`` alone writes to the ledger. It never waits for an image to be prepared while
there is room on the wire, if that can be had, and where images cost money no request leaves before what it asks is
written down for good.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from blackbox_dft._utils.types import Scores
from blackbox_dft.errors import BlackboxError, LostAnswer, TargetError
from blackbox_dft.scoring import hedging
from blackbox_dft.scoring.concurrency import Probe
from blackbox_dft.scoring.hedging import Hedging
from blackbox_dft.scoring.ledger import Ledger

Send: TypeAlias = Callable[[], Future[Scores]]

TRIES = 5
"""How often the same images are asked for when their answers get lost."""
LOOK = 0.05
"""Seconds between looks at a slow request that may not be sent again yet."""


@dataclass(eq=False)
class Request:
    """Images asked for together."""

    phase: str
    keys: list[bytes]
    make: Callable[[], Future[Send]]
    """Begins to prepare it; what comes of that sends it."""
    made: Future[Send] | None = None
    number: int = -1
    """In the ledger, once it is written down there."""
    answer: Future[Scores] | None = None
    """Nothing while it is not sent."""
    sent: float = 0.0
    """When, by the clock of ``Hedging``."""
    tries: int = 1
    second: Request | None = None
    """The same sent once more, as this one is slow."""
    lot: int = 0
    """The number of those it came with, as ``Dispatcher.add`` gave it."""

    @property
    def answers(self) -> list[Future[Scores]]:
        """Of this one and its second."""
        return [one.answer for one in (self, self.second) if one and one.answer]

    @property
    def done(self) -> bool:
        """Whether it is clear what comes of it: of two, one may get lost; any other failure is for good."""
        come = [answer for answer in self.answers if answer.done()]
        return bool(come) and (len(come) == len(self.answers) or not all(map(_lost, come)))

    def outcome(self) -> Scores:
        """The first answer, once it is done; raises what failed."""
        return min((answer for answer in self.answers if answer.done()), key=_lost).result()


class Dispatcher:
    """Keeps so many requests under way as are allowed.

    Args:
        passed: called when queries are answered at a price, with how many.
    """

    def __init__(self, ledger: Ledger, passed: Callable[[int], None]) -> None:
        self.ledger, self.passed = ledger, passed
        self.probe: Probe | None = None
        """What decides how many requests are under way, while it looks for the best number."""
        self.hedging: Hedging | None = None
        """What decides whether slow requests are sent a second time."""
        self.window = 1
        """Requests that may be under way at once."""
        self._news = threading.Event()
        self._lots: deque[tuple[int, Iterator[Request]]] = deque()
        self._added = 0
        self._ahead: deque[Request] = deque()
        self._under_way: list[Request] = []

    def add(self, requests: Iterator[Request]) -> int:
        """Has these asked behind all others, while ``run`` runs; the number of their lot."""
        self._added += 1
        self._lots.append((self._added, requests))
        return self._added

    def run(self, lot: int) -> None:
        """Gets an answer to each request up to those of ``lot``, and asks further ones where there is room.

        Raises:
            BudgetError: the ledger's budget does not cover them.
            TargetError: the target failed; what it answered before is kept.
        """
        try:
            while self._turn(lot):
                self._news.wait(self._until_slow())
                self._news.clear()
        except BaseException:
            self.drain()
            raise

    def _turn(self, lot: int) -> bool:
        """Hears what has come, asks what there is room for, all in one transaction; whether any of ``lot`` is left."""
        with self.ledger.together():
            for request in list(self._under_way):
                if request.done:
                    self._hear(request)
            # One more than there is room for, so that the wire never waits for a picture.
            while len(self._ahead) <= self.window and (following := self._following()):
                following.made = following.make()
                following.made.add_done_callback(self._wake)
                self._ahead.append(following)
            while self._room() and self._ahead and _made(self._ahead[0]):
                self._ask(self._ahead.popleft())
            for request in self._slow():
                self._hedge(request)
            if not self.ledger.counts_in_doubt:
                # Nobody is charged for what leaves before it is written down: the model works while rows are written.
                self._leave()
        # Elsewhere only what is written down for good leaves.
        self._leave()
        return any(self._left(lot))

    def _left(self, lot: int) -> Iterator[bool]:
        """Whether requests of ``lot`` or before are under way, made ready, or not even that."""
        yield any(request.lot <= lot for request in self._under_way)
        yield any(request.lot <= lot for request in self._ahead)
        yield bool(self._lots) and self._lots[0][0] <= lot

    def _following(self) -> Request | None:
        while self._lots:
            lot, requests = self._lots[0]
            if request := next(requests, None):
                request.lot = lot
                return request
            self._lots.popleft()
        return None

    def _leave(self) -> None:
        for request in self._under_way:
            for one in (request, request.second):
                if one and one.answer is None:
                    self._send(one)

    def _wake(self, _: object) -> None:
        self._news.set()

    def _room(self) -> int:
        return self.window - len(self._under_way) - sum(request.second is not None for request in self._under_way)

    def _ask(self, request: Request) -> None:
        request.number = self.ledger.ask(request.phase, request.keys)
        self._under_way.append(request)

    def _send(self, request: Request) -> None:
        assert request.made
        request.answer = request.made.result()()
        if self.hedging:
            request.sent = self.hedging.clock()
        request.answer.add_done_callback(self._wake)

    def _hear(self, request: Request) -> None:
        try:
            scores = request.outcome()
        except LostAnswer as lost:
            if self.probe:
                self.probe.lost()
            self._forget_second(request)
            self.ledger.abandon(request.number)
            self._under_way.remove(request)
            if request.tries >= TRIES:
                raise TargetError(f"{str(lost).rstrip('.')}, {TRIES} times in a row for the same images.") from lost
            request.answer, request.tries = None, request.tries + 1
            self._ask(request)
            return
        # It stays in the list until its answer is written, so that no interruption loses it.
        self.ledger.answer(request.number, scores)
        self._under_way.remove(request)
        self._forget_second(request)
        if self.hedging:
            self.hedging.heard(self.hedging.clock() - request.sent)
        if self.probe:
            self.probe.heard(len(request.keys))
            self.window = self.probe.concurrency
        self.passed(len(request.keys))

    # -- second requests ----------------------------------------------------------------------------------------------

    def _slow(self) -> list[Request]:
        """Requests that should be sent again, as there is room that nothing else needs, oldest first."""
        after = self.hedging.after if self.hedging and not self._ahead and not self.probe else None
        if self.hedging is None or after is None:
            return []
        begun = self.hedging.clock() - after
        slow = [one for one in self._under_way if one.answer and not one.second and one.sent <= begun]
        return slow[: max(0, self._room())]

    def _hedge(self, request: Request) -> None:
        assert self.hedging
        images = len(request.keys)
        if not self.hedging.allows(images) or images > self.ledger.remaining:
            return
        number = self.ledger.ask(hedging.PHASE, request.keys)
        request.second = Request(hedging.PHASE, request.keys, request.make, request.made, number)
        self.hedging.allowance -= images

    def _forget_second(self, request: Request) -> None:
        """Whichever of the two did not answer first counts as asked, and is not heard.

        What it would answer may differ in the last bit from what was used.
        """
        if request.second is None:
            return
        assert self.hedging
        self.ledger.abandon(request.second.number)
        for one in (request.answer, request.second.answer):
            if one and not one.done():
                self.hedging.drop(one)
        request.second = None

    def _until_slow(self) -> float | None:
        """Seconds until a request under way is slow, where that matters."""
        after = self.hedging.after if self.hedging else None
        waiting = [one.sent for one in self._under_way if one.answer and not one.second]
        if self.hedging is None or after is None or not waiting or self._ahead or self._room() < 1:
            return None
        # Where one is slow and may not be sent again now, it is looked at again after a while.
        return max(LOOK, min(waiting) + after - self.hedging.clock())

    # -- the end ------------------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Asks nothing more. What is on its way has been paid for, so it is waited for and kept.

        So it is after Ctrl-C, a failed request, or when nobody wants the rest.
        """
        for request in self._under_way:
            if not self.ledger.awaits(request.number):
                continue
            if request.answer is None or request.answer.cancel():
                self.ledger.withdraw(request.number)
                continue
            if request.second and request.second.answer is None:
                self.ledger.withdraw(request.second.number)
            # The first failure is the one that is reported.
            with suppress(BlackboxError):
                self.ledger.answer(request.number, request.outcome() if request.done else request.answer.result())
        self._under_way.clear()
        self._ahead.clear()
        self._lots.clear()


def _made(request: Request) -> bool:
    return request.made is not None and request.made.done()


def _lost(answer: Future[Scores]) -> bool:
    """Whether a finished request has to be sent again."""
    return isinstance(answer.exception(), LostAnswer)
