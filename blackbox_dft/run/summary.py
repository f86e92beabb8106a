"""Summary of a run, ``RUN/summary.json``: queries, accuracy before and after, intervals, verdict."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.data.dataset import Dataset
from blackbox_dft.data.photos import Photos
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.evaluation.metric import ACCURACY, AccuracyOfShares, Metric, ProvableMetric
from blackbox_dft.evaluation.paired import PairedResult, bootstrap, compare
from blackbox_dft.evaluation.proof import ALPHA, Verdict
from blackbox_dft.evaluation.proof import Proof as SequentialProof
from blackbox_dft.images.similarity import psnr, ssim
from blackbox_dft.objectives.losses import lacks_score
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.form_scoring import PHASE
from blackbox_dft.scoring.scorer import Scorer
from blackbox_dft.search.map_images import MAP_PHASE
from blackbox_dft.search.selection import IDENTITY, PartGain, Selection

SIMILARITY_IMAGES = 64
"""Test images that PSNR and SSIM are means over."""

MAX_LOG_E = 60.0
"""Greater e-values are cut to its exponential: they say nothing more."""

Interval = tuple[float, float]
"""Ends of a 95 % interval."""


class Document:
    """A dataclass whose fields are the keys of a JSON document, in order."""

    def to_json(self) -> dict[str, Any]:
        """The document as it reads back from its file: nested dicts, and lists for tuples."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))  # type: ignore[call-overload]
        return plain


@dataclass(frozen=True)
class Queries:
    """Queries of a run by phase; images in doubt are in ``total`` alone."""

    total: int
    tune: int
    select: int
    evaluate: int
    watch: int
    cached: int
    """Scores taken from the ledger, at no cost."""
    in_doubt: int
    """Images sent whose response never came."""
    views: int = 0
    """To choose further views."""
    input: int = 0
    """To find the input form."""


@dataclass(frozen=True)
class Accuracy:
    """Accuracy on one split."""

    before: float
    after: float
    n: int
    """Images."""
    ci95: Interval
    """Of after - before."""


@dataclass(frozen=True)
class NoScore:
    """Test images for which the target returned no score; they are not decided, and count as wrong."""

    before: int
    after: int


@dataclass(frozen=True)
class Threshold:
    """A decision threshold fitted on the validation split, and what it gains on the test split."""

    test: float
    """Accuracy with it."""
    ci95: Interval
    bias: tuple[float, ...]
    """``(L,)``: added to the log probabilities of the labels."""


@dataclass(frozen=True)
class Parts:
    """Test accuracy with the image change alone, with an output map alone on unchanged images (free), and as chosen."""

    image: float
    output: float
    both: float


@dataclass(frozen=True)
class Measured:
    """What the run is judged by, on the test images: ``--metric``."""

    name: str
    """``accuracy``, ``balanced-accuracy``, ``f1``, ``auc`` (with a label: ``f1:smile``) or ``cost``."""
    title: str
    """In words: ``F1 of smile``."""
    before: float
    after: float
    n: int
    """Images."""
    gain: float
    """After - before; of a cost, before - after."""
    ci95: Interval
    """Of the gain."""
    less_is_better: bool
    """Whether it is a cost, whose gain is a fall."""
    decomposes: bool
    """Whether it is a mean over images, or over those of each label: only then there can be a sequential proof."""
    threshold: float
    """With the free threshold."""
    threshold_ci95: Interval
    """Of the gain over the free threshold."""
    parts: Parts | None = None
    """The metric with the image change alone, with an output map alone, and as chosen; not of an evaluation."""
    scored: Accuracy | None = None
    """The metric of the test images with a score both before and after, if there are others, and the interval of its
    gain."""


@dataclass(frozen=True)
class Proof:
    """How the gain was proven."""

    method: Literal["betting", "bootstrap"]
    """``betting``: sequential, valid whenever it stops; ``bootstrap``: of a number of test images fixed before."""
    n: int
    """Draws, each an image or some of a group; all test images if the number was fixed."""
    decided_at: int | None
    """Draws after which the sequential interval first excluded 0."""
    alpha: float
    """Chance that the interval misses the gain."""
    e_value: float | None
    """Of a sequential proof, against "no gain": the greatest so far."""
    precision: float
    """Half the width of the interval, in points; of a cost, in its unit."""
    ci95: Interval | None = None
    """Of a sequential proof: the interval of the gain of the tuned candidate, kept or not."""
    verdict: Verdict | None = None
    """Of a sequential proof, on that candidate."""


@dataclass(frozen=True)
class PartSummary:
    """What one part of a composed space gains on the validation split, by the metric of the run."""

    part: str
    gain: float
    ci95: Interval


@dataclass(frozen=True)
class Price:
    """What a run cost."""

    per_image: float
    spent: float
    """For all images sent, those in doubt included."""

    @classmethod
    def of(cls, per_image: float | None, queries: int) -> Price | None:
        """Of so many queries, rounded to millionths."""
        return None if per_image is None else cls(per_image, round(per_image * queries, 6))


@dataclass(frozen=True)
class Summary(Document):
    """A finished run; the fields are the keys of ``RUN/summary.json``."""

    target: str
    space: str
    epsilon: float | None
    estimator: str
    distance_weight: float
    seed: int
    budget: int
    repeats: int
    queries: Queries
    accuracy: dict[str, Accuracy]
    """Of the test images, and of the validation images if z was chosen on them."""
    threshold: Threshold
    """The free threshold: fitted on unchanged validation images, or on the other folds of the test images; its interval
    is of after - threshold."""
    calibrated: Threshold | None
    """With ``--calibrate``, fitted on changed images; its interval is of calibrated - free threshold."""
    parts: Parts
    space_parts: tuple[PartSummary, ...]
    """Of a composed space, if they were measured."""
    proof: Proof
    mcnemar_p: float
    psnr_db: float | None
    ssim: float
    verdict: Verdict
    beats_threshold: bool
    no_score: NoScore
    scored: Accuracy | None
    """Of the test images with a score both before and after, if there are others."""
    warnings: tuple[str, ...]
    """What to check, as it was said before the search."""
    interval: str
    """How the intervals were computed, in words."""
    chosen: str
    """Which candidate for z was chosen."""
    images: dict[str, int]
    """Of each split."""
    skipped: int
    """Images that could not be read."""
    objective: str
    scores: str
    """Kind of the target's scores: ``probabilities``, ``logits`` ..."""
    stopped_early: bool
    metric: Measured | None = None
    """What the verdict is about; None in files of earlier versions, where it is accuracy."""
    queries_per_image: int = 1
    """At use: the views that an image is scored under."""
    views: tuple[str, ...] = ("plain",)
    """What they are: ``plain``, which is z alone, ``mirrored``, ``wider`` ...; the test accuracy is of all, that on
    the validation images of the first."""
    price: Price | None = None
    """None if the run was given no price."""
    input: dict[str, Any] | None = None
    """What ``--find-input`` found, if it was given."""
    seconds: float = 0.0
    images_per_second: float = 0.0

    @property
    def judged(self) -> Measured:
        """``metric``, and in its place accuracy in a run of an earlier version."""
        if self.metric:
            return self.metric
        test, free = self.accuracy["test"], self.threshold
        gain = round(test.after - test.before, 6)
        levels = (test.before, test.after, test.n, gain, test.ci95, False, True, free.test, free.ci95)
        return Measured(ACCURACY.name, ACCURACY.title, *levels, self.parts, self.scored)


@dataclass(frozen=True, eq=False)
class Evaluated:
    """Probabilities of the test images, and what was measured beside them; ``(N, L)`` each."""

    test: Ints
    """The images ``(N,)``, as indices into the data."""
    on_test: tuple[Floats, Floats]
    """Before and after."""
    apart: tuple[Floats, Floats]
    """With the image change alone, and with an output map alone."""
    free: tuple[Floats, Floats]
    """Unchanged images with the free threshold, and its bias ``(L,)``."""
    calibrated: tuple[Floats, Floats] | None = None
    """With ``--calibrate``: changed images with a threshold fitted on such, and its bias."""
    val: tuple[Ints, Floats, Floats] | None = None
    """Validation images ``(V,)`` that z was chosen on, and their probabilities before and after."""
    parts: Sequence[PartGain] = ()
    """What the parts of the space do, on the first of the validation images."""


def summarize(
    experiment: Experiment,
    scorer: Scorer,
    choice: Selection,
    tuning: Tuning,
    found: Evaluated,
    proof: SequentialProof | None,
    *,
    objective: str,
    scores: str,
    views: Sequence[str],
    stopped_early: bool,
    warnings: tuple[str, ...] = (),
) -> Summary:
    """The summary without its times.

    Args:
        experiment: the run.
        scorer: what counted its queries.
        choice: the candidate that was chosen.
        tuning: the same, applied to images.
        found: the probabilities of the test images.
        proof: of the gain of z and its map, if it was sequential.
        objective: the loss that was minimised.
        scores: kind of the target's scores.
        views: names of the views of an image.
        stopped_early: whether the search ended before its budget.
        warnings: what was said before the search.
    """
    data, config, ledger = experiment.data, experiment.config, scorer.ledger
    test, on_test = found.test, found.on_test
    by = _accuracy_of(experiment, proof)
    widened = experiment.widened_intervals
    paired = compared(data, test, *on_test, by, widened=widened)
    against = compared(data, test, found.free[0], on_test[1], by, widened=widened)
    on_all, metric = accuracy(paired), experiment.metric
    proven = rounded(proof.interval) if proof and choice.name != IDENTITY else None
    if proven and metric is ACCURACY:
        # Only this interval holds although one looked after every image.
        on_all = replace(on_all, ci95=proven)
    judged = measured(data, metric, test, on_test, found.free[0], apart=found.apart, proven=proven, widened=widened)
    db, alike = _similarity(data, test[:SIMILARITY_IMAGES], tuning)
    paid = scorer.paid
    return Summary(
        target=config.target,
        space=experiment.space.spec,
        epsilon=experiment.epsilon,
        estimator=experiment.estimator_name,
        distance_weight=config.distance_weight,
        seed=config.seed,
        budget=config.budget,
        repeats=config.repeats,
        queries=Queries(
            total=ledger.total,
            tune=paid["tune"] + paid[MAP_PHASE],
            select=paid["select"],
            evaluate=paid["evaluate"],
            watch=paid["watch"],
            views=paid["views"],
            input=ledger.spent(PHASE),
            cached=scorer.cached,
            in_doubt=ledger.in_doubt,
        ),
        queries_per_image=len(views),
        views=tuple(views),
        accuracy=_on_val(data, found, widened) | {"test": on_all},
        threshold=Threshold(round(against.before, 6), rounded(against.ci95), tuple(found.free[1].tolist())),
        calibrated=_calibrated(data, found, by, widened),
        parts=_parts(data.labels[test], by, *found.apart, on_test[1]),
        space_parts=tuple(_part(data, found.val[0], part) for part in found.parts) if found.val else (),
        proof=_proof(proof, judged),
        mcnemar_p=paired.mcnemar_p,
        psnr_db=db,
        ssim=alike,
        verdict=verdict(judged.ci95),
        beats_threshold=judged.threshold_ci95[0] > 0,
        no_score=no_score(*on_test),
        scored=scored(data, test, *on_test, by, widened=widened),
        warnings=warnings,
        interval=_interval_in_words(experiment, proof),
        chosen=choice.name,
        images={split: len(indices) for split, indices in data.splits.items()},
        skipped=len(data.skipped),
        objective=objective,
        scores=scores,
        stopped_early=stopped_early,
        metric=judged,
        price=Price.of(config.price, ledger.total),
        input=dict(experiment.found_input) if experiment.found_input else None,
    )


def _on_val(data: Dataset, found: Evaluated, widened: bool) -> dict[str, Accuracy]:
    return {"val": accuracy(compared(data, *found.val, widened=widened))} if found.val else {}


def _accuracy_of(experiment: Experiment, proof: SequentialProof | None) -> Metric:
    """Accuracy on the images that the test images were drawn from; the proof may have drawn as many of each label."""
    equal = isinstance(experiment.metric, ProvableMetric) and experiment.metric.equal_labels
    return AccuracyOfShares(tuple(experiment.held_shares.tolist())) if proof and equal else ACCURACY


def measured(
    data: Dataset,
    metric: Metric,
    indices: Ints,
    both: tuple[Floats, Floats],
    free: Floats,
    *,
    apart: tuple[Floats, Floats] | None = None,
    proven: Interval | None = None,
    widened: bool = True,
) -> Measured:
    """The metric before and after, rounded as in all documents; probabilities are ``(N, L)``.

    Args:
        data: with the images.
        metric: what is measured.
        indices: the images ``(N,)``.
        both: probabilities before and after.
        free: unchanged images with the free threshold.
        apart: with the image change alone, and with an output map alone.
        proven: the interval of a sequential proof, in the place of the bootstrap's.
        widened: whether the interval of accuracy is wider where few images change.
    """
    result = compared(data, indices, *both, metric, widened=widened)
    against = compared(data, indices, free, both[1], metric, widened=widened)
    if rest := scored(data, indices, *both, metric, widened=widened):
        # As for the levels below, costs become positive again.
        sign = -1 if metric.less_is_better else 1
        rest = replace(rest, before=sign * rest.before, after=sign * rest.after)
    return Measured(
        metric.name,
        metric.title,
        _level(metric, result.before),
        _level(metric, result.after),
        result.n,
        round(result.after - result.before, 6),
        proven or rounded(result.ci95),
        metric.less_is_better,
        isinstance(metric, ProvableMetric),
        _level(metric, against.before),
        rounded(against.ci95),
        _parts(data.labels[indices], metric, *apart, both[1]) if apart else None,
        rest,
    )


def _level(metric: Metric, value: float) -> float:
    """A metric as the user knows it: costs are positive again."""
    return round(-value if metric.less_is_better else value, 6) + 0.0


def _proof(proof: SequentialProof | None, judged: Measured) -> Proof:
    unit = 1 if judged.less_is_better else 100
    if proof is None:
        half = (judged.ci95[1] - judged.ci95[0]) / 2
        return Proof("bootstrap", judged.n, None, ALPHA, None, round(unit * half, 3))
    half = unit * proof.half_width
    return Proof(
        "betting",
        proof.draws,
        proof.decided_at,
        proof.alpha,
        round(math.exp(min(proof.log_e, MAX_LOG_E)), 3),
        round(half, 3),
        rounded(proof.interval),
        proof.verdict,
    )


def _interval_in_words(experiment: Experiment, proof: SequentialProof | None) -> str:
    repeats = experiment.config.repeats
    each = f", each decided by {repeats} answers" if repeats > 1 else ""
    whose = "images" if experiment.data.groups is None else "groups of images"
    metric = experiment.metric
    if proof:
        equal = ", as many of each label" if proof.round > 1 else ""
        return f"valid whenever one stops, by betting on {whose} drawn one after the other{equal}{each}"
    if not isinstance(metric, ProvableMetric):
        each += f"; as the {metric.title} is no mean over images, of its linear part, for as many as were fixed before"
    if metric is ACCURACY and experiment.widened_intervals:
        each = f", at least as wide as the exact one of those that changed{each}"
    return f"paired bootstrap over {whose}{each}"


def no_score(before: Floats, after: Floats) -> NoScore:
    """How many rows of the probabilities ``(N, L)`` before and after are without a score."""
    return NoScore(*(int(lacks_score(p).sum()) for p in (before, after)))


def scored(
    data: Dataset, indices: Ints, before: Floats, after: Floats, by: Metric = ACCURACY, *, widened: bool = True
) -> Accuracy | None:
    """Accuracy on the images ``indices (N,)`` with a score both before and after; ``None`` if all have, or none has."""
    both = ~lacks_score(before) & ~lacks_score(after)
    if both.all() or not both.any():
        return None
    return accuracy(compared(data, indices[both], before[both], after[both], by, widened=widened))


def _calibrated(data: Dataset, found: Evaluated, by: Metric, widened: bool) -> Threshold | None:
    """Changed images with a threshold fitted on them, against unchanged ones with theirs."""
    if found.calibrated is None:
        return None
    result = compared(data, found.test, found.free[0], found.calibrated[0], by, widened=widened)
    return Threshold(round(result.after, 6), rounded(result.ci95), tuple(found.calibrated[1].tolist()))


def _parts(labels: Ints, metric: Metric, *probabilities: Floats) -> Parts:
    return Parts(*(_level(metric, float(metric.contributions(p, labels).mean())) for p in probabilities))


def _part(data: Dataset, val: Ints, part: PartGain) -> PartSummary:
    """What the part gains on the validation images, over the space without it."""
    interval = bootstrap(part.gains, data.groups_of(val[: len(part.gains)]))
    return PartSummary(part.name, round(float(part.gains.mean()), 6), rounded(interval))


def verdict(ci95: Interval) -> Verdict:
    """What the interval of after - before says.

    >>> verdict((0.01, 0.03)), verdict((-0.01, 0.03))
    ('improved', 'no significant change')
    """
    if ci95[0] > 0:
        return "improved"
    return "worse" if ci95[1] < 0 else "no significant change"


def compared(
    data: Dataset, indices: Ints, before: Floats, after: Floats, metric: Metric = ACCURACY, *, widened: bool = True
) -> PairedResult:
    """Paired comparison of probabilities ``(N, L)`` before and after on the images ``indices (N,)``.

    Whole groups of images are resampled as one.
    """
    return compare(before, after, data.labels[indices], data.groups_of(indices), metric, widened=widened)


def accuracy(result: PairedResult) -> Accuracy:
    """A paired comparison, rounded as in all documents."""
    return Accuracy(round(result.before, 6), round(result.after, 6), result.n, rounded(result.ci95))


def rounded(ci95: Interval) -> Interval:
    """An interval, rounded as in all documents."""
    return round(ci95[0], 6), round(ci95[1], 6)


def _similarity(data: Dataset, indices: Ints, tuning: Tuning) -> tuple[float | None, float]:
    """Mean PSNR and SSIM of images and what the tuning makes of them."""
    if not isinstance(data.images, Photos):
        images = data.images[indices]
        changed = tuning(images)
        return psnr(images, changed), ssim(images, changed)
    ratios, alike = [], []
    for index in indices.tolist():
        # The change is relative to the image, so small ones tell as much.
        photo = data.images.small(index)[None]
        changed = tuning(photo)
        ratios.append(psnr(photo, changed))
        alike.append(ssim(photo, changed))
    known = [ratio for ratio in ratios if ratio is not None]
    return float(np.mean(known)) if known else None, float(np.mean(alike))
