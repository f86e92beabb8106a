"""Heads: outputs of a model beside the one with the labels' scores, such as ``age`` beside ``gender``.

They name no label, but an output map can learn from them, at no query: where a model thinks a face is young, it may
take it for a woman's too often.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from blackbox_dft._utils.types import Floats, Scores


@dataclass(frozen=True)
class Head:
    """One more output of ``width`` numbers an image, and how they become features in [0, 1].

    Probabilities are taken as they are. Other numbers become two features each, the sigmoids of plus and minus their
    distance from a centre: the difference of the logarithms, which is what a map is linear in, is that distance.

    >>> Head(1, centres=(30.0,), spreads=(10.0,))(np.array([[40.0], [np.nan]], np.float32)).round(2)
    array([[0.73, 0.27],
           [0.5 , 0.5 ]])
    """

    width: int
    centres: tuple[float, ...] = ()
    """Of each number; none if they are probabilities."""
    spreads: tuple[float, ...] = ()

    @classmethod
    def of(cls, values: Scores) -> Head:
        """The head whose first outputs are ``values (N, width)``.

        >>> Head.of(np.array([[0.9, 0.1], [0.5, 0.5]], np.float32))
        Head(width=2, centres=(), spreads=())
        """
        width = values.shape[1]
        known = values[np.isfinite(values).all(axis=1)].astype(np.float64)
        if not len(known) or (width > 1 and known.min() >= 0 and known.max() <= 1):
            return cls(width)
        spreads = [float(spread) or 1.0 for spread in known.std(axis=0)]
        return cls(width, tuple(np.median(known, axis=0).tolist()), tuple(spreads))

    @property
    def columns(self) -> int:
        """Number of features."""
        return 2 * self.width if self.centres else self.width

    def __call__(self, values: Scores) -> Floats:
        """Features ``(N, columns)`` of outputs ``(N, width)``; those that are not finite say nothing."""
        if not self.centres:
            return np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        distances = (values.astype(np.float64) - np.array(self.centres)) / np.array(self.spreads)
        distances = np.nan_to_num(distances, nan=0.0, posinf=0.0, neginf=0.0)
        return np.hstack([expit(distances), expit(-distances)])


def heads_of(raw: Scores, widths: tuple[int, ...]) -> tuple[Head, ...]:
    """The heads in the last ``sum(widths)`` columns of raw outputs ``(N, K)``."""
    return tuple(Head.of(values) for values in split_heads(raw, widths)[1])


def split_heads(raw: Scores, widths: tuple[int, ...]) -> tuple[Scores, list[Scores]]:
    """Raw outputs ``(N, K)`` cut into the scores of the model's classes, and those of each head."""
    parts = np.split(raw, np.cumsum([raw.shape[1] - sum(widths), *widths])[:-1], axis=1)
    return parts[0], parts[1:]
