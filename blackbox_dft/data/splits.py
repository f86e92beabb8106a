"""Who is in train, val and test: as listed, or drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from blackbox_dft._utils.types import Ints

SHARES = {"train": 0.4, "val": 0.2, "test": 0.4}


def read_splits(
    given: Sequence[str], labels: Ints, groups: Ints | None, seed: int
) -> tuple[dict[str, Ints], str | None]:
    """Indices of train, val and test, and a line that says what was drawn; ``given`` holds these names or nothing.

    Where no row names a split all three are drawn (.4, .2, .4); where only val is missing, a third of train becomes it.
    A split that no row is in and that cannot be drawn is empty.
    """
    where = np.array(given)
    everyone = np.arange(len(labels))
    if not any(given):
        return draw(everyone, labels, groups, SHARES, seed), f"splits drawn (seed {seed}): {_how(groups)}"
    splits = {split: everyone[where == split] for split in SHARES}
    if splits["val"].size or not splits["train"].size:
        return splits, None
    parts = draw(splits["train"], labels, groups, {"train": 2 / 3, "val": 1 / 3}, seed)
    return {**splits, **parts}, f"no row is in split 'val': a third of train was drawn for it (seed {seed})"


def _how(groups: Ints | None) -> str:
    shares = ", ".join(f"{share:.0%} {split}" for split, share in SHARES.items())
    return f"{shares}, by class" + ("" if groups is None else ", no group in two of them")


def draw(chosen: Ints, labels: Ints, groups: Ints | None, shares: dict[str, float], seed: int) -> dict[str, Ints]:
    """Cuts ``chosen`` into parts of these shares, each class alike, whole groups together.

    Groups go one after the other, largest first and shuffled among equals, to the part that then lacks most of what
    the group holds; single images are groups of one.
    """
    rng = np.random.default_rng(seed)
    _, member = np.unique(chosen if groups is None else groups[chosen], return_inverse=True)
    kinds, kind = np.unique(labels[chosen], return_inverse=True)
    counts = np.zeros((member.max() + 1, len(kinds)))
    np.add.at(counts, (member, kind), 1)
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    weights = np.array(list(shares.values()))
    wanted = weights[:, None] * counts.sum(axis=0)
    have = np.zeros_like(wanted)
    part = np.zeros(len(counts), np.int64)
    for group in order:
        # How far each part's fill would fall behind its share, in the classes of this group.
        lack = ((wanted - have) / np.maximum(wanted, 1e-9)) @ counts[group]
        part[group] = int(np.argmax(lack))
        have[part[group]] += counts[group]
    return {name: np.sort(chosen[part[member] == i]) for i, name in enumerate(shares)}
