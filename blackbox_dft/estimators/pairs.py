"""Antithetic pairs: two candidates on either side of a centre, scored on one image; their losses give a slope."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.estimators.base import Proposal
from blackbox_dft.estimators.search_space import SearchSpace, on_grid


def antithetic_pairs(
    centre: Floats, offsets: Floats, space: SearchSpace, *, crossed: bool = False, uneven: bool = False, note: int = 0
) -> Proposal:
    """Candidates ``centre + offsets (P, k)``, then ``centre - offsets``, all on the grid and inside the bounds.

    Both candidates of pair p are scored on image p. If ``crossed``, the first pair alone is scored on P images.
    ``uneven`` and ``note`` are the proposal's, of pairs that are not crossed.

    >>> space = SearchSpace(np.zeros(1), np.array([-9.0]), np.array([1.5]))
    >>> antithetic_pairs(np.array([1.0]), np.array([[0.25], [2.0]]), space).candidates
    array([[ 1.25],
           [ 1.5 ],
           [ 0.75],
           [-1.  ]])
    """
    count = len(offsets)
    if crossed:
        centre, used = on_grid(centre), on_grid(offsets[:1])
        return Proposal.crossed(space.clip(np.concatenate([centre + used, centre - used])), count)
    return paired_proposals(centre, offsets[None], space, uneven=uneven, note=note)[0]


def paired_proposals(
    centre: Floats, offsets: Floats, space: SearchSpace, *, uneven: bool = False, note: int = 0
) -> list[Proposal]:
    """``antithetic_pairs`` for each of ``offsets (N, P, k)``, for less: NumPy's steps are about as long for all.

    >>> space = SearchSpace(np.zeros(1), np.array([-9.0]), np.array([1.5]))
    >>> first, second = paired_proposals(np.array([1.0]), np.array([[[0.25]], [[2.0]]]), space)
    >>> second.candidates
    array([[ 1.5],
           [-1. ]])
    """
    draws, count, size = offsets.shape
    centre, offsets = on_grid(centre), on_grid(offsets)
    sides = space.clip(np.stack([centre + offsets, centre - offsets], axis=1)).reshape(draws, 2 * count, size)
    rows, slots = _places(count)
    return [Proposal(candidates, rows, slots, count, uneven, note=note) for candidates in sides]


@lru_cache(maxsize=16)
def _places(count: int) -> tuple[Ints, Ints]:
    """Candidates and images of the queries of so many pairs."""
    found = np.arange(2 * count), np.tile(np.arange(count), 2)
    for places in found:
        # All proposals share them.
        places.flags.writeable = False
    return found


def pair_differences(proposal: Proposal, losses: Floats) -> tuple[Floats, Floats]:
    """Loss differences ``(P,)`` of a proposal's pairs, and the candidate differences (spans) ``(P, k)`` behind them.

    A crossed pair gives one difference, the mean over its images.

    >>> space = SearchSpace(np.zeros(1), np.array([-9.0]), np.array([1.5]))
    >>> proposal = antithetic_pairs(np.array([1.0]), np.array([[0.25], [2.0]]), space)
    >>> pair_differences(proposal, np.array([0.5, 0.25, 0.375, 0.25]))
    (array([0.125, 0.   ]), array([[0.5],
           [2.5]]))
    """
    half = len(proposal.candidates) // 2
    spans = proposal.candidates[:half] - proposal.candidates[half:]
    differences = losses[: len(losses) // 2] - losses[len(losses) // 2 :]
    if half == 1 and len(differences) > 1:
        differences = differences.mean(keepdims=True)
    return np.asarray(differences, np.float64), spans
