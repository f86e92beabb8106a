"""First look at a target's scores: stops a run that gets none, and warns of one that is no better than chance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from blackbox_dft._utils.text import shortened
from blackbox_dft._utils.types import Bools, Floats, Ints, Scores
from blackbox_dft.errors import TargetError
from blackbox_dft.objectives.losses import decide, lacks_score
from blackbox_dft.objectives.outputs import no_score_sentence, rows_with_scores
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.scoring.first_scores import MIN_IMAGES, MIN_SHARE, NoScoreError
from blackbox_dft.scoring.scorer import Scorer
from blackbox_dft.targets.base import ExplainsNoScore, GraphTarget

MIN_SKILL = 0.1
"""Of the way from chance to perfect; unchanged images that are decided worse than this are warned of."""
MIN_PROVEN_SKILL = 0.25
"""Up to here also if the images are too few to tell it from chance."""
STANDARD_ERRORS = 2.0
"""Above chance, from which on images are decided better than by chance."""
MIN_KEPT_SHARE = 0.1
"""Of the share of validation images with a score, which test images of a URL must have too."""
MIN_LOST, MIN_USUAL_SHARE = 16, 0.8
"""Images in a row without a score, of labels of which this share had one before: the service has stopped."""


@contextmanager
def stopping_without_scores(experiment: Experiment, scorer: Scorer, images: Ints, z: Floats) -> Iterator[None]:
    """Within it, unchanged ``images (N,)`` are scored under ``z (k,)``; ends a run that gets no usable scores.

    Responses without a score stay counted and are taken back in the ledger, so that nothing is computed from them.

    Raises:
        NoScoreError: nearly no image has a score; says what came instead and what to mend.
    """
    try:
        with scorer.checking_first_scores():
            yield
    except NoScoreError as error:
        keys = scorer.keys(images, z)
        raw = scorer.ledger.scores([key for key in keys if key in scorer.ledger])
        scorer.ledger.forget_scoreless(keys)
        raise NoScoreError(_explained(experiment, raw)) from error


def require_first_scores(experiment: Experiment, scorer: Scorer, phase: str, images: Ints, z: Floats) -> None:
    """Scores a few of the unchanged ``images (N,)``, if queries cost money, and stops if they get no scores.

    They are taken from all over the images, which are usually listed label by label; scoring all of them then leaves
    these out.

    Raises:
        NoScoreError: nearly none has a score.
    """
    if not experiment.counts_in_doubt:
        return
    few = images[np.unique(np.linspace(0, len(images) - 1, MIN_IMAGES).round().astype(int))]
    with stopping_without_scores(experiment, scorer, few, z):
        require_scores(rows_with_scores(scorer.score(phase, few, z)))
    # The run scores these images again, which saves it no query.
    scorer.cached -= len(few) * scorer.repeats


def require_scores(scored: Bools) -> None:
    """Checks which of the images ``scored (N,)`` have a score.

    Raises:
        NoScoreError: less than ``MIN_SHARE``, or none at all.
    """
    if not scored.any() or (len(scored) >= MIN_IMAGES and scored.mean() < MIN_SHARE):
        raise NoScoreError(f"{(~scored).sum()} of {len(scored)} images got no score.")


def _explained(experiment: Experiment, raw: Scores) -> str:
    target, found = experiment.target, rows_with_scores(raw)
    if not np.isfinite(raw).any(axis=1).any() or not np.isfinite(raw[~found]).all():
        return no_score_sentence(raw[~found])
    if found.sum() > len(raw) / 2:
        # There are scores, but of classes that no label stands for.
        index = raw[found, 0].astype(int) if raw.shape[1] == 1 else raw[found].argmax(axis=1)
        names = target.classes or ()
        seen = [names[i] if 0 <= i < len(names) else str(i) for i in np.unique(index).tolist()]
        return (
            f"{target.name} decided the first {len(raw)} images for classes that count for no label "
            f"({shortened(seen)}): say which of its classes stand for your labels, --map LABEL=CLASS[,CLASS...]."
        )
    reason = target.explain_no_score() if isinstance(target, ExplainsNoScore) else None
    hint = reason or (
        "see what it returns with 'bbdft inspect', and give the names that it uses with --model-classes or --map"
    )
    images = f"{'none' if not found.any() else f'only {found.sum()}'} of the first {len(raw)} images"
    return f"{target.name} returned a score for {images}: {hint.rstrip('.')}."


def require_scores_still(
    experiment: Experiment, scorer: Scorer, scored_val: Bools, val: Ints, scored_test: Bools, test: Ints, z: Floats
) -> None:
    """Checks that a URL returned scores for ``test (N,)`` images as it did for ``val (V,)`` images under the same z.

    Args:
        experiment: of the images.
        scorer: of the run.
        scored_val: which validation images have a score ``(V,)``.
        val: indices into the pool.
        scored_test: which test images have one ``(N,)``.
        test: indices into the pool, in the order in which they were sent.
        z: ``(k,)``.

    Raises:
        TargetError: hardly any has a score, or none of the last ones, though nearly all validation images of the same
            labels had one; a resumed run scores those without again.
    """
    labels = experiment.data.labels
    last = np.flatnonzero(scored_test).max(initial=-1) + 1
    lost = test[last:]
    share = min((scored_val[labels[val] == label].mean() for label in np.unique(labels[lost])), default=0.0)
    gone = len(lost) >= MIN_LOST and share >= MIN_USUAL_SHARE
    few = len(test) >= MIN_IMAGES and scored_test.mean() < MIN_KEPT_SHARE * scored_val.mean()
    if not experiment.watched or not (gone or few):
        return
    scorer.ledger.forget_scoreless(scorer.keys(lost if gone else test, z))
    raise TargetError(
        f"{experiment.target.name} no longer returns scores: {(~scored_test).sum():,} of {len(test):,} test images "
        f"have none, and {scored_val.mean():.0%} of the validation images had one"
    )


def chance_warning(probabilities: Floats, labels: Ints, experiment: Experiment) -> str:
    """A warning that unchanged images are decided hardly better than by chance, and what to try; empty if they are not.

    Args:
        probabilities: of the labels ``(N, L)``, of unchanged images.
        labels: the true ones ``(N,)``.
        experiment: whose target and options say what can be tried.
    """
    accuracy, chance, error = against_chance(probabilities, labels)
    undecided = int((decide(probabilities) < 0).sum() - lacks_score(probabilities).sum())
    if undecided > len(labels) / 2:
        return (
            f"{undecided} of {len(labels)} unchanged validation images have equal scores for several labels, so they "
            f"are not decided: before you spend more, see what the target returns ('bbdft inspect'), and check "
            f"{_pixel_options(experiment)}"
        )
    skill = (accuracy - chance) / (1 - chance)
    if skill >= (MIN_PROVEN_SKILL if accuracy < chance + STANDARD_ERRORS * error else MIN_SKILL):
        return ""
    swapped = accuracy < chance - STANDARD_ERRORS * error
    how = "worse than by chance" if swapped else "hardly better than by chance"
    names = "the order of the class names (--model-classes, --map)"
    pixels = _pixel_options(experiment)
    tries: Sequence[str] = (names, pixels) if swapped else (pixels, names)
    return (
        f"unchanged validation images are decided {how} (accuracy {accuracy:.1%}, averaged over the labels; guessing "
        f"gives {chance:.1%}): before you spend more, check {' and '.join(tries)}"
    )


def _pixel_options(experiment: Experiment) -> str:
    if isinstance(experiment.target, GraphTarget) or (
        experiment.watched and experiment.config.target_options.profile == "v2"
    ):
        return "how images are fed (--range, --channel-order, --mean, --std; 'bbdft inspect' shows what is assumed)"
    if experiment.watched:
        return "how the profile sends images (its 'image' key, --size)"
    return "how the function treats images (it gets RGB, uint8 unless it has accepts = 'float')"


def against_chance(probabilities: Floats, labels: Ints) -> tuple[float, float, float]:
    """Mean accuracy of the labels, that of guessing, and the standard error of guessing; of images with a score.

    >>> against_chance(np.eye(2)[[0, 0, 1, 1]], np.array([0, 0, 1, 0]))
    (0.8333333333333333, 0.5, 0.25)
    """
    scored = ~lacks_score(probabilities)
    right, labels = (decide(probabilities) == labels)[scored], labels[scored]
    chance = 1 / probabilities.shape[1]
    if not len(labels):
        return 0.0, chance, 1.0
    accuracy = float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))
    return accuracy, chance, math.sqrt(chance * (1 - chance) / len(labels))
