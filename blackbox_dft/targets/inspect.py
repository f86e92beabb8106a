"""Looking at a target: what it says of itself, how fast it is, how steady its scores are."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from blackbox_dft.arrays import ImageBytes, Scores
from blackbox_dft.targets.base import Target

BATCHES = (1, 4, 16, 64)
SECONDS = 0.5
"""Longest a batch size is tried."""
ANY_SIZE = 224


def inspect_target(target: Target, images: ImageBytes | None = None) -> tuple[dict[str, Any], Scores]:
    """What ``target`` describes and what asking it shows, JSON-ready; and scores ``(N, K)`` of the images.

    Without ``images (N, H, W, 3)``, smooth random ones are made.
    """
    if images is None:
        images = smooth(64, target.image_size or (ANY_SIZE, ANY_SIZE))
    found = dict(target.describe())
    scores = target.scores(images[:16])
    again = target.scores(images[:16])
    single = np.concatenate([target.scores(images[i : i + 1]) for i in range(min(4, len(scores)))])
    found["noise"] = float(np.abs(scores - again).max())
    found["batch_effect"] = float(np.abs(scores[:4] - single).max())
    found["rounding"] = rounding_step(scores)
    rates = {batch: _rate(target, images, batch) for batch in BATCHES if batch <= len(images)}
    best = max(rates, key=rates.__getitem__)
    found["images_per_second"] = {str(batch): round(rate, 1) for batch, rate in rates.items()}
    found["best_batch"] = best
    found["workers"] = target.workers
    return found, scores


def _rate(target: Target, images: ImageBytes, batch: int) -> float:
    """Images a second with batches of this size from all workers at once."""
    part = images[:batch]
    with ThreadPoolExecutor(target.workers) as threads:
        began = time.perf_counter()
        done = 0
        while done < 3 * target.workers or (time.perf_counter() - began < SECONDS and done < 1000):
            list(threads.map(target.scores, [part] * target.workers))
            done += target.workers
            if time.perf_counter() - began > SECONDS and done >= target.workers:
                break
        return done * batch / (time.perf_counter() - began)


def rounding_step(scores: Scores) -> float | None:
    """The decimal step that all scores are multiples of (0.01, say), or nothing."""
    values = np.unique(scores.astype(np.float64))
    if len(values) < 3 or np.array_equal(values, np.rint(values)):
        return None
    # What float32 leaves of a decimal; a step not well above it cannot be told from none.
    error = 2e-7 * max(1.0, float(np.abs(values).max()))
    for digits in range(1, 6):
        if error < 0.1 * 10.0**-digits and np.abs(values - np.round(values, digits)).max() < error:
            return float(10.0**-digits)
    return None


def smooth(count: int, size: tuple[int, int]) -> ImageBytes:
    """Random images ``(count, H, W, 3)`` with the gentle contents of photographs rather than of noise."""
    import cv2

    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (count, 6, 6, 3)).astype(np.float32)
    large = [cv2.resize(one, size[::-1], interpolation=cv2.INTER_CUBIC) for one in coarse]
    return np.asarray(np.clip(np.stack(large), 0, 255), np.uint8)
