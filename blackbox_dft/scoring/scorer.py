"""From (image, z) to scores: the way every query takes, through the ledger.

A query that has an answer in the ledger is served from it; the others are changed, encoded, written down as asked,
sent, and written down as answered, a request at a time. How queries are cut into requests depends on the call alone and
not on what is already answered, so that a resumed run sends the very batches the undisturbed one would have sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from blackbox_dft._utils.cpu import cores
from blackbox_dft._utils.hashing import digest
from blackbox_dft._utils.types import Floats, ImageBytes, Ints, Scores
from blackbox_dft.images.encoding import Encoding
from blackbox_dft.scoring.backends.array import Asker
from blackbox_dft.scoring.dispatcher import Dispatcher, Request, Send
from blackbox_dft.scoring.keys import Keys
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.spaces.base import Space
from blackbox_dft.targets.base import Ask, Elastic, Target


@dataclass(frozen=True, eq=False)
class Pool:
    """The images a run may ask about, with the digests the ledger knows them by."""

    images: ImageBytes
    digests: tuple[bytes, ...]


@dataclass(frozen=True, eq=False)
class Asked:
    """Queries that are to be answered, or are already."""

    keys: list[bytes]
    """In the ledger."""
    lot: int
    """Of the dispatcher."""


class Crew(Protocol):
    """What asks copies of the target elsewhere, and answers as the target here would."""

    calls: int
    """How many calls it takes at once."""

    def __call__(self, indices: Ints, z: Floats) -> Scores:
        """Scores ``(N, K)`` of images ``indices (N,)`` under ``z (k,)`` or ``(N, k)``; from any thread."""

    def close(self) -> None:
        """Lets them go."""


class Scorer:
    """Scores images of a pool under candidates, counting what is paid for and what was known already.

    Args:
        pool: all images of the run.
        batch: images a request carries; part of the run's configuration, as scores may depend on it in the last bit.
        repeats: how often every query is asked; each time is a query of its own to the ledger.
        passed: called when queries are answered, with how many, and how many of them were paid for just now.
        fused: scores images ``indices (N,)`` of the pool under ``z (k,)`` or ``(N, k)``, where the target offers that;
            unchanged images still go to the target itself.
        crew: asked instead of the target here.
    """

    def __init__(
        self,
        pool: Pool,
        space: Space,
        target: Target,
        encoding: Encoding,
        ledger: Ledger,
        *,
        batch: int,
        repeats: int = 1,
        passed: Callable[[int, int], None] = lambda images, paid: None,
        fused: Ask | None = None,
        crew: Crew | None = None,
    ) -> None:
        self.pool, self.space, self.target, self.ledger = pool, space, target, ledger
        self.batch = batch
        self.repeats = repeats
        self.passed = passed
        self._asker = Asker(pool.images, space, target, encoding, fused)
        self._crew = crew
        self.paid: Counter[str] = Counter()
        """Images answered at a price, by phase; a replayed answer counts where it was first used."""
        self.cached = 0
        """Queries served for free because the same bytes had been asked for before."""
        size = "x".join(map(str, pool.images.shape[1:]))
        # The paths agree, but not to the bit.
        text = _text(space) + (" fused" if fused else "")
        self._keys = Keys(f"{target.fingerprint} {encoding} {size}", text, space.initial())
        self._used: set[bytes] = set()
        # Never in this thread: Ctrl-C would cut a call off whose answer has been paid for.
        self._elastic = target if isinstance(target, Elastic) else None
        waits = self._elastic is not None
        calls = crew.calls if crew else target.workers
        self._threads = ThreadPoolExecutor(cores() if waits else calls, "score")
        self.dispatcher = Dispatcher(ledger, lambda images: self.passed(images, images))
        # Where answers cost money, less is risked each time this run has died with requests under way.
        self.halvings = ledger.deaths if ledger.counts_in_doubt else 0
        # Else one more than the workers can hold, so that none of them waits for this thread.
        spare = not waits and not ledger.counts_in_doubt
        self.allow((calls >> self.halvings) + spare)

    def allow(self, requests: int) -> None:
        """Lets so many requests, and at least one, be under way at once."""
        self.dispatcher.window = max(1, requests)

    def score(
        self, phase: str, indices: Ints, candidates: Floats, rows: Ints | None = None, *, again: int = 0
    ) -> Scores:
        """Raw scores ``(Q, K)`` of images ``indices (Q,)``, query q under ``candidates[rows[q]]`` of ``(M, k)``.

        Without ``rows``, all are under one z ``(k,)``. ``again`` asks anew what has an answer already, and numbers it.
        Each is asked ``repeats`` times, and the answers are joined by ``settled``.

        Raises:
            BudgetError: the ledger's budget does not cover it.
            TargetError: the target failed; what it answered before is kept.
        """
        return self.answers(self.begin(phase, indices, candidates, rows, again=again))

    def begin(
        self, phase: str, indices: Ints, candidates: Floats, rows: Ints | None = None, *, again: int = 0
    ) -> Asked:
        """Has queries asked while others are waited for; arguments as for ``score``."""
        z = np.atleast_2d(candidates)
        rows = np.zeros(len(indices), np.int64) if rows is None else rows
        keys = self._keys.of([self.pool.digests[i] for i in indices], z, rows.tolist())
        if again:
            keys = [digest(key, str(again)) for key in keys]
        # All once, then all once more: answers to one image come at different times and from different requests.
        keys = self._repeated(keys)
        every = np.tile(indices, self.repeats), z, np.tile(rows, self.repeats)
        return Asked(keys, self.dispatcher.add(self._requests(phase, keys, *every)))

    def answers(self, asked: Asked) -> Scores:
        """What ``score`` gives, of queries that were begun. None that was begun before is left without an answer."""
        self.dispatcher.run(asked.lot)
        answers = self.ledger.scores(asked.keys)
        if self.repeats == 1:
            return answers
        return settled(answers.reshape(self.repeats, len(asked.keys) // self.repeats, -1))

    def _repeated(self, keys: list[bytes]) -> list[bytes]:
        """``keys``, and behind them those of the further times; the first time is what a single one would be."""
        more = [digest(key, "repeat", str(number)) for number in range(1, self.repeats) for key in keys]
        return keys + more

    def known(self, indices: Ints, z: Floats) -> int:
        """How many answers the ledger has for these images under ``z (k,)``."""
        digests = {self.pool.digests[i] for i in indices}
        keys = self._keys.of(list(digests), z[None], [0] * len(digests))
        return sum(key in self.ledger for key in self._repeated(keys))

    def _requests(self, phase: str, keys: list[bytes], indices: Ints, z: Floats, rows: Ints) -> Iterator[Request]:
        """What somebody has to be asked about, cut into requests of about equal size."""
        first = []
        for position, key in enumerate(keys):
            if key in self._used:
                self.cached += 1
            else:
                self._used.add(key)
                first.append(position)
        for positions in np.array_split(np.asarray(first, np.int64), -(-len(first) // self.batch)) if first else []:
            self.paid[phase] += len(positions)
            missing = [i for i in positions.tolist() if keys[i] not in self.ledger]
            self.passed(len(positions) - len(missing), 0)
            if missing:
                yield self._request(phase, [keys[i] for i in missing], indices[missing], z, rows[missing])

    def _request(self, phase: str, keys: list[bytes], indices: Ints, z: Floats, rows: Ints) -> Request:
        if self._elastic:
            # Its threads prepare images; nobody has to wait for the answer.
            ready = self._elastic.ready

            def make() -> Future[Send]:
                return self._threads.submit(lambda: ready(self._asker.sent(indices, _shared(z, rows))))

            return Request(phase, keys, make)
        send: Future[Send] = Future()
        send.set_result(partial(self._threads.submit, self._answer, indices, z, rows))
        return Request(phase, keys, lambda: send)

    def _answer(self, indices: Ints, z: Floats, rows: Ints) -> Scores:
        return (self._crew or self._asker)(indices, _shared(z, rows))

    def close(self) -> None:
        """Lets the worker threads go, and the crew; what is on its way is waited for and kept."""
        self.dispatcher.drain()
        self._threads.shutdown()
        if self._crew:
            self._crew.close()


def settled(answers: Scores) -> Scores:
    """Answers ``(R, Q, K)`` to the same queries as one ``(Q, K)``: their mean.

    Of class indices (one column of whole numbers) the most frequent, and of equally frequent ones the earliest.
    """
    first = answers[..., 0]
    if answers.shape[2] == 1 and len(answers) and bool((first == np.rint(first)).all() and (first >= 0).all()):
        votes = (first[:, None] == first[None]).sum(axis=1)
        return np.take_along_axis(first, votes.argmax(axis=0)[None], axis=0).reshape(-1, 1)
    return np.asarray(answers.mean(axis=0, dtype=np.float64), np.float32)


def _shared(z: Floats, rows: Ints) -> Floats:
    """Rows of z ``(N, k)``, or ``(k,)`` where they are all one: cheaper to apply than the same z many times."""
    return z[rows[0]] if (rows == rows[0]).all() else z[rows]


def _text(space: Space) -> str:
    """All that decides what a z does to an image."""
    return f"{space.spec} {getattr(space, 'epsilon', None)} {getattr(space, 'channels', None)}"
