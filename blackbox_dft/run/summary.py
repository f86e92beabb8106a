"""Summary of a run, ``RUN/summary.json``: queries, accuracy before and after, intervals, verdict."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.data.dataset import Dataset
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.evaluation.paired import PairedResult, bootstrap, compare
from blackbox_dft.evaluation.threshold import fit_threshold
from blackbox_dft.images.similarity import psnr, ssim
from blackbox_dft.objectives.losses import decide, lacks_score
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.scoring.scorer import Scorer
from blackbox_dft.search.selection import PartGain, Selection

SIMILARITY_IMAGES = 64
"""Test images that PSNR and SSIM are means over."""

Interval = tuple[float, float]
"""Ends of a 95 % interval."""
Verdict = Literal["improved", "worse", "no significant change"]


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
class PartSummary:
    """What one part of a composed space gains on the validation split."""

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
    """Of the splits ``val`` and ``test``."""
    threshold: Threshold
    """The free threshold: fitted on unchanged images, at no query; its interval is of after - threshold."""
    calibrated: Threshold | None
    """With ``--calibrate``, fitted on changed images; its interval is of calibrated - free threshold."""
    parts: Parts
    space_parts: tuple[PartSummary, ...]
    """Of a composed space, if they were measured."""
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
    price: Price | None = None
    """None if the run was given no price."""
    seconds: float = 0.0
    images_per_second: float = 0.0


def summarize(
    experiment: Experiment,
    scorer: Scorer,
    choice: Selection,
    tuning: Tuning,
    val: Ints,
    on_val: tuple[Floats, Floats],
    on_test: tuple[Floats, Floats],
    apart: tuple[Floats, Floats],
    parts: Sequence[PartGain],
    *,
    objective: str,
    scores: str,
    stopped_early: bool,
    warnings: tuple[str, ...] = (),
) -> Summary:
    """The summary without its times.

    Args:
        experiment: the run.
        scorer: what counted its queries.
        choice: the candidate that was chosen.
        tuning: the same, applied to images.
        val: validation images that z was chosen on.
        on_val: probabilities ``(N, L)`` before and after on them.
        on_test: the same on the whole test split.
        apart: the same with the image change alone, and with an output map alone.
        parts: what the parts of the space do, on the first of the validation images.
        objective: the loss that was minimised.
        scores: kind of the target's scores.
        stopped_early: whether the search ended before its budget.
        warnings: what was said before the search.
    """
    data, config, ledger = experiment.data, experiment.config, scorer.ledger
    test = data.splits["test"]
    paired = compared(data, test, *on_test)
    free = fit_threshold(on_val[0], data.labels[val])
    against = compared(data, test, free(on_test[0]), on_test[1])
    images = data.images[test[:SIMILARITY_IMAGES]]
    changed = tuning(images)
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
            tune=paid["tune"],
            select=paid["select"],
            evaluate=paid["evaluate"],
            watch=paid["watch"],
            cached=scorer.cached,
            in_doubt=ledger.in_doubt,
        ),
        accuracy={"val": accuracy(compared(data, val, *on_val)), "test": accuracy(paired)},
        threshold=Threshold(round(against.before, 6), rounded(against.ci95), tuple(free.bias.tolist())),
        calibrated=_calibrated(data, val, on_val[1], on_test[1], free(on_test[0])) if config.calibrate else None,
        parts=_parts(data.labels[test], *apart, on_test[1]),
        space_parts=tuple(_part(data, val, part) for part in parts),
        mcnemar_p=paired.mcnemar_p,
        psnr_db=psnr(images, changed),
        ssim=ssim(images, changed),
        verdict=verdict(paired.ci95),
        beats_threshold=against.ci95[0] > 0,
        no_score=no_score(*on_test),
        scored=scored(data, test, *on_test),
        warnings=warnings,
        interval="paired bootstrap over "
        + ("images" if data.groups is None else "groups of images")
        + (f", each decided by {config.repeats} answers" if config.repeats > 1 else ""),
        chosen=choice.name,
        images={split: len(indices) for split, indices in data.splits.items()},
        skipped=len(data.skipped),
        objective=objective,
        scores=scores,
        stopped_early=stopped_early,
        price=Price.of(config.price, ledger.total),
    )


def no_score(before: Floats, after: Floats) -> NoScore:
    """How many rows of the probabilities ``(N, L)`` before and after are without a score."""
    return NoScore(*(int(lacks_score(p).sum()) for p in (before, after)))


def scored(data: Dataset, indices: Ints, before: Floats, after: Floats) -> Accuracy | None:
    """Accuracy on the images ``indices (N,)`` with a score both before and after; ``None`` if all have, or none has."""
    both = ~lacks_score(before) & ~lacks_score(after)
    if both.all() or not both.any():
        return None
    return accuracy(compared(data, indices[both], before[both], after[both]))


def _calibrated(data: Dataset, val: Ints, on_val: Floats, on_test: Floats, free: Floats) -> Threshold:
    """Changed images with a threshold fitted on them, against unchanged ones with theirs: ``free (N, L)``."""
    fitted = fit_threshold(on_val, data.labels[val])
    result = compared(data, data.splits["test"], free, fitted(on_test))
    return Threshold(round(result.after, 6), rounded(result.ci95), tuple(fitted.bias.tolist()))


def _parts(labels: Ints, *probabilities: Floats) -> Parts:
    return Parts(*(round(float((decide(p) == labels).mean()), 6) for p in probabilities))


def _part(data: Dataset, val: Ints, part: PartGain) -> PartSummary:
    """Validation accuracy with the part minus that without it."""
    interval = bootstrap(part.accuracy, data.groups_of(val[: len(part.accuracy)]))
    return PartSummary(part.name, round(float(part.accuracy.mean()), 6), rounded(interval))


def verdict(ci95: Interval) -> Verdict:
    """What the interval of after - before says.

    >>> verdict((0.01, 0.03)), verdict((-0.01, 0.03))
    ('improved', 'no significant change')
    """
    if ci95[0] > 0:
        return "improved"
    return "worse" if ci95[1] < 0 else "no significant change"


def compared(data: Dataset, indices: Ints, before: Floats, after: Floats) -> PairedResult:
    """Paired comparison of probabilities ``(N, L)`` before and after on the images ``indices (N,)``.

    Whole groups of images are resampled as one.
    """
    return compare(before, after, data.labels[indices], data.groups_of(indices))


def accuracy(result: PairedResult) -> Accuracy:
    """A paired comparison, rounded as in all documents."""
    return Accuracy(round(result.before, 6), round(result.after, 6), result.n, rounded(result.ci95))


def rounded(ci95: Interval) -> Interval:
    """An interval, rounded as in all documents."""
    return round(ci95[0], 6), round(ci95[1], 6)
