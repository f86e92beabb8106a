"""Minibatch samplers: stratified, and importance-weighted."""

from __future__ import annotations

import numpy as np

from blackbox_dft._utils.types import Floats, Ints

MIN_INFORMATIVENESS = 0.02
"""Added to ``p (1 - p)``, which is at most 0.25: images that look settled are drawn too, and weights are bounded."""


class StratifiedSampler:
    """Draws every image of a split once before any twice, in a seeded order in which classes alternate.

    >>> draw = StratifiedSampler(np.arange(6), labels=np.array([0, 0, 0, 1, 1, 1]), seed=0)
    >>> images = draw(6)
    >>> sorted(images.tolist())
    [0, 1, 2, 3, 4, 5]

    Args:
        indices: the split's images ``(N,)``, as indices into the pool.
        labels: labels of the whole pool.
        seed: of the order.
    """

    def __init__(self, indices: Ints, labels: Ints, seed: int) -> None:
        self._indices, self._labels = indices, labels[indices]
        self._rng = np.random.default_rng(seed)
        self._queue: Ints = np.empty(0, np.int64)

    def __call__(self, count: int) -> Ints:
        """The next ``count`` images, as indices into the pool."""
        while len(self._queue) < count:
            self._queue = np.concatenate([self._queue, self._indices[self._epoch()]])
        taken, self._queue = self._queue[:count], self._queue[count:]
        return taken

    def _epoch(self) -> Ints:
        # Position of each image in the epoch: evenly spread within its class, so that every minibatch is balanced.
        position = np.empty(len(self._indices))
        for label in np.unique(self._labels):
            members = self._rng.permutation(np.flatnonzero(self._labels == label))
            position[members] = (np.arange(len(members)) + self._rng.random()) / len(members)
        return np.argsort(position, kind="stable")


class ImportanceSampler:
    """Draws images of a split with a probability that grows with how much their loss can still change.

    An image whose true label has probability ``p`` has the informativeness ``p (1 - p)``, the slope of its sigmoid
    loss; images not yet scored have the mean of the others. The weight of an image drawn is the inverse of its
    probability, so that weighted means estimate the mean over the split without bias (Horvitz and Thompson 1952). Draws
    are systematic in the order of the classes (Madow 1949): every proposal gets each class in proportion.

    >>> draw = ImportanceSampler(np.arange(4), labels=np.array([0, 0, 1, 1]), seed=0)
    >>> draw.update(np.arange(4), np.array([0.5, 0.999, 0.5, 0.999]))
    >>> images, weights = draw(100)
    >>> {int(image): round(float(weight), 2) for image, weight in sorted(zip(images, weights))}
    {0: 0.54, 1: 6.93, 2: 0.54, 3: 6.93}

    Args:
        indices: the split's images ``(N,)``, as indices into the pool.
        labels: labels of the whole pool.
        seed: of the draws.
    """

    def __init__(self, indices: Ints, labels: Ints, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 1])
        # Shuffled within a class: with systematic draws, neighbours are hardly ever drawn together.
        shuffled = self._rng.permutation(indices)
        self._indices = shuffled[np.argsort(labels[shuffled], kind="stable")]
        self._position = {image: position for position, image in enumerate(self._indices.tolist())}
        self._probability: list[float | None] = [None] * len(indices)
        self._updated: list[int] = []
        """Positions whose informativeness is not that of their probability yet."""
        self._informativeness = np.full(len(indices), np.nan)
        self._any_unseen = True
        self._shares: tuple[Floats, Floats] | None = None
        """Probability of each image, and their cumulated sums, since the last ``update``."""

    def __call__(self, count: int) -> tuple[Ints, Floats]:
        """``count`` images, as indices into the pool, and the weight of each."""
        images, weights = self.draw(count, 1)
        return images[0], weights[0]

    def draw(self, count: int, draws: int) -> tuple[Ints, Floats]:
        """Images and weights ``(draws, count)``: those of so many calls, in less time than one after the other."""
        if self._shares is None:
            self._shares = self._computed_shares()
        share, cumulated = self._shares
        # Madow 1949: equidistant marks on the cumulated shares, from a random start.
        drawn = [(self._rng.random(), self._rng.permutation(count)) for _ in range(draws)]
        marks = (np.arange(count) + np.array([[start] for start, _ in drawn])) / count
        positions = np.minimum(np.searchsorted(cumulated, marks, side="right"), len(share) - 1)
        if draws == 1:
            positions = positions[:, drawn[0][1]]
        else:
            positions = positions[np.arange(draws)[:, None], np.stack([order for _, order in drawn])]
        return self._indices[positions], 1 / (share[positions] * len(share))

    def update(self, images: Ints, probabilities: Floats) -> None:
        """Learns the probabilities ``(Q,)`` of the true labels of ``images (Q,)``, which may repeat."""
        self._shares = None
        known = self._probability
        positions = [self._position[image] for image in images.tolist()]
        self._updated += positions
        for position, probability in zip(positions, probabilities.tolist(), strict=True):
            before = known[position]
            known[position] = probability if before is None else (before + probability) / 2

    def _computed_shares(self) -> tuple[Floats, Floats]:
        informativeness = self._informativeness
        if self._updated:
            known = np.array([self._probability[position] for position in self._updated], np.float64)
            informativeness[self._updated] = known * (1 - known) + MIN_INFORMATIVENESS
            self._updated.clear()
        if self._any_unseen:
            seen = ~np.isnan(informativeness)
            self._any_unseen = not seen.all()
            mean = informativeness[seen].mean() if seen.any() else 1.0
            informativeness = np.where(seen, informativeness, mean)
        share = informativeness / informativeness.sum()
        return share, np.cumsum(share)
