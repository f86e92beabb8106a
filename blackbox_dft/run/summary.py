"""What a finished run says of itself: ``RUN/summary.json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.data.dataset import Dataset
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.evaluation.paired import PairedResult, bootstrap, compare
from blackbox_dft.evaluation.threshold import fit_threshold
from blackbox_dft.images.similarity import psnr, ssim
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.scoring.scorer import Scorer
from blackbox_dft.search.selection import PartGain, Selection

SAMPLE = 64
"""Test images that PSNR and SSIM are taken over."""


def summarize(
    experiment: Experiment,
    scorer: Scorer,
    choice: Selection,
    tuning: Tuning,
    val: Ints,
    on_val: tuple[Floats, Floats],
    on_test: tuple[Floats, Floats],
    parts: Sequence[PartGain] = (),
) -> dict[str, Any]:
    """The summary without its times.

    Args:
        val: validation images that z was chosen on.
        on_val: probabilities ``(N, L)`` before and after on them.
        on_test: the same on the whole test split.
        parts: what the parts of the space do, on the first of the validation images.
    """
    data, config = experiment.data, experiment.config
    test = data.splits["test"]
    ledger = scorer.ledger
    paired = compared(data, test, *on_test)
    calibration = fit_threshold(on_val[0], data.labels[val])
    against = compared(data, test, calibration(on_test[0]), on_test[1])
    images = data.images[test[:SAMPLE]]
    changed = tuning(images)
    return {
        "target": config.target,
        "space": experiment.space.spec,
        "epsilon": experiment.epsilon,
        "estimator": experiment.estimator_name,
        "distance_weight": config.distance_weight,
        "seed": config.seed,
        "budget": config.budget,
        "repeats": config.repeats,
        "queries": {
            "total": ledger.total,
            **{phase: scorer.paid[phase] for phase in ("tune", "select", "evaluate", "watch")},
            "cached": scorer.cached,
            "in_doubt": ledger.in_doubt,
        },
        "accuracy": {"val": accuracy(compared(data, val, *on_val)), "test": accuracy(paired)},
        "threshold": {
            "test": round(against.before, 6),
            "ci95": ends(against.ci95),
            "bias": calibration.bias.tolist(),
        },
        "calibrated": _calibrated(data, val, on_val[1], on_test[1], calibration(on_test[0]))
        if config.calibrate
        else None,
        "parts": [_part(data, val, part) for part in parts],
        "mcnemar_p": paired.mcnemar_p,
        "psnr_db": psnr(images, changed),
        "ssim": ssim(images, changed),
        "verdict": verdict(paired.ci95),
        "beats_threshold": against.ci95[0] > 0,
        "interval": "paired bootstrap over "
        + ("images" if data.groups is None else "groups of images")
        + (f", each decided by {config.repeats} answers" if config.repeats > 1 else ""),
        "chosen": choice.name,
        "images": {split: len(indices) for split, indices in data.splits.items()},
        "skipped": len(data.skipped),
    }


def _calibrated(data: Dataset, val: Ints, on_val: Floats, on_test: Floats, free: Floats) -> dict[str, Any]:
    """Changed images with a threshold fitted on them, against unchanged ones with theirs: ``free (N, L)``."""
    fitted = fit_threshold(on_val, data.labels[val])
    found = compared(data, data.splits["test"], free, fitted(on_test))
    return {"test": round(found.after, 6), "ci95": ends(found.ci95), "bias": fitted.bias.tolist()}


def _part(data: Dataset, val: Ints, part: PartGain) -> dict[str, Any]:
    """Validation accuracy with the part less that with it at rest."""
    interval = bootstrap(part.accuracy, data.groups_of(val[: len(part.accuracy)]))
    return {"part": part.name, "gain": round(float(part.accuracy.mean()), 6), "ci95": ends(interval)}


def verdict(ci95: tuple[float, float]) -> str:
    """What the interval of after - before says."""
    if ci95[0] > 0:
        return "improved"
    return "worse" if ci95[1] < 0 else "no significant change"


def compared(data: Dataset, indices: Ints, before: Floats, after: Floats) -> PairedResult:
    """Probabilities ``(N, L)`` before and after on the images ``indices (N,)``, whole groups resampled as one."""
    return compare(before, after, data.labels[indices], data.groups_of(indices))


def accuracy(found: PairedResult) -> dict[str, Any]:
    """As all documents give it."""
    return {
        "before": round(found.before, 6),
        "after": round(found.after, 6),
        "n": found.n,
        "ci95": ends(found.ci95),
    }


def ends(ci95: tuple[float, float]) -> list[float]:
    """An interval as all documents give it."""
    return [round(x, 6) for x in ci95]
