"""Which images a proposal meets: all in turn, or the more often the more they tell."""

from __future__ import annotations

import numpy as np

from blackbox_dft._utils.types import Floats, Ints

FLOOR = 0.02
"""Least an image is taken to tell, of at most 0.25: what looks settled may come undone, and weights stay bounded."""


class StratifiedSampler:
    """Endless images of a split: every image once before any twice, classes in turn, in a seeded order."""

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
        # Where in the epoch each image stands: evenly spread within its class, so that every stretch is balanced.
        place = np.empty(len(self._indices))
        for label in np.unique(self._labels):
            members = self._rng.permutation(np.flatnonzero(self._labels == label))
            place[members] = (np.arange(len(members)) + self._rng.random()) / len(members)
        return np.argsort(place, kind="stable")


class ImportanceSampler:
    """Images of a split, drawn with a probability that grows with how much their loss can still change.

    An image whose true label has probability ``p`` is taken to tell ``p (1 - p)``, the slope of its sigmoid loss; those
    not asked about yet tell as much as the others do on average. The weight of an image drawn is the inverse of its
    probability, so that weighted means estimate the mean over the split without bias (Horvitz and Thompson 1952).
    Draws are systematic in the order of the classes (Madow 1949): every proposal sees each class as its share demands.
    """

    def __init__(self, indices: Ints, labels: Ints, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 1])
        # Within a class in an order of its own, or neighbours in a listing would never meet.
        shuffled = self._rng.permutation(indices)
        self._indices = shuffled[np.argsort(labels[shuffled], kind="stable")]
        self._place = {image: place for place, image in enumerate(self._indices.tolist())}
        self._probability = np.full(len(indices), np.nan)

    def __call__(self, count: int) -> tuple[Ints, Floats]:
        """``count`` images, as indices into the pool, and the weight of each."""
        tells = self._probability * (1 - self._probability) + FLOOR
        seen = ~np.isnan(tells)
        tells[~seen] = tells[seen].mean() if seen.any() else 1.0
        share = tells / tells.sum()
        marks = (np.arange(count) + self._rng.random()) / count
        places = np.minimum(np.searchsorted(np.cumsum(share), marks, side="right"), len(share) - 1)
        places = self._rng.permutation(places)
        return self._indices[places], 1 / (share[places] * len(share))

    def told(self, images: Ints, probabilities: Floats) -> None:
        """The probabilities ``(Q,)`` that answers gave the true labels of ``images (Q,)``, which may repeat."""
        for image, probability in zip(images.tolist(), probabilities.tolist(), strict=True):
            place = self._place[image]
            before = self._probability[place]
            self._probability[place] = probability if np.isnan(before) else (before + probability) / 2
