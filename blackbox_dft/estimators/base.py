"""The contract of an estimator: bare ask/tell. It knows vectors and losses, and nothing of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from blackbox_dft._utils.types import Floats, Ints


@dataclass(frozen=True, eq=False)
class Proposal:
    """Candidates and how they meet images: query q shows candidate ``rows[q]`` image number ``slots[q]``.

    Two ways are usual. **Paired**: every query is its own candidate on an image of its own (antithetic candidates share
    one). **Crossed**: each candidate sees one common minibatch, as rank-based methods need. The tuner draws the
    ``images`` distinct images; the estimator never learns which.
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
    """Whether the estimator minds ``weights``, so that images may be drawn the more often the more they tell."""
    weights: Floats | None = None
    """``(images,)``, 1 on average over many draws: what each image drawn stands for; nothing where all count alike.

    The tuner fills it in before it tells the losses.
    """
    note: int = 0
    """The estimator's own, for when it is told."""

    @classmethod
    def paired(cls, candidates: Floats, slots: Ints) -> Proposal:
        """Candidate m is shown image ``slots[m]``, and no other; losses come back ``(M,)``."""
        return cls(candidates, np.arange(len(candidates)), slots, int(slots.max()) + 1)

    @classmethod
    def crossed(cls, candidates: Floats, images: int) -> Proposal:
        """Every candidate sees the same ``images`` images; losses ``(M * images,)`` reshape to ``(M, images)``."""
        count = len(candidates)
        return cls(candidates, np.repeat(np.arange(count), images), np.tile(np.arange(images), count), images)

    @property
    def queries(self) -> int:
        """Images this proposal scores, Q."""
        return len(self.rows)


class Estimator(Protocol):
    """Learns from losses where to look next; minimises the mean loss.

    A pure function of its constructor's arguments and of the losses told: no clock, no global random state, so that
    replaying recorded losses takes it through the same course to the bit.
    """

    def ask(self) -> Proposal:
        """The next candidates. Asking twice without telling is an error of the caller."""
        ...

    def tell(self, proposal: Proposal, losses: Floats) -> None:
        """The losses ``(Q,)`` of the proposal's queries, in its order."""
        ...

    @property
    def best(self) -> Floats:
        """What it would now use, ``(k,)``."""
        ...


@runtime_checkable
class SupportsDelayedTell(Estimator, Protocol):
    """An estimator of antithetic pairs. It may be asked again before it is told, in the order of its proposals."""

    supports_delayed_tell: ClassVar[bool]
