"""Contract of an estimator: ask/tell on vectors and losses; it knows nothing of images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from blackbox_dft._utils.types import Floats, Ints


@dataclass(frozen=True, eq=False)
class Proposal:
    """Candidates, and which image each is scored on: query q is candidate ``rows[q]`` on image number ``slots[q]``.

    There are two usual designs. **Paired**: every query has a candidate of its own on an image of its own (both
    candidates of an antithetic pair share the image). **Crossed**: all candidates share one minibatch, as rank-based
    methods need. The search loop draws the ``images`` images; the estimator never learns which.

    >>> Proposal.paired(np.array([[1.0], [2.0], [-1.0], [-2.0]]), np.array([0, 1, 0, 1])).queries
    4
    >>> crossed = Proposal.crossed(np.array([[1.0], [-1.0]]), images=3)
    >>> crossed.rows, crossed.slots
    (array([0, 0, 0, 1, 1, 1]), array([0, 1, 2, 0, 1, 2]))
    """

    candidates: Floats
    """``(M, k)``."""
    rows: Ints
    """``(Q,)``, indices into candidates."""
    slots: Ints
    """``(Q,)``, in ``range(images)``."""
    images: int
    """How many images to draw; distinct ones unless ``uneven``."""
    uneven: bool = False
    """Whether images may be drawn by importance sampling, because the estimator uses ``weights``."""
    weights: Floats | None = None
    """Importance weight of each image ``(images,)``, 1 on average over many draws; None if all count alike.

    The search loop fills it in before it tells the losses.
    """
    note: int = 0
    """For the estimator's own use, handed back with the losses."""

    @classmethod
    def paired(cls, candidates: Floats, slots: Ints) -> Proposal:
        """Candidate m is scored on image ``slots[m]`` alone; losses have shape ``(M,)``."""
        return cls(candidates, np.arange(len(candidates)), slots, int(slots.max()) + 1)

    @classmethod
    def crossed(cls, candidates: Floats, images: int) -> Proposal:
        """All candidates are scored on the same images; losses ``(M * images,)`` reshape to ``(M, images)``."""
        count = len(candidates)
        return cls(candidates, np.repeat(np.arange(count), images), np.tile(np.arange(images), count), images)

    def weighted(self, weights: Floats) -> Proposal:
        """The same proposal with weights of its images ``(images,)``."""
        # As ``dataclasses.replace``, in a third of its time.
        return Proposal(self.candidates, self.rows, self.slots, self.images, self.uneven, weights, self.note)

    @property
    def queries(self) -> int:
        """Number of queries, Q."""
        return len(self.rows)


class Estimator(Protocol):
    """Minimises the mean loss by ask/tell.

    The search loop (``search.loop.tune``) calls ``ask``, scores the proposal's queries, then calls ``tell`` with their
    losses, in turns and from one thread; it reads ``best`` after every ``tell``. An estimator is a pure function of its
    constructor's arguments and of the losses told: no clock, no global random state. So a resumed run, which tells the
    recorded losses again, goes through the same states to the bit. ``SearchSpace.settle`` rounds what it gives out, so
    that this holds on another processor too.

    ``make_estimator`` constructs it as ``Class(search_space, seed=seed, **options)``. One of your own, which the entry
    point group ``blackbox_dft.estimators`` makes known by a name:

    >>> class HillClimbing(Estimator):
    ...     def __init__(self, space, *, seed, sigma=0.5):
    ...         self.space, self.sigma, self.rng = space, sigma, np.random.default_rng(seed)
    ...         self.z = space.start
    ...
    ...     def ask(self):
    ...         moved = self.z + self.sigma * self.rng.standard_normal(self.space.size)
    ...         return Proposal.crossed(self.space.settle(np.stack([self.z, moved])), images=16)
    ...
    ...     def tell(self, proposal, losses):
    ...         self.z = proposal.candidates[losses.reshape(2, 16).mean(axis=1).argmin()]
    ...
    ...     @property
    ...     def best(self):
    ...         return self.z
    >>> from blackbox_dft.estimators.search_space import SearchSpace
    >>> climb = HillClimbing(SearchSpace(np.zeros(2), np.full(2, -9.0), np.full(2, 9.0)), seed=0)
    >>> for _ in range(100):
    ...     proposal = climb.ask()
    ...     climb.tell(proposal, ((proposal.candidates[proposal.rows] - [1, -2]) ** 2).sum(axis=1))
    >>> bool(abs(climb.best - [1, -2]).max() < 0.3)
    True
    """

    def ask(self) -> Proposal:
        """The next candidates. The caller tells their losses before it asks again (but see SupportsDelayedTell)."""
        ...

    def tell(self, proposal: Proposal, losses: Floats) -> None:
        """Learns from the losses ``(Q,)`` of the proposal's queries, in its order.

        ``proposal`` is the one returned by ``ask``; its ``weights`` may have been filled in.
        """
        ...

    @property
    def best(self) -> Floats:
        """The current estimate ``(k,)``, within the bounds; the start before the first ``tell``."""
        ...


@runtime_checkable
class SupportsDelayedTell(Estimator, Protocol):
    """An estimator of antithetic pairs that may be asked several times before the first proposal's losses are told.

    Losses are still told in the order of the proposals. The first half of a proposal's candidates are the ``+`` sides
    of its pairs, the second half the ``-`` sides, so that early stopping can read slopes from them.
    """

    supports_delayed_tell: ClassVar[bool] = True


@runtime_checkable
class SupportsAskTogether(SupportsDelayedTell, Protocol):
    """An estimator that makes several proposals in less time than one after the other."""

    def ask_together(self, count: int) -> list[Proposal]:
        """The proposals of so many calls of ``ask``, to the bit."""
        ...


def ask_together(estimator: Estimator, count: int) -> list[Proposal]:
    """So many proposals, in as little time as the estimator can."""
    # ``isinstance`` of a protocol would look at all that is asked here, at every step of a search.
    together: Callable[[int], list[Proposal]] | None = getattr(estimator, "ask_together", None)
    return together(count) if together else [estimator.ask() for _ in range(count)]


@runtime_checkable
class SupportsPromise(Estimator, Protocol):
    """An estimator that says what going on may still bring, so that a search can end when that is not worth a query."""

    @property
    def promised_gain(self) -> float:
        """Expected fall of the mean loss below that of ``best`` if the loss became known exactly.

        Infinite before the first ``tell``; read by the search loop after every ``tell``.
        """
        ...
