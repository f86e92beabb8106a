"""Further images for the output map: what a search has left of its queries scores labelled images under z.

A search ends when z has learned enough. A map of many numbers has not by then, and scores under z itself teach it more
than those around it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from blackbox_dft._utils.types import Floats, Ints, Scores
from blackbox_dft.search.loop import Task
from blackbox_dft.search.minibatches import StratifiedSampler

WORTH_OF_LOG_LOSS = 0.2
"""Fall of the share of errors for a fall of the map's log loss by 1: .1 on usps-mnist, .3 on smile-mini."""
MAX_NUMBERS = 100
"""No map counts for more: penalties keep the numbers of larger ones together."""
LEAST = 8
"""Fewer images are not worth a request."""
MAP_PHASE = "map"
"""Of its queries, in the ledger: another z than that of the search may not use them again."""
SAMPLE = 3
"""Added to the seed of the draw."""


@dataclass(frozen=True, eq=False)
class MapImages:
    """Labelled images scored under the z that is kept."""

    images: Ints
    """``(N,)``, as indices into the pool."""
    scores: Scores
    """Raw, ``(N, K)``."""


def answers_worth_having(numbers: int, worth: float) -> int:
    """So many answers a map of ``numbers`` should learn from if a query is worth a fall ``worth`` of the loss.

    Fitted to n answers it loses about ``numbers / (2 n)`` of log loss to chance (Akaike 1974), so that the next answer
    brings ``numbers / (2 n^2)``.

    >>> answers_worth_having(100, worth=0.02 / 2500), answers_worth_having(4, worth=0.02 / 1000)
    (1118, 141)
    """
    return int(math.sqrt(WORTH_OF_LOG_LOSS * min(numbers, MAX_NUMBERS) / 2 / worth))


def score_map_images(task: Task, train: Ints, z: Floats, count: int, seed: int) -> MapImages | None:
    """Scores up to ``count`` of the ``train`` images under ``z (k,)``, classes in proportion; None if they are few.

    A summary counts the queries with those of the search.
    """
    count = min(count, len(train))
    if count < LEAST:
        return None
    images = StratifiedSampler(train, task.labels, seed + SAMPLE)(count)
    return MapImages(images, task.scorer.score(MAP_PHASE, images, z))
