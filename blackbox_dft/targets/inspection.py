"""Inspection of a target: its description, throughput by batch size and concurrency, and noise of its scores."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from typing import Any

import numpy as np

from blackbox_dft._utils.types import Bools, ImageBytes, Images, Scores
from blackbox_dft.errors import InputError
from blackbox_dft.images.encoding import Encoding
from blackbox_dft.objectives.outputs import no_score_sentence, rows_with_scores
from blackbox_dft.targets.base import ConcurrentTarget, ExplainsNoScore, GraphTarget, Target

FREE_BATCHES = (1, 4, 16, 64)
"""Batch sizes that are timed if queries are free."""
FREE_TRIAL_IMAGES = 512
"""Images of a throughput trial if queries are free,"""
MAX_TRIAL_SECONDS = 0.5
"""unless it takes longer than this."""
MAX_PAID_QUERIES = 100
"""Queries of an inspection if they may cost money."""
PAID_CONCURRENCIES = (1, 2, 4, 8, 16)
"""Requests at once that are timed if queries may cost money,"""
MIN_SPEEDUP = 1.1
"""as long as twice as many requests at once score this many times the images/s."""
DEFAULT_SIDE = 224
"""Height and width of generated images if the target takes any size."""
ENCODINGS = ("png", "jpeg:95")
SORTED_NOTE = "the scores fall along every row: if they are sorted, their columns are ranks and not classes"
MAX_NOISE = 0.25
"""Noise of one score, as a share of the spread between images, above which repeats are advised."""


@dataclass(frozen=True)
class ThroughputTrial:
    """Calls of one batch size and concurrency, to be timed."""

    batch: int
    concurrency: int
    calls: int

    @property
    def queries(self) -> int:
        """Images scored, at most."""
        return self.batch * self.calls


@dataclass(frozen=True)
class InspectionPlan:
    """All queries of an inspection, planned before the first of them."""

    images: int
    """Images whose scores are compared with each other's repeats."""
    batch: int
    """Images of a call in these comparisons."""
    singles: int
    """How many of the images are also scored in a call of their own."""
    trials: tuple[ThroughputTrial, ...]
    paid: bool
    """Whether trials end as soon as more requests at once gain little."""

    @property
    def repeats(self) -> int:
        """How often the images are scored: twice alike, in every encoding, and at another place of the batch."""
        return 2 + (self.batch > 1) + len(ENCODINGS)

    @property
    def queries(self) -> int:
        """Images scored, at most."""
        return self.repeats * self.images + self.singles + sum(trial.queries for trial in self.trials)


def plan_inspection(
    target: Target, images: int = 64, *, paid: bool = False, batch: int | None = None
) -> InspectionPlan:
    """Plans the inspection of ``target`` with ``images`` images; if ``paid``, of at most 100 queries.

    If the user fixed the ``batch``, no call has more images.

    >>> from blackbox_dft.demo import assets
    >>> from blackbox_dft.targets import TargetOptions, make_target
    >>> target = make_target(str(assets() / "digits.onnx"), TargetOptions(provider="cpu", workers=2))
    >>> plan_inspection(target, paid=True).queries
    60
    """
    if not paid:
        compared = min(16, images)
        sizes = [batch] if batch else [size for size in FREE_BATCHES if size <= images]
        trials = tuple(
            ThroughputTrial(size, target.workers, max(FREE_TRIAL_IMAGES // size, 3 * target.workers)) for size in sizes
        )
        together = min(batch or compared, compared)
        return InspectionPlan(compared, together, min(4, compared) if together > 1 else 0, trials, paid)
    compared = min(8, images)
    together = min(target.batch, compared)
    plan = InspectionPlan(compared, together, min(4, compared) if together > 1 else 0, (), paid)
    max_workers = target.max_workers if isinstance(target, ConcurrentTarget) else target.workers
    size = min(target.batch, MAX_PAID_QUERIES - plan.queries)
    # The comparisons time one request at a time, unless the batches of the trials are larger.
    for concurrency in PAID_CONCURRENCIES[1:] if size == together else PAID_CONCURRENCIES:
        trial = ThroughputTrial(size, concurrency, concurrency)
        if concurrency > max_workers or plan.queries + trial.queries > MAX_PAID_QUERIES:
            break
        plan = replace(plan, trials=(*plan.trials, trial))
    return plan


@dataclass(eq=False)
class _TimedCalls:
    """Scores images in calls of a given size, and keeps how long each call took."""

    target: Target
    seconds: dict[int, list[float]] = field(default_factory=dict)
    """Of each call, by its number of images."""
    queries: int = 0
    scored: bool = False
    """Whether any image had a score."""

    def __call__(self, images: ImageBytes | Images, batch: int) -> Scores:
        parts = []
        for start in range(0, len(images), batch):
            part = images[start : start + batch]
            began = time.perf_counter()
            parts.append(self.target.scores(part))
            self.queries += len(part)
            self._require_scores(parts[-1])
            self.seconds.setdefault(len(part), []).append(time.perf_counter() - began)
        return np.concatenate(parts)

    def _require_scores(self, scores: Scores) -> None:
        """Ends the inspection before more is paid for, as soon as the target can say why it returns no scores."""
        self.scored = self.scored or bool(rows_with_scores(scores).any())
        if not self.scored and isinstance(self.target, ExplainsNoScore) and (hint := self.target.explain_no_score()):
            images = "the first image" if self.queries == 1 else f"the first {self.queries} images"
            raise InputError(f"{self.target.name} returned no usable score for {images}: {hint.rstrip('.')}.")


def inspect_target(
    target: Target, images: ImageBytes | None = None, plan: InspectionPlan | None = None
) -> tuple[dict[str, Any], Scores]:
    """What ``target`` describes and what scoring it shows, JSON-ready; and scores ``(N, K)`` of the images.

    Args:
        target: scored from this thread, and from up to ``concurrency`` threads in the throughput trials.
        images: ``(N, H, W, 3)``; smooth random ones by default.
        plan: of the queries; by default one for free queries.

    Raises:
        InputError: the first images have no score.

    >>> from blackbox_dft.demo import assets
    >>> from blackbox_dft.targets import TargetOptions, make_target
    >>> found, scores = inspect_target(make_target(str(assets() / "digits.onnx"), TargetOptions(provider="cpu")))
    >>> found["deterministic"], found["advice"], scores.shape
    (True, 'the scores are steady: no --repeats needed', (16, 10))
    """
    if images is None:
        images = smooth_images(64, target.image_size or (DEFAULT_SIDE, DEFAULT_SIDE))
    plan = plan or plan_inspection(target, len(images))
    found = dict(target.describe())
    score = _TimedCalls(target)
    sample = images[: plan.images]
    scores = score(sample, plan.batch)
    has_score = rows_with_scores(scores)
    if not has_score.any():
        raise InputError(no_score_sentence(scores))
    repeated = [score(sample, plan.batch)]
    found["noise"] = _max_difference(scores, repeated[0])
    found["batch_effect"] = found["place_effect"] = 0.0
    if plan.batch > 1:
        repeated.append(np.roll(score(np.roll(sample, 1, axis=0), plan.batch), -1, axis=0))
        found["place_effect"] = _max_difference(scores, repeated[-1])
    if plan.singles:
        found["batch_effect"] = _max_difference(scores[: plan.singles], score(sample[: plan.singles], 1))
    found["deterministic"] = found["noise"] == 0
    if missing := len(scores) - int(has_score.sum()):
        found["notes"] = [*found.get("notes", ()), f"{missing} of {len(scores)} images have no score"]
    if scores.shape[1] > 2 and (np.diff(scores[has_score], axis=1) <= 0).all() and np.ptp(scores, axis=1).any():
        found["notes"] = [*found.get("notes", ()), SORTED_NOTE]
    found["rounding"] = rounding_step(scores[has_score])
    found["encoding_effect"] = {
        name: _max_difference(scores, score(Encoding.parse(name).encode_bytes(sample), plan.batch))
        for name in ENCODINGS
    }
    if isinstance(target, GraphTarget) and (float16_error := target.float16_error(sample)) is not None:
        found["float16_effect"] = float16_error
    found["latency_ms"] = round(1000 * float(np.median(score.seconds[1])), 3)
    found |= _throughput(score, images, plan)
    found["workers"] = target.workers
    found["queries"] = score.queries
    found["advice"] = advise_repeats(scores, repeated)
    return found, scores


def _throughput(score: _TimedCalls, images: ImageBytes, plan: InspectionPlan) -> dict[str, Any]:
    """Images/s by batch size and concurrency, and the best of them."""
    # The comparisons were calls one at a time; the first of all warmed the target up.
    rates = {
        (batch, 1): batch / float(np.median(score.seconds[batch][1:] or score.seconds[batch]))
        for batch in {1, plan.batch}
    }
    for trial in plan.trials:
        throttled = _throttled(score.target)
        rate = rates[trial.batch, trial.concurrency] = _rate(score, images, trial)
        half_rate = rates.get((trial.batch, trial.concurrency // 2), 0.0)
        if plan.paid and (rate < MIN_SPEEDUP * half_rate or _throttled(score.target) > throttled):
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


def _throttled(target: Target) -> int:
    return target.throttled if isinstance(target, ConcurrentTarget) else 0


def _rate(score: _TimedCalls, images: ImageBytes, trial: ThroughputTrial) -> float:
    """Images/s of a trial, which ends early if it takes long."""
    # Every call gets other images, as a cache on the way might remember the scores of the same ones.
    endless = cycle(range(len(images)))
    done = 0
    with ThreadPoolExecutor(trial.concurrency) as threads:
        began = time.perf_counter()
        while done < trial.calls:
            count = min(trial.concurrency, trial.calls - done)
            parts = [images[list(islice(endless, trial.batch))] for _ in range(count)]
            list(threads.map(score.target.scores, parts))
            done += count
            score.queries += count * trial.batch
            if time.perf_counter() - began > MAX_TRIAL_SECONDS:
                break
        return done * trial.batch / (time.perf_counter() - began)


def _max_difference(one: Scores, other: Scores) -> float:
    """Of the images whose scores are finite in both."""
    finite = _finite(one, other)
    return float(np.abs(one[finite] - other[finite]).max(initial=0.0))


def _finite(*scores: Scores) -> Bools:
    """Which images have finite scores each time, ``(N,)``: NaN and infinite ones cannot be compared."""
    return np.asarray(np.all([np.isfinite(one).all(axis=1) for one in scores], axis=0), np.bool_)


def advise_repeats(scores: Scores, repeated: list[Scores]) -> str:
    """Whether every query should be scored several times (``--repeats``), and how often.

    The noise of one score is compared with the spread of the scores between images.

    Args:
        scores: ``(N, K)`` of N images.
        repeated: scores of the same images, ``(N, K)`` each.

    >>> advise_repeats(np.float32([[0], [1]]), [np.float32([[0], [1]])])
    'the labels are steady: no --repeats needed'
    """
    finite = _finite(scores, *repeated)
    if not finite.any():
        return "no image has a score each time it is scored"
    scores, repeated = scores[finite], [other[finite] for other in repeated]
    if np.array_equal(scores, np.rint(scores)):
        flips = max(float((other != scores).any(axis=1).mean()) for other in repeated)
        if not flips:
            return "the labels are steady: no --repeats needed"
        return f"{flips:.0%} of the labels changed when scored again: --repeats 3 takes the most frequent of three"
    differences = np.stack([other.astype(np.float64) - scores for other in repeated])
    # Of the class whose score varies most; a difference contains the noise of two scores.
    noise = np.sqrt((differences**2).mean(axis=(0, 1)) / 2)
    column = int(noise.argmax())
    if noise[column] == 0:
        return "the scores are steady: no --repeats needed"
    spread = math.sqrt(max(float(scores[:, column].astype(np.float64).var()) - noise[column] ** 2, 0.0))
    if not spread:
        return "the noise is larger than all differences between these images: try --data with images of every class"
    share = float(noise[column]) / spread
    if share <= MAX_NOISE:
        return (
            f"the noise of one score is {100 * share:.2g} % of the spread between images: "
            "no --repeats needed, as paired differences average it"
        )
    repeats = math.ceil((share / MAX_NOISE) ** 2)
    return (
        f"the noise of one score is {share:.0%} of the spread between images: --repeats {repeats} reduces it to "
        f"{MAX_NOISE:.0%}, at {repeats} times the cost; the search averages it over its queries anyway"
    )


def rounding_step(scores: Scores) -> float | None:
    """The decimal step that all scores are multiples of, or ``None``.

    >>> rounding_step(np.float32([[0.25, 0.75], [0.5, 0.31]]))
    0.01
    """
    values = np.unique(scores.astype(np.float64))
    if len(values) < 3 or np.array_equal(values, np.rint(values)):
        return None
    # The precision of float32; a step that is not well above it cannot be distinguished from none.
    error = 2e-7 * max(1.0, float(np.abs(values).max()))
    for digits in range(1, 6):
        if error < 0.1 * 10.0**-digits and np.abs(values - np.round(values, digits)).max() < error:
            return float(10.0**-digits)
    return None


def smooth_images(count: int, size: tuple[int, int]) -> ImageBytes:
    """Random images ``(count, H, W, 3)`` of ``size`` (height, width), smooth as photographs are.

    >>> smooth_images(3, (10, 12)).shape
    (3, 10, 12, 3)
    """
    import cv2

    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (count, 6, 6, 3)).astype(np.float32)
    large = [cv2.resize(one, size[::-1], interpolation=cv2.INTER_CUBIC) for one in coarse]
    return np.asarray(np.clip(np.stack(large), 0, 255), np.uint8)
