"""From (image, z) to scores: the way every query takes, through the ledger.

A query whose scores are in the ledger is served from there. The others are cut into requests, which the dispatcher
reserves in the ledger, sends to the backend and records. How queries are cut into requests depends only on the call,
not on what is recorded, so that a resumed run sends the same requests as an undisturbed one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np

from blackbox_dft._utils.hashing import digest
from blackbox_dft._utils.types import Floats, ImageBytes, Ints, Scores
from blackbox_dft.data.photos import Photos
from blackbox_dft.objectives.repeats import merge_repeats
from blackbox_dft.scoring.backends import Backend
from blackbox_dft.scoring.dispatcher import ConcurrencyPolicy, Dispatcher, FixedConcurrency, Request
from blackbox_dft.scoring.first_scores import FirstScores
from blackbox_dft.scoring.keys import Keys
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.targets.base import ConcurrentTarget, Target


@dataclass(frozen=True, eq=False)
class Pool:
    """All images of a run, and the digests that the ledger knows them by."""

    images: ImageBytes | Photos
    digests: tuple[bytes, ...]


@dataclass(frozen=True, eq=False)
class Submission:
    """Queries that are being scored, or are scored already."""

    keys: list[bytes]
    """In the ledger."""
    batch_id: int
    """Of the dispatcher."""


class Scorer:
    """Scores images of a pool under candidates, and counts what is paid for and what was known already.

    Args:
        pool: all images of the run.
        target: what scores; only its name and its counters are read here.
        backend: where images are changed and scored; closed with the scorer.
        keys: what the ledger knows queries by.
        batch: images a request carries; part of the run's record, as scores may depend on it in the last bit.
        repeats: how many times every query is scored; each time is a query of its own to the ledger.
        concurrency: how many requests may be under way at once; a fixed number that suits the backend by default.
        progress: called when queries are scored, with their number and how many of them were paid for just now.
    """

    def __init__(
        self,
        pool: Pool,
        target: Target,
        backend: Backend,
        keys: Keys,
        ledger: Ledger,
        *,
        batch: int,
        repeats: int = 1,
        concurrency: ConcurrencyPolicy | None = None,
        progress: Callable[[int, int], None] = lambda images, paid: None,
    ) -> None:
        self.pool, self.target, self.ledger = pool, target, ledger
        self.batch, self.repeats = batch, repeats
        self.concurrency = concurrency or usual_concurrency(backend, target, ledger)
        self.paid: Counter[str] = Counter()
        """Queries with a price, by phase; one served from the ledger counts in the phase that first used it."""
        self.cached = 0
        """Queries that were free: the same bytes had been scored before in this run, in another one, or by the user."""
        self._backend, self._keys, self._progress = backend, keys, progress
        self._used: set[bytes] = set()
        self._dispatcher = Dispatcher(ledger, lambda images: progress(images, images), self.concurrency)

    def score(
        self, phase: str, indices: Ints, candidates: Floats, rows: Ints | None = None, *, again: int = 0
    ) -> Scores:
        """Raw scores ``(Q, K)`` of images ``indices (Q,)``, query q under ``candidates[rows[q]]`` of ``(M, k)``.

        Without ``rows``, all are under one z ``(k,)``. A number ``again`` scores what is recorded already once more,
        under a key of its own. Each query is scored ``repeats`` times; ``merge_repeats`` joins the scores.

        Raises:
            BudgetError: the ledger's budget does not cover it.
            TargetError: the target failed; the scores it gave before are recorded.
        """
        return self.result(self.submit(phase, indices, candidates, rows, again=again))

    def submit(
        self, phase: str, indices: Ints, candidates: Floats, rows: Ints | None = None, *, again: int = 0
    ) -> Submission:
        """Queues queries, to be scored while results are awaited; arguments as for ``score``."""
        z = np.atleast_2d(candidates)
        rows = np.zeros(len(indices), np.int64) if rows is None else rows
        # All once, then all again: the repeats of a query are scored at different times, in different requests.
        keys = self.keys(indices, z, rows, again=again)
        indices, rows = np.tile(indices, self.repeats), np.tile(rows, self.repeats)
        return Submission(keys, self._dispatcher.add(self._requests(phase, keys, indices, z, rows)))

    def result(self, submission: Submission) -> Scores:
        """The scores of ``submission``, as ``score`` gives them; all that was submitted before is scored too."""
        self._dispatcher.run(submission.batch_id)
        scores = self.ledger.scores(submission.keys)
        if self.repeats == 1:
            return scores
        return merge_repeats(scores.reshape(self.repeats, len(submission.keys) // self.repeats, -1))

    def score_under(self, phase: str, indices: Ints, candidates: Sequence[Floats]) -> list[Scores]:
        """Raw scores ``(N, K)`` of images ``indices (N,)`` under each of several z ``(k,)``, all submitted at once.

        All of them are of the run's space, or all are views of it: see ``ViewBackend``.
        """
        submitted = [self.submit(phase, indices, z) for z in candidates]
        return [self.result(submission) for submission in submitted]

    @contextmanager
    def checking_first_scores(self) -> Iterator[None]:
        """Within it, scoring ends with a ``NoScoreError`` if nearly none of the images scored there has a score."""
        self._dispatcher.first_scores = FirstScores()
        try:
            yield
        finally:
            self._dispatcher.first_scores = None

    def keys(self, indices: Ints, candidates: Floats, rows: Ints | None = None, *, again: int = 0) -> list[bytes]:
        """Keys in the ledger of queries and their repeats; arguments as for ``score``."""
        z = np.atleast_2d(candidates)
        rows = np.zeros(len(indices), np.int64) if rows is None else rows
        keys = self._keys.of([self.pool.digests[i] for i in indices.tolist()], z, rows.tolist())
        if again:
            keys = [digest(key, str(again)) for key in keys]
        return self._repeated(keys)

    def set_call_plan(self, batch: int, limit: int) -> None:
        """From now on, ``batch`` images a request and ``limit`` requests at once."""
        self.batch, self.concurrency.limit = batch, limit

    def paid_for(self, indices: Ints, z: Floats) -> int:
        """How many queries of these images under ``z (k,)`` are recorded, without those that were free."""
        digests = {self.pool.digests[i] for i in indices}
        keys = self._keys.of(list(digests), z[None], [0] * len(digests))
        return sum(key in self.ledger and not self.ledger.is_free(key) for key in self._repeated(keys))

    def unrecorded(self, indices: Ints, candidates: Sequence[Floats]) -> int:
        """How many queries of these images under any z ``(k,)`` of ``candidates`` are not recorded yet."""
        digests = list({self.pool.digests[i] for i in indices})
        rows = [0] * len(digests)
        keys = {key for z in candidates for key in self._repeated(self._keys.of(digests, z[None], rows))}
        return sum(key not in self.ledger for key in keys)

    def close(self) -> None:
        """Records what is under way and closes the backend."""
        self._dispatcher.drain()
        self._backend.close()

    def _repeated(self, keys: list[bytes]) -> list[bytes]:
        """``keys``, followed by those of the repeats; the first keys are the same with and without repeats."""
        more = [digest(key, "repeat", str(number)) for number in range(1, self.repeats) for key in keys]
        return keys + more

    def _requests(self, phase: str, keys: list[bytes], indices: Ints, z: Floats, rows: Ints) -> list[Request]:
        """Queries not yet in the ledger, split into evenly sized requests."""
        if len(new := set(keys)) == len(keys) and self._used.isdisjoint(new):
            # As nearly always in a search.
            self._used |= new
            first = list(range(len(keys)))
        else:
            first = []
            for position, key in enumerate(keys):
                if key not in self._used:
                    self._used.add(key)
                    first.append(position)
        self.cached += len(keys) - len(first)
        requests = []
        for positions in _split_evenly(first, self.batch):
            free = sum(self.ledger.is_free(keys[i]) for i in positions) if self.ledger.has_free else 0
            self.paid[phase] += len(positions) - free
            self.cached += free
            missing = self.ledger.missing(keys, positions)
            if known := len(positions) - len(missing):
                self._progress(known, 0)
            if missing:
                prepare = partial(self._backend.prepare, indices[missing], _shared(z, rows[missing]))
                requests.append(Request(phase, [keys[i] for i in missing], prepare))
        return requests


def usual_concurrency(backend: Backend, target: Target, ledger: Ledger) -> FixedConcurrency:
    """What suits ``backend`` if nothing better is known.

    Local models get one request more than they work on, so that none of them waits for the thread of the search.
    """
    spare = not isinstance(target, ConcurrentTarget) and not ledger.counts_in_doubt
    return FixedConcurrency(max(1, (backend.concurrency >> ledger.halvings) + spare), queued=spare)


def _split_evenly(positions: list[int], most: int) -> Iterator[list[int]]:
    """As few lists of up to ``most`` positions as hold them, longer ones first, as by ``np.array_split``."""
    if not positions:
        return
    parts = -(-len(positions) // most)
    size, longer = divmod(len(positions), parts)
    start = 0
    for number in range(parts):
        end = start + size + (number < longer)
        yield positions[start:end]
        start = end


def _shared(z: Floats, rows: Ints) -> Floats:
    """Rows of z ``(N, k)``, or ``(k,)`` if they are all one: cheaper to apply than the same z many times."""
    return z[rows[0]] if (rows == rows[0]).all() else z[rows]
