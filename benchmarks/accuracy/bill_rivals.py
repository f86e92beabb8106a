"""What changes no image, for the same bill: the free threshold, the map alone, a local model with or without scores.

They learn from unchanged images whose scores are paid for, as many as a run of that bill has for its search and its
choice. The gain is shown as a run shows it: image by image until it is decided, or on all test images; one query an
image, as the black box sees it once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks import rivals
from blackbox_dft._utils.types import Bools, Floats, Ints, Scores
from blackbox_dft.evaluation.paired import bootstrap
from blackbox_dft.evaluation.proof import Proof, draw_order
from blackbox_dft.evaluation.threshold import MIN_PROBABILITY, fit_threshold
from blackbox_dft.objectives.losses import decide
from blackbox_dft.objectives.output_map import fit_output_map
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.proving import FUTILE_POINTS, STEP, STEP_SHARE
from blackbox_dft.run.summary import verdict
from blackbox_dft.search.mapped_selection import FAMILIES
from blackbox_dft.search.minibatches import StratifiedSampler


@dataclass(frozen=True, eq=False)
class Material:
    """A task, its labelled images and the scores that may be paid for."""

    task: str
    here: Experiment
    """The run whose plan says how many queries there are for what."""
    raw: Scores
    """Of all images, unchanged ``(N, K)``."""
    test: Ints
    """The whole test split."""
    seed: int

    @property
    def labels(self) -> Ints:
        """Of all images."""
        return self.here.data.labels

    def paid(self, *splits: str) -> Ints:
        """Images of these splits whose scores are paid for, to learn from."""
        plan, data = self.here.plan, self.here.data
        found = np.empty(0, np.int64)
        for split in splits:
            images = data.splits[split]
            room = min(plan.tune + plan.select - len(found), len(images))
            found = np.concatenate([found, StratifiedSampler(images, data.labels, self.seed)(max(0, room))])
        return found

    def probabilities(self) -> Floats:
        """Of the labels ``(N, L)``."""
        return self.here.decoder(self.raw)(self.raw)


@dataclass(frozen=True)
class Found:
    """What a rival reaches."""

    accuracy: float
    """On the whole test split."""
    learned: int
    """Queries that it learned from."""
    queries: int
    """All of them."""
    verdict: str
    about: str = ""


Decisions = tuple[Ints, int, str]
"""Labels ``(N,)`` that are decided for all images, queries learned from, and what the rival is."""


def measure(name: str, material: Material) -> Found:
    """A rival by its name."""
    decided, learned, about = RIVALS[name](material)
    labels, data, plan = material.labels, material.here.data, material.here.plan
    right, before = decided == labels, decide(material.probabilities()) == labels
    test = data.splits["test"]
    if plan.sequential:
        draws = [test[draw] for draw in draw_order(data.groups_of(test), len(test), material.seed)]
        said, images = prove(before, right, draws, plan.evaluate)
    else:
        gains = right[test].astype(float) - before[test]
        said, images = verdict(bootstrap(gains, data.groups_of(test))), len(test)
    return Found(float(right[material.test].mean()), learned, learned + images, said, about)


def prove(before: Bools, after: Bools, draws: list[Ints], most: int) -> tuple[str, int]:
    """The verdict of a sequential proof by what is right before and after ``(N,)``, and the images it took.

    >>> draws = [np.array([image]) for image in range(100)]
    >>> prove(np.zeros(100, bool), np.ones(100, bool), draws, 50)
    ('improved', 16)
    """
    proof, taken, images = Proof(), 0, 0
    while taken < len(draws) and proof.decided_at is None and proof.plausible(FUTILE_POINTS / 100):
        step = draws[taken : taken + max(STEP, int(STEP_SHARE * taken))]
        while step and images + sum(map(len, step)) > most:
            step = step[:-1]
        if not step:
            break
        proof.add(float((after[draw].astype(float) - before[draw]).mean()) for draw in step)
        taken, images = taken + len(step), images + sum(map(len, step))
    return proof.verdict, images


def threshold(material: Material) -> Decisions:
    """One bias a label."""
    paid, probabilities = material.paid("train", "val"), material.probabilities()
    fitted = fit_threshold(probabilities[paid], material.labels[paid])
    return decide(fitted(probabilities)), len(paid), ""


def map_alone(material: Material) -> Decisions:
    """The output map of unchanged images."""
    paid, decoder = material.paid("train", "val"), material.here.decoder(material.raw)
    probabilities = decoder.class_probabilities(material.raw)
    fitted = fit_output_map(
        probabilities[paid],
        material.labels[paid],
        decoder.label_matrix,
        families=FAMILIES["auto"],
        seed=material.seed,
    )
    return decide(fitted(probabilities)), len(paid), fitted.family


def local_alone(material: Material) -> Decisions:
    """A local model; no query but those that show what the black box does."""
    name, values, _ = rivals.trained(material.task, material.here.data)
    decided = values.argmax(axis=1) if values.ndim == 2 else (values > 0).astype(np.int64)
    return decided, 0, name


def stacked(material: Material) -> Decisions:
    """Logistic regression on both: log probabilities of the black box, and values of the local model."""
    from sklearn.linear_model import LogisticRegression

    train = material.here.data.splits["train"]
    name, values, unseen = rivals.trained(material.task, material.here.data)
    paid = material.paid("train")
    place = {image: number for number, image in enumerate(train.tolist())}
    fresh = unseen[[place[image] for image in paid.tolist()]]
    logs = np.log(np.clip(material.probabilities(), MIN_PROBABILITY**0.5, 1))
    logs = logs[:, 1:] - logs[:, :1]
    rows = len(material.labels)
    columns = np.column_stack([logs, values.reshape(rows, -1) / fresh.std()])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = LogisticRegression(max_iter=1000).fit(
            np.column_stack([logs[paid], fresh.reshape(len(paid), -1) / fresh.std()]), material.labels[paid]
        )
    return np.asarray(fitted.predict(columns), np.int64), len(paid), name


RIVALS: dict[str, Callable[[Material], Decisions]] = {
    "map alone": map_alone,
    "free threshold": threshold,
    "local model alone": local_alone,
    "local model + paid scores": stacked,
}
