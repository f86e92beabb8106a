"""Choice of views: further changes under which each image is scored at use, and the map that joins their outputs.

Candidates are the image mirrored, wider or shifted, each with the learned z. They race on a few training images (all of
them, then the better half on more); the best one is then scored on still more and kept, unless the joined map clearly
has no less cross-validated log loss with it than without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from blackbox_dft._utils.folds import fold_numbers
from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.evaluation.metric import ACCURACY, Metric
from blackbox_dft.objectives.joined_map import JoinedMap, fit_joined_map
from blackbox_dft.objectives.output_map import Family, OutputMap, clipped_logs
from blackbox_dft.search.loop import Task
from blackbox_dft.search.mapped_selection import FAMILIES, MapChoice
from blackbox_dft.search.minibatches import StratifiedSampler
from blackbox_dft.search.selection import better_than_chance, weighed
from blackbox_dft.spaces.viewed import Viewed

PLAIN = "plain"
"""The first view: z alone."""
CANDIDATES = {
    "mirrored": (True, 0.0, 0.0),
    "wider": (False, -2.0, 0.0),
    "mirrored and wider": (True, -1.0, 0.0),
    "higher": (False, 0.0, -0.6),
}
"""Mirrored or not, and in the steps of ``affine`` zoom, 10 % each, and shift down, 5 % of the image each."""
MIN_GAIN, DOUBT = 0.001, 1.0
"""Least gain in log loss of a further view, and standard errors in its favour: the user asked for it, and on a hundred
images a view that helps often seems not to."""
LAST_ROUND = 2
"""Images of the last round, at most, for each of a round before."""
SAMPLE = 1
"""Added to the run's seed, so that the images are not those that the search drew first."""


@dataclass(frozen=True, eq=False)
class ViewChoice:
    """Views that are kept, the plain one first, and the map from their outputs to the labels."""

    names: tuple[str, ...]
    """``plain``, and what the others are: ``mirrored``, ``wider`` ..."""
    sent: tuple[Floats, ...]
    """What ``score_views`` takes, V of them: ``(k,)``, or ``(5 + k,)`` of an image mirrored or moved first."""
    output_map: OutputMap | JoinedMap | None
    rows: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    """The views in the space ``Viewed``, ``(V, 5 + k)``; empty if there is one."""

    @classmethod
    def single(cls, z: Floats, output_map: OutputMap | None) -> ViewChoice:
        """Nothing but ``z (k,)``."""
        return cls((PLAIN,), (z,), output_map)


def _second(most: int) -> int:
    """Candidates of the second round: the better half, or as many as may be kept."""
    return max(len(CANDIDATES) // 2, most - 1)


def view_queries(images: int, most: int) -> int:
    """The most queries that ``choose_views`` sends.

    >>> view_queries(24, 2)
    288
    """
    per_image = (1 + len(CANDIDATES)) + (1 + _second(most)) + LAST_ROUND * most
    return images * per_image if most > 1 else 0


def choose_views(
    task: Task,
    space: Viewed,
    train: Ints,
    z: Floats,
    output_map: OutputMap | None,
    choice: MapChoice,
    *,
    images: int,
    most: int,
    seed: int,
    last: Ints | None = None,
    metric: Metric = ACCURACY,
) -> ViewChoice:
    """Adds up to ``most - 1`` views to the z that is kept; all queries are of the phase ``views``.

    None is added if the model's own scores under z do not tell the labels apart.

    Args:
        task: scorer and decoder, without a map; losses are not used.
        space: of the views.
        train: training images ``(N,)``, as indices into the pool.
        z: that is kept, ``(k,)``.
        output_map: of its scores, if one is kept.
        choice: families that the joint map may be of.
        images: training images in each of two rounds; fewer if there are not as many.
        most: views, the first one included.
        seed: of the draws and folds.
        last: images of the last round, such as validation images on which z is scored already; further training images
            by default.
        metric: whose weights of errors the losses take.
    """
    single = ViewChoice.single(z, output_map)
    if most == 1:
        return single
    rows = {PLAIN: space.view(z)}
    rows |= {
        name: space.view(z, mirror=mirror, move=np.array([zoom, 0, down, 0]))
        for name, (mirror, zoom, down) in CANDIDATES.items()
    }
    draw, rounds = StratifiedSampler(train, task.labels, seed + SAMPLE), min(2 * images, len(train))
    sample = draw(rounds)
    if last is None:
        last = draw(min(LAST_ROUND * images, len(train) - rounds))
    each = output_map or OutputMap(task.decoder.label_matrix)
    race = _Race(task, np.concatenate([sample, last[: LAST_ROUND * images]]), each, FAMILIES[choice], seed, metric)
    sent = {name: space.shortest(row) for name, row in rows.items()}

    left = list(CANDIDATES)
    for count in (images, 2 * images):
        race.score([PLAIN], sent, min(count, rounds))
        race.score(left, sent, min(count, rounds))
        left = race.ranked([PLAIN], left)[: _second(most)]
    if not race.better_than_chance():
        # To join what has nothing to do with the labels only adds noise.
        return single
    race.score([PLAIN], sent)
    names = [PLAIN]
    while left and len(names) < most:
        best = race.ranked(names, left)[0]
        left.remove(best)
        race.score([best], sent)
        # Against the first view once more: two that are the same are no gain, though their map is shrunk less.
        gains = race.losses([*names, PLAIN]) - race.losses([*names, best])
        if gains.mean() + DOUBT * gains.std() / np.sqrt(len(gains)) <= MIN_GAIN:
            break
        names.append(best)
    if len(names) == 1:
        return single
    chosen = np.stack([rows[name] for name in names])
    return ViewChoice(tuple(names), tuple(sent[name] for name in names), race.joined(names), chosen)


@dataclass(frozen=True, eq=False)
class _Race:
    """Outputs of the views tried, each on the first of the same images."""

    task: Task
    images: Ints
    each: OutputMap
    families: tuple[Family, ...]
    seed: int
    metric: Metric
    outputs: dict[str, Floats] = field(default_factory=dict)
    """Of each view, probabilities ``(n, K)`` of the model's classes; NaN without a score."""

    def score(self, names: Sequence[str], views: Mapping[str, Floats], count: int | None = None) -> None:
        """Scores the first ``count`` images, or all, under views that were scored on as many before, all at once."""
        decoder = self.task.decoder
        before = [self.outputs.get(name, np.zeros((0, len(decoder.label_matrix)))) for name in names]
        images = self.images[len(before[0]) : count] if before else self.images[:0]
        if not len(images):
            return
        scores = self.task.scorer.score_under("views", images, [views[name] for name in names])
        for name, known, raw in zip(names, before, scores, strict=True):
            found = decoder.class_probabilities(raw)
            found[~decoder.has_score(raw)] = np.nan
            self.outputs[name] = np.concatenate([known, found])

    def better_than_chance(self) -> bool:
        """Whether the model's own scores under z tell the labels apart."""
        own = self.outputs[PLAIN] @ self.each.label_matrix
        return better_than_chance(own, self.task.labels[self.images[: len(own)]])

    def ranked(self, names: Sequence[str], others: Sequence[str]) -> list[str]:
        """``others`` by the log loss of the mean with ``names``, the least first, without a fit."""
        count = min(len(self.outputs[name]) for name in (*names, *others))

        def loss(other: str) -> float:
            matrix = np.tile(np.eye(self.each.label_matrix.shape[1]), (len(names) + 1, 1))
            mean = JoinedMap(self.each, OutputMap(matrix))
            return float(self._losses(mean, self._stacked([*names, other])[:count]).mean())

        return sorted(others, key=loss)

    def losses(self, names: Sequence[str]) -> Floats:
        """Cross-validated log losses ``(N,)`` of the joined map of views that are scored on all images."""
        outputs = self._stacked(names)
        folds = fold_numbers(len(outputs), self.seed)
        found = np.empty(len(outputs))
        for fold in np.unique(folds):
            held = np.flatnonzero(folds == fold)
            found[held] = self._losses(self._fitted(names, np.flatnonzero(folds != fold)), outputs[held], held)
        return found

    def joined(self, names: Sequence[str]) -> JoinedMap:
        """The joined map, fitted to all images."""
        return self._fitted(names, np.arange(len(self.images)))

    def _fitted(self, names: Sequence[str], rows: Ints) -> JoinedMap:
        outputs = self._stacked(names)
        used = rows[~np.isnan(outputs[rows]).all(axis=1)]
        labels = self.task.labels[self.images[used]]
        return fit_joined_map(
            self.each,
            outputs[used],
            labels,
            len(names),
            families=self.families,
            seed=self.seed,
            weights=self.metric.image_weights(labels),
        )

    def _stacked(self, names: Sequence[str]) -> Floats:
        count = min(len(self.outputs[name]) for name in names)
        return np.hstack([self.outputs[name][:count] for name in names])

    def _losses(self, joined: JoinedMap, outputs: Floats, rows: Ints | None = None) -> Floats:
        """Log losses ``(N,)`` of ``rows`` of the images, or the first N; without a score, that of a sure error."""
        labels = self.task.labels[self.images[: len(outputs)] if rows is None else self.images[rows]]
        logs = clipped_logs(np.nan_to_num(joined(outputs), nan=0.0))
        return weighed(-logs[np.arange(len(labels)), labels], self.metric.image_weights(labels))
