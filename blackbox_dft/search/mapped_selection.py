"""Selection with an output map: keeps z, the map, both or neither, by validation images.

The map of z is fitted on the scores of the search, which are paid for already, at training images only. Scores far from
z count less: early candidates may have changed images so much otherwise that the model answers differently. The map of
unchanged images is fitted on the validation images themselves and judged there by cross-validation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import log_softmax

from blackbox_dft._utils.folds import fold_numbers
from blackbox_dft._utils.types import Floats, Ints, Scores
from blackbox_dft.evaluation.metric import ACCURACY, Metric
from blackbox_dft.objectives.joined_map import JoinedMap
from blackbox_dft.objectives.output_map import Family, OutputMap, clipped_logs, fit_output_map, fit_output_maps
from blackbox_dft.objectives.softmax_fit import Penalties, SoftmaxProblem
from blackbox_dft.search.loop import Task, Trajectory
from blackbox_dft.search.map_images import MapImages
from blackbox_dft.search.selection import (
    IDENTITY,
    LAST_QUARTER,
    MAX_FALL,
    MIN_GAIN,
    MIN_GAIN_AT_CHANCE,
    Selection,
    better_than_chance,
    in_standard_errors,
    select,
    weighed,
)

MapChoice = Literal["auto", "none", "bias", "linear"]
FAMILIES: dict[MapChoice, tuple[Family, ...]] = {
    "auto": ("bias", "scale", "linear", "counts"),
    "none": (),
    "bias": ("bias",),
    "linear": ("linear", "counts"),
}
MAP_ALONE, BOTH = "output map alone", f"{LAST_QUARTER} with an output map"

CLOSE_QUANTILE = 0.8
"""Of the distances of the last quarter's scores from z: those up to it count fully."""
MIN_PROVEN_GAIN = 0.5
"""``MIN_GAIN`` on the images of a proof: there is one candidate only, and it was not learned to fit them."""
SCALE_PENALTY = 0.1
"""Of the squared log temperature, against the log likelihood of all images."""
LOG_TEMPERATURES = (-3.0, 2.0)
"""The least and the most."""


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A z with or without a map, and its calibrated probabilities ``(N, L)`` of the validation images."""

    z: Floats
    output_map: OutputMap | None
    probabilities: Floats
    measured: Floats
    """``(N,)``: what each image contributes to the metric; to accuracy, 1 if the decision is right."""
    penalty: float = 0.0
    """Of z, added to every loss."""

    def losses(self, judge: _Judge) -> Floats:
        """Log losses ``(N,)`` and the penalty."""
        return weighed(_log_losses(self.probabilities, judge.labels), judge.weights) + self.penalty


@dataclass(frozen=True, eq=False)
class _Judge:
    """The true labels of the images that candidates are judged on, and by what."""

    labels: Ints
    metric: Metric
    weights: Floats | None
    """What an error on each image counts ``(N,)``; the same if there are none."""

    @classmethod
    def of(cls, labels: Ints, metric: Metric) -> _Judge:
        return cls(labels, metric, metric.image_weights(labels))

    def measured(self, probabilities: Floats) -> Floats:
        return self.metric.contributions(probabilities, self.labels)

    def weights_of(self, rows: Ints) -> Floats | None:
        return None if self.weights is None else self.weights[rows]


def choose(
    task: Task,
    trajectory: Trajectory,
    val: Ints,
    identity: Floats,
    choice: MapChoice,
    seed: int,
    metric: Metric = ACCURACY,
) -> tuple[Selection, OutputMap | None]:
    """``select``, or with an output map ``select_with_map``.

    Returns:
        What is kept, and the map of unchanged images alone, if there is one.
    """
    if choice == "none" or not trajectory.scored:
        return select(task, trajectory, val, identity, metric), None
    return select_with_map(task, trajectory, val, identity, choice, seed, metric)


def select_with_map(
    task: Task,
    trajectory: Trajectory,
    val: Ints,
    identity: Floats,
    choice: MapChoice,
    seed: int,
    metric: Metric = ACCURACY,
) -> tuple[Selection, OutputMap]:
    """Keeps the best of four: the identity or the last quarter's mean iterate, each with or without an output map.

    All four are made comparable by a temperature, which moves no decision, and judged by log loss and metric together
    as ``select`` judges two. Both is taken if it beats the identity, else z alone, else the map alone; a simpler
    candidate replaces it if it decides clearly better. A map kept with z is fitted again, with the validation images.

    Returns:
        What is kept, and the map of unchanged images alone: what the output side is worth without z.
    """
    z, labels = trajectory.average(1 / 4), task.labels[val]
    judge = _Judge.of(labels, metric)
    raw = {name: task.scorer.score("select", val, where) for name, where in ((IDENTITY, identity), (LAST_QUARTER, z))}
    before, after = (_class_probabilities(task, scores) for scores in raw.values())
    answers = _Answers.of(task, trajectory, z, metric)
    families, matrix = FAMILIES[choice], task.decoder.label_matrix
    penalty = float(task.penalty(z[None])[0])
    fitted = answers.fit(matrix, families, seed)
    mapped = fitted(after)
    seen = np.flatnonzero(~np.isnan(before).any(axis=1))
    alone = fit_output_map(
        before[seen], labels[seen], matrix, weights=judge.weights_of(seen), families=families, seed=seed
    )
    temperature = _log_temperatures(answers.probabilities @ matrix, answers.labels, answers.weights[None])[0]
    candidates = {
        BOTH: _Candidate(z, fitted, mapped, judge.measured(mapped), penalty),
        LAST_QUARTER: _Candidate(
            z,
            None,
            _tempered(after @ matrix, temperature),
            judge.measured(after @ matrix),
            penalty,
        ),
        MAP_ALONE: _cross_fitted(identity, before, judge, alone, families, seed),
        IDENTITY: _calibrated(identity, before @ matrix, judge, seed),
    }
    name = _best(candidates, judge)
    kept = candidates[name].output_map
    if name == BOTH:
        rows = np.flatnonzero(~np.isnan(after).any(axis=1))
        more = answers.also(after[rows], labels[rows], val[rows], metric)
        kept = more.fit(matrix, families, seed)
    return _selection(name, candidates, judge, kept), alone


def select_proven(
    task: Task,
    output_map: OutputMap | None,
    zs: tuple[Floats, Floats],
    raw: tuple[Scores, Scores],
    images: Ints,
    verdict: str,
    seed: int,
    joined: JoinedMap | None = None,
    metric: Metric = ACCURACY,
) -> Selection:
    """Keeps z with its map, or the identity, by the images of a sequential proof.

    What is proven is kept, what is proven worse is not. In between it is kept if loss and metric together speak for
    it, as in ``select``: the interval that is reported holds for it whether it is kept or not.

    Args:
        task: how unchanged images are decided.
        output_map: of z; fitted without the images of the proof.
        zs: the identity and z, ``(k,)`` each.
        raw: their scores ``(N, K)``; those of z ``(N, V * K)`` if there are V views.
        images: ``(N,)``, as indices into the pool.
        verdict: of the proof.
        seed: of the folds that temperatures are fitted on.
        joined: the map of several views, in place of that of z.
        metric: that was proven.
    """
    judge, matrix = _Judge.of(task.labels[images], metric), task.decoder.label_matrix
    before, after = (_class_probabilities(task, scores[:, : raw[0].shape[1]]) for scores in raw)
    unchanged = _calibrated(zs[0], before @ matrix, judge, seed)
    changed = _calibrated(zs[1], after @ matrix, judge, seed)
    name, kept = LAST_QUARTER, changed
    if (found := joined or output_map) is not None:
        # A search looks at hard images more often, so its map is too unsure: all are judged at a temperature of theirs.
        name, kept = BOTH, _calibrated(zs[1], task.decoder.with_map(found)(raw[1]), judge, seed)
    kept = replace(kept, output_map=output_map, penalty=float(task.penalty(zs[1][None])[0]))
    candidates = {name: kept, IDENTITY: unchanged}
    if name == BOTH:
        candidates[LAST_QUARTER] = changed
    if verdict != "improved" and (verdict == "worse" or not _beats(name, candidates, judge, MIN_PROVEN_GAIN)):
        name = IDENTITY
    return _selection(name, candidates, judge, candidates[name].output_map)


def cross_fitted_map(
    task: Task, raw: Scores, images: Ints, choice: MapChoice, seed: int, metric: Metric = ACCURACY
) -> Floats:
    """Probabilities ``(N, L)`` of images with raw scores ``(N, K)``, by maps that were fitted on the others of them."""
    before, judge = _class_probabilities(task, raw), _Judge.of(task.labels[images], metric)
    unmapped = OutputMap(task.decoder.label_matrix)
    return _cross_fitted(np.empty(0), before, judge, unmapped, FAMILIES[choice], seed).probabilities


def fit_search_map(
    task: Task,
    trajectory: Trajectory,
    z: Floats,
    choice: MapChoice,
    seed: int,
    further: MapImages | None = None,
    metric: Metric = ACCURACY,
) -> OutputMap:
    """The output map of ``z (k,)``, fitted on the scores of a finished search, and of further images under z, alone."""
    answers = _Answers.of(task, trajectory, z, metric)
    if further:
        rows = np.flatnonzero(task.decoder.has_score(further.scores))
        images = further.images[rows]
        answers = answers.also(
            task.decoder.class_probabilities(further.scores[rows]), task.labels[images], images, metric
        )
    return answers.fit(task.decoder.label_matrix, FAMILIES[choice], seed)


def _selection(name: str, candidates: dict[str, _Candidate], judge: _Judge, output_map: OutputMap | None) -> Selection:
    return Selection(
        name,
        candidates[name].z,
        {each: float(c.losses(judge).mean()) for each, c in candidates.items()},
        {each: float(c.measured.mean()) for each, c in candidates.items()},
        output_map,
    )


def _best(candidates: dict[str, _Candidate], judge: _Judge) -> str:
    best = next((name for name in (BOTH, LAST_QUARTER, MAP_ALONE) if _beats(name, candidates, judge)), IDENTITY)
    for simpler in (LAST_QUARTER, MAP_ALONE):
        # Only decisions count here: a map is calibrated, so its log loss is less by itself.
        if best != IDENTITY and _gains(candidates[simpler], candidates[best], judge)[1] > MIN_GAIN:
            best = simpler
    return best


def _gains(one: _Candidate, other: _Candidate, judge: _Judge) -> tuple[float, float]:
    """What ``one`` gains over ``other`` in loss and in metric, each in its standard errors."""
    losses = other.losses(judge) - one.losses(judge)
    return in_standard_errors(losses), in_standard_errors(one.measured - other.measured)


def _beats(name: str, candidates: dict[str, _Candidate], judge: _Judge, min_gain: float = MIN_GAIN) -> bool:
    """Whether a candidate is better than the identity, by more than ``min_gain`` if it is better than chance."""
    # One standard error more than ``select`` demands, as chance has three candidates here instead of one.
    # The model's own scores say whether it tells labels apart: a map has looked at the labels.
    own = [LAST_QUARTER] if name == LAST_QUARTER else [IDENTITY, LAST_QUARTER] if name == BOTH else [IDENTITY]
    scores = [np.nan_to_num(candidates[each].probabilities, nan=0.0) for each in own]
    least = min_gain if all(better_than_chance(p, judge.labels) for p in scores) else MIN_GAIN_AT_CHANCE + 1
    found = _gains(candidates[name], candidates[IDENTITY], judge)
    return sum(found) > least and min(found) >= -MAX_FALL


@dataclass(frozen=True, eq=False)
class _Answers:
    """Scores of the search, as an output map needs them."""

    probabilities: Floats
    """Of the model's classes ``(Q, K)``."""
    labels: Ints
    images: Ints
    weights: Floats

    @classmethod
    def of(cls, task: Task, trajectory: Trajectory, z: Floats, metric: Metric) -> _Answers:
        scored = trajectory.scored
        counts = [len(proposal.images) for proposal in scored]
        images = np.concatenate([proposal.images for proposal in scored])
        raw = np.concatenate([proposal.scores for proposal in scored])
        distances = np.repeat(trajectory.squared_distances(z), counts)
        close = float(np.quantile(distances[-max(1, len(distances) // 4) :], CLOSE_QUANTILE))
        weights = np.minimum(1.0, close / np.maximum(distances, 1e-12))
        # What has no score teaches a map nothing.
        rows = np.flatnonzero(task.decoder.has_score(raw))
        probabilities = task.decoder.class_probabilities(raw[rows])
        labels = task.labels[images[rows]]
        weights = weighed(weights[rows], metric.image_weights(labels))
        return cls(probabilities, labels, images[rows], weights)

    def also(self, probabilities: Floats, labels: Ints, images: Ints, metric: Metric) -> _Answers:
        """With the scores of further images under z."""
        return _Answers(
            np.concatenate([self.probabilities, probabilities]),
            np.concatenate([self.labels, labels]),
            np.concatenate([self.images, images]),
            np.concatenate([self.weights, weighed(np.ones(len(labels)), metric.image_weights(labels))]),
        )

    def fit(self, matrix: Floats, families: tuple[Family, ...], seed: int) -> OutputMap:
        return fit_output_map(
            self.probabilities,
            self.labels,
            matrix,
            weights=self.weights,
            groups=self.images,
            families=families,
            seed=seed,
        )


def _calibrated(z: Floats, probabilities: Floats, judge: _Judge, seed: int) -> _Candidate:
    """Without a map, at the temperature that other validation images suggest."""
    scored = np.flatnonzero(~np.isnan(probabilities).any(axis=1))
    folds = fold_numbers(len(probabilities), seed)
    used = np.ones(len(folds)) if judge.weights is None else judge.weights
    taught = np.where(folds == np.arange(int(folds.max()) + 1)[:, None], 0.0, used)[:, scored]
    found = _log_temperatures(probabilities[scored], judge.labels[scored], taught)
    tempered = _tempered(probabilities, found[folds][:, None])
    return _Candidate(z, None, tempered, judge.measured(probabilities))


def _cross_fitted(
    z: Floats, probabilities: Floats, judge: _Judge, alone: OutputMap, families: tuple[Family, ...], seed: int
) -> _Candidate:
    """The map of unchanged images, judged on images it was not fitted on."""
    folds, matrix = fold_numbers(len(probabilities), seed), alone.label_matrix
    seen = np.flatnonzero(~np.isnan(probabilities).any(axis=1))
    fitted = fit_output_maps(
        probabilities[seen],
        judge.labels[seen],
        matrix,
        [np.flatnonzero(folds[seen] != fold) for fold in range(int(folds.max()) + 1)],
        weights=judge.weights_of(seen),
        families=families,
        seed=seed,
    )
    mapped = np.empty((len(folds), matrix.shape[1]))
    for fold, each in enumerate(fitted):
        mapped[folds == fold] = each(probabilities[folds == fold])
    return _Candidate(z, alone, mapped, judge.measured(mapped))


def _class_probabilities(task: Task, raw: Scores) -> Floats:
    """Probabilities ``(N, K)`` of the model's classes; rows without a score are NaN."""
    found = task.decoder.class_probabilities(raw)
    found[~task.decoder.has_score(raw)] = np.nan
    return found


def _log_temperatures(probabilities: Floats, labels: Ints, weights: Floats) -> Floats:
    """The exponent's logarithm of greatest likelihood (Guo et al. 2017, arXiv 1706.04599, section 4.2).

    One for each row of ``weights (B, N)``: what each answer counts to it.
    """
    found = SoftmaxProblem(clipped_logs(probabilities), labels).fit(weights, Penalties(scale=SCALE_PENALTY))
    return np.clip(found.log_scale, *LOG_TEMPERATURES)


def _tempered(probabilities: Floats, log_scale: Floats) -> Floats:
    return np.asarray(np.exp(log_softmax(np.exp(log_scale) * clipped_logs(probabilities), axis=1)), np.float64)


def _log_losses(probabilities: Floats, labels: Ints) -> Floats:
    """An image without a score costs as much as a sure error."""
    return -clipped_logs(np.nan_to_num(probabilities, nan=0.0))[np.arange(len(labels)), labels]
