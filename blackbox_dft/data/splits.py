"""Train, val and test splits: as given, or drawn by class with groups kept together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from blackbox_dft._utils.types import Ints

SHARES = {"train": 0.4, "val": 0.2, "test": 0.4}


def read_splits(
    given: Sequence[str], labels: Ints, groups: Ints | None, seed: int
) -> tuple[dict[str, Ints], str | None]:
    """Indices of train, val and test, and a note on what was drawn (None if nothing was).

    If no row names a split, all three are drawn in the shares .4, .2, .4. If only val is missing, a third of train
    becomes val. A split that is not given and cannot be drawn is empty.

    Args:
        given: for each row ``train``, ``val``, ``test`` or an empty text.
        labels: ``(N,)`` class indices.
        groups: ``(N,)`` group indices; None if every image is a group of its own.
        seed: seed of the random order in which groups are assigned.
    """
    given_splits = np.array(given)
    rows = np.arange(len(labels))
    if not any(given):
        return draw(rows, labels, groups, SHARES, seed), f"splits drawn (seed {seed}): {_rules(groups)}"
    splits = {split: rows[given_splits == split] for split in SHARES}
    if splits["val"].size or not splits["train"].size:
        return splits, None
    parts = draw(splits["train"], labels, groups, {"train": 2 / 3, "val": 1 / 3}, seed)
    return {**splits, **parts}, f"no row is in split 'val': a third of train was drawn for it (seed {seed})"


def _rules(groups: Ints | None) -> str:
    shares = ", ".join(f"{share:.0%} {split}" for split, share in SHARES.items())
    return f"{shares}, by class" + ("" if groups is None else ", no group in two of them")


def draw(rows: Ints, labels: Ints, groups: Ints | None, shares: dict[str, float], seed: int) -> dict[str, Ints]:
    """Divides ``rows`` into parts of the given shares, stratified by class, whole groups together.

    Greedy: groups are assigned in order of size, largest first and in random order among equals, each to the part that
    lacks most of the classes in that group. A single image is a group of one. Classes with fewer groups than there are
    parts are drawn as one class together, as otherwise all single images would go to the same part.

    >>> parts = draw(np.arange(10), np.array([0, 1] * 5), None, {"train": 0.6, "test": 0.4}, seed=0)
    >>> {name: len(indices) for name, indices in parts.items()}
    {'train': 6, 'test': 4}
    """
    rng = np.random.default_rng(seed)
    _, member = np.unique(rows if groups is None else groups[rows], return_inverse=True)
    classes, class_of = np.unique(labels[rows], return_inverse=True)
    counts = np.zeros((member.max() + 1, len(classes)))
    np.add.at(counts, (member, class_of), 1)
    rare = (counts > 0).sum(axis=0) < len(shares)
    if rare.sum() > 1:
        counts = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    weights = np.array(list(shares.values()))
    wanted = weights[:, None] * counts.sum(axis=0)
    assigned = np.zeros_like(wanted)
    part = np.zeros(len(counts), np.int64)
    for group in order:
        # Images that each part still lacks, relative to its size, summed over the classes of this group.
        lack = ((wanted - assigned) / np.maximum(wanted, 1e-9)) @ counts[group]
        part[group] = int(np.argmax(lack))
        assigned[part[group]] += counts[group]
    return {name: np.sort(rows[part[member] == i]) for i, name in enumerate(shares)}
