"""Folds for cross-validation: a number for each item, in random order and as even as possible."""

from __future__ import annotations

import numpy as np

from blackbox_dft._utils.types import Ints

FOLDS = 5


def fold_numbers(count: int, seed: int) -> Ints:
    """The fold of each of ``count`` items, ``(N,)``: ``FOLDS`` folds, or one for each item if there are fewer.

    >>> sorted(fold_numbers(7, seed=0).tolist())
    [0, 0, 1, 1, 2, 3, 4]
    """
    return np.asarray(np.random.default_rng(seed).permutation(count) % min(FOLDS, max(1, count)), np.int64)
