"""Looking at a target: what it says of itself, how fast it is, how steady its scores are."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from typing import Any

import numpy as np

from blackbox_dft._utils.types import ImageBytes, Images, Scores
from blackbox_dft.images.encoding import Encoding
from blackbox_dft.targets.base import ConcurrentTarget, GraphTarget, Target

BATCHES = (1, 4, 16, 64)
"""Tried where images cost nothing."""
SECONDS = 0.5
"""Longest a way of asking is tried."""
ENOUGH = 512
"""Images a way of asking is tried with, where images cost nothing."""
DEAREST = 100
"""Most images scored where each may cost money."""
LEVELS = (1, 2, 4, 8, 16)
"""Requests at once tried there."""
GROWTH = 1.1
"""What more requests at once must gain to be worth trying still more."""
ANY_SIZE = 224
ENCODINGS = ("png", "jpeg:95")
QUIET = 0.25
"""Noise of one answer, as a share of the spread between images, above which repeating is worth a thought."""


@dataclass(frozen=True)
class Trial:
    """A way of asking that is timed."""

    batch: int
    concurrency: int
    calls: int

    @property
    def images(self) -> int:
        """Images it scores at most."""
        return self.batch * self.calls


@dataclass(frozen=True)
class Inspection:
    """What will be asked, decided before the first image is sent."""

    images: int
    """Images that are compared with themselves."""
    batch: int
    """Images a call carries."""
    singles: int
    """Of them, those asked alone."""
    trials: tuple[Trial, ...]
    paid: bool
    """Whether to stop as soon as more requests at once gain little."""

    @property
    def looks(self) -> int:
        """How often the images are asked: twice alike, encoded, and in a batch also at another place in it."""
        return 2 + (self.batch > 1) + len(ENCODINGS)

    @property
    def queries(self) -> int:
        """Images scored, at most."""
        return self.looks * self.images + self.singles + sum(trial.images for trial in self.trials)


def plan_inspection(target: Target, images: int = 64, *, paid: bool = False) -> Inspection:
    """How to look at ``target`` with so many images at hand; ``paid`` keeps the number of images scored small."""
    if not paid:
        compared = min(16, images)
        trials = tuple(
            Trial(batch, target.workers, max(ENOUGH // batch, 3 * target.workers))
            for batch in BATCHES
            if batch <= images
        )
        return Inspection(compared, compared, min(4, compared), trials, paid)
    compared = min(8, images)
    together = min(target.batch, compared)
    plan = Inspection(compared, together, min(4, compared) if together > 1 else 0, (), paid)
    most = target.most if isinstance(target, ConcurrentTarget) else target.workers
    batch = min(target.batch, DEAREST - plan.queries)
    # One at a time is timed by the comparisons, unless batches are larger.
    for level in LEVELS[1:] if batch == together else LEVELS:
        trial = Trial(batch, level, level)
        if level > most or plan.queries + trial.images > DEAREST:
            break
        plan = replace(plan, trials=(*plan.trials, trial))
    return plan


@dataclass(eq=False)
class _Prober:
    """Asks in calls of so many images, and times them."""

    target: Target
    seconds: dict[int, list[float]] = field(default_factory=dict)
    """Of each call, by its images."""
    scored: int = 0

    def __call__(self, images: ImageBytes | Images, batch: int) -> Scores:
        parts = []
        for start in range(0, len(images), batch):
            part = images[start : start + batch]
            began = time.perf_counter()
            parts.append(self.target.scores(part))
            self.scored += len(part)
            self.seconds.setdefault(len(part), []).append(time.perf_counter() - began)
        return np.concatenate(parts)


def inspect_target(
    target: Target, images: ImageBytes | None = None, plan: Inspection | None = None
) -> tuple[dict[str, Any], Scores]:
    """What ``target`` describes and what asking it shows, JSON-ready; and scores ``(N, K)`` of the images.

    Without ``images (N, H, W, 3)``, smooth random ones are made. Without ``plan``, images are taken to cost nothing.
    """
    if images is None:
        images = smooth(64, target.image_size or (ANY_SIZE, ANY_SIZE))
    plan = plan or plan_inspection(target, len(images))
    found = dict(target.describe())
    ask = _Prober(target)
    sample = images[: plan.images]
    scores = ask(sample, plan.batch)
    repeated = [ask(sample, plan.batch)]
    found["noise"] = _most(scores, repeated[0])
    found["batch_effect"] = found["place_effect"] = 0.0
    if plan.batch > 1:
        repeated.append(np.roll(ask(np.roll(sample, 1, axis=0), plan.batch), -1, axis=0))
        found["place_effect"] = _most(scores, repeated[-1])
    if plan.singles:
        found["batch_effect"] = _most(scores[: plan.singles], ask(sample[: plan.singles], 1))
    found["deterministic"] = found["noise"] == 0
    found["rounding"] = rounding_step(scores)
    found["encoding_effect"] = {
        name: _most(scores, ask(Encoding.parse(name).encode_bytes(sample), plan.batch)) for name in ENCODINGS
    }
    if isinstance(target, GraphTarget) and (coarsened := target.coarsened(sample)) is not None:
        found["float16_effect"] = coarsened
    found["latency_ms"] = round(1000 * float(np.median(ask.seconds[1])), 3)
    found |= _throughput(ask, images, plan)
    found["workers"] = target.workers
    found["queries"] = ask.scored
    found["advice"] = advice(scores, repeated)
    return found, scores


def _throughput(ask: _Prober, images: ImageBytes, plan: Inspection) -> dict[str, Any]:
    """Images/s of every way of asking, and the best."""
    # The comparisons were calls one at a time; the first of all warmed the target up.
    rates = {
        (batch, 1): batch / float(np.median(ask.seconds[batch][1:] or ask.seconds[batch])) for batch in {1, plan.batch}
    }
    for trial in plan.trials:
        slowed = _slowed(ask.target)
        rate = rates[trial.batch, trial.concurrency] = _rate(ask, images, trial)
        below = rates.get((trial.batch, trial.concurrency // 2), 0.0)
        if plan.paid and (rate < GROWTH * below or _slowed(ask.target) > slowed):
            break
    batch, concurrency = max(rates, key=rates.__getitem__)
    by_batch = {b: max(rate for (other, _), rate in rates.items() if other == b) for b, _ in rates}
    return {
        "images_per_second": {str(b): round(rate, 1) for b, rate in sorted(by_batch.items())},
        "best_batch": batch,
        "best_concurrency": concurrency,
        "throughput": [
            {"batch": b, "concurrency": c, "images_per_second": round(rate, 1)}
            for (b, c), rate in sorted(rates.items())
        ],
    }


def _slowed(target: Target) -> int:
    return target.slowed if isinstance(target, ConcurrentTarget) else 0


def _rate(ask: _Prober, images: ImageBytes, trial: Trial) -> float:
    """Images a second, stopping early where it takes long."""
    # Not the same images in every call, as somebody on the way might remember their answers.
    endless = cycle(range(len(images)))
    done = 0
    with ThreadPoolExecutor(trial.concurrency) as threads:
        began = time.perf_counter()
        while done < trial.calls:
            count = min(trial.concurrency, trial.calls - done)
            parts = [images[list(islice(endless, trial.batch))] for _ in range(count)]
            list(threads.map(ask.target.scores, parts))
            done += count
            ask.scored += count * trial.batch
            if time.perf_counter() - began > SECONDS:
                break
        return done * trial.batch / (time.perf_counter() - began)


def _most(one: Scores, other: Scores) -> float:
    return float(np.abs(one - other).max())


def advice(scores: Scores, repeated: list[Scores]) -> str:
    """What ``scores (N, K)`` and the answers to the same images ``repeated`` say of asking every query several times.

    The noise of one answer is compared with the spread of the scores between images.
    """
    if np.array_equal(scores, np.rint(scores)):
        flips = max(float((other != scores).any(axis=1).mean()) for other in repeated)
        if not flips:
            return "the labels are steady: no --repeats needed"
        return f"{flips:.0%} of the labels changed when asked again: --repeats 3 takes the most frequent of three"
    differences = np.stack([other.astype(np.float64) - scores for other in repeated])
    # Of the score that moves most; a difference holds the noise of two answers.
    noise = np.sqrt((differences**2).mean(axis=(0, 1)) / 2)
    column = int(noise.argmax())
    if noise[column] == 0:
        return "the scores are steady: no --repeats needed"
    spread = math.sqrt(max(float(scores[:, column].astype(np.float64).var()) - noise[column] ** 2, 0.0))
    if not spread:
        return "noise drowns what tells these images apart: try --data with real images of every class"
    share = float(noise[column]) / spread
    if share <= QUIET:
        return (
            f"the noise of one answer is {100 * share:.2g} % of the spread between images: "
            "no --repeats needed, as paired differences average it"
        )
    repeats = math.ceil((share / QUIET) ** 2)
    return (
        f"the noise of one answer is {share:.0%} of the spread between images: --repeats {repeats} brings it to "
        f"{QUIET:.0%}, at {repeats} times the cost; the search averages it over its queries anyway"
    )


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
