"""The alternative with the same labelled images: train a local model, and do not change the images.

Small models of scikit-learn on the training images: PCA of grey pixels with a support vector machine, and histograms of
oriented gradients with logistic regression; val chooses. Alone it takes no query. Stacked, the log-odds of the black
box on unchanged images (paid for, one query each, as many training images as the budget allows) and those of the local
model, made by cross-validation so that it was not trained on the image, go into an affine map to the
label: what AReS (arXiv 2604.01474) and CraFT (arXiv 2402.04050) come down to.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import cv2
import numpy as np

from benchmarks.tasks import RunResult, opened, unchanged
from blackbox_dft._utils.types import Array, Floats, ImageBytes, Ints
from blackbox_dft.data.dataset import Dataset
from blackbox_dft.evaluation.threshold import fit_threshold
from blackbox_dft.objectives.losses import decide
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.search.minibatches import StratifiedSampler

ALONE = "local model, no black box"
STACKED = "local model + paid scores"
SIDE = 48
"""Pixels of an image's side that local models see."""
CELL = 8
BINS = 9
FLOOR = 1e-4


def grey(images: ImageBytes) -> ImageBytes:
    """Small grey images ``(N, SIDE, SIDE)``."""
    return np.array(
        [
            cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
            for image in images
        ]
    )


def gradients(images: ImageBytes) -> Floats:
    """Histograms of oriented gradients (Dalal and Triggs 2005): cells of ``CELL`` pixels, blocks of 2 x 2 cells."""
    features = []
    for image in np.asarray(images, np.float32):
        dx, dy = cv2.Sobel(image, cv2.CV_32F, 1, 0, ksize=1), cv2.Sobel(image, cv2.CV_32F, 0, 1, ksize=1)
        bins = (np.mod(np.arctan2(dy, dx), np.pi) / np.pi * BINS).astype(int) % BINS
        planes = np.eye(BINS, dtype=np.float32)[bins] * np.hypot(dx, dy)[..., None]
        count = SIDE // CELL
        cells = planes.reshape(count, CELL, count, CELL, BINS).sum(axis=(1, 3))
        blocks = np.concatenate([cells[y : count - 1 + y, x : count - 1 + x] for y in (0, 1) for x in (0, 1)], axis=2)
        features.append((blocks / (np.linalg.norm(blocks, axis=2, keepdims=True) + 1)).ravel())
    return np.array(features, np.float64)


COMPONENTS = 80
"""Of the PCA; fewer if there are fewer training images."""


def models(images: int = 10**9) -> dict[str, tuple[Callable[[ImageBytes], Array], Any]]:
    """What val chooses among, for so many training images: features of grey images, and an estimator on them."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    def flat(images: ImageBytes) -> Array:
        return images.reshape(len(images), -1) / 255.0

    found: dict[str, tuple[Callable[[ImageBytes], Array], Any]] = {}
    components = min(COMPONENTS, images // 2)
    for c in (1, 10):
        machine = SVC(C=c, gamma="scale", random_state=0)
        found[f"pca+svc C={c}"] = (flat, make_pipeline(PCA(components, whiten=True, random_state=0), machine))
        found[f"hog+svc C={c}"] = (gradients, make_pipeline(StandardScaler(), SVC(C=c, random_state=0)))
    for c in (0.001, 0.01):
        found[f"hog+logistic C={c}"] = (
            gradients,
            make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=2000)),
        )
    return found


@cache
def local(task: str) -> tuple[str, Floats, Floats]:
    """The model that val chose: its name, its decision values on all images, and those on train of models that had not
    seen the image.
    """
    return trained(task, opened(task).data)


_trained: dict[tuple[str, bytes], tuple[str, Floats, Floats]] = {}
_features: dict[tuple[str, str], Array] = {}


def trained(task: str, data: Dataset) -> tuple[str, Floats, Floats]:
    """``local`` for any splits of the task's images; each is trained once."""
    key = task, data.splits["train"].tobytes() + data.splits["val"].tobytes()
    if key not in _trained:
        _trained[key] = _train(task, data)
    return _trained[key]


def _train(task: str, data: Dataset) -> tuple[str, Floats, Floats]:
    from sklearn.model_selection import cross_val_predict

    train, val = data.splits["train"], data.splits["val"]
    scored = {}
    for name, (features, model) in models(len(train)).items():
        if (task, features.__name__) not in _features:
            _features[task, features.__name__] = features(grey(data.images))
        x = _features[task, features.__name__]
        model.fit(x[train], data.labels[train])
        scored[name] = (float(model.score(x[val], data.labels[val])), x, model)
    best = max(scored, key=lambda name: scored[name][0])
    _, x, model = scored[best]
    values = np.asarray(model.decision_function(x), np.float64)
    unseen = cross_val_predict(model, x[train], data.labels[train], cv=5, method="decision_function")
    return best, values, np.asarray(unseen, np.float64)


@cache
def paid(task: str) -> Floats:
    """The black box's probabilities of the labels ``(N, 2)`` for all images, unchanged."""
    here = opened(task)
    data, identity = here.data, here.space.initial()
    with Ledger(unchanged(task), budget=2**62) as ledger:
        scorer = here.scorer(ledger)
        raw = scorer.score("select", np.arange(len(data.labels)), identity)
        scorer.close()
    return here.decoder(raw)(raw)


def odds(probabilities: Floats) -> Floats:
    """Log-odds ``(N,)`` of the second label."""
    logs = np.log(np.clip(probabilities, FLOOR, 1))
    return np.asarray(logs[:, 1] - logs[:, 0])


def measure(task: str, method: str, seed: int, limits: Sequence[int]) -> list[RunResult]:
    """Test accuracy of a rival with so many queries, as rows beside those of tunings."""
    data = opened(task).data
    labels, test, val = data.labels, data.splits["test"], data.splits["val"]
    answers = paid(task)
    name, values, unseen = local(task)
    before = float(np.mean(decide(answers[test]) == labels[test]))
    shifted = fit_threshold(answers[val], labels[val])(answers[test])
    threshold = float(np.mean(decide(shifted) == labels[test]))
    outcomes = []
    for limit in limits:
        if method == ALONE:
            right = float(np.mean((values[test] > 0) == labels[test]))
        else:
            right = stacked(data.splits["train"], test, labels, odds(answers), values, unseen, seed, limit)
        outcomes.append(RunResult(limit, right, before, threshold, len(test), name, float("nan"), float("nan")))
    return outcomes


def stacked(
    train: Ints, test: Ints, labels: Ints, scores: Floats, values: Floats, unseen: Floats, seed: int, limit: int
) -> float:
    """Test accuracy of logistic regression on both models' log-odds, fitted on ``limit`` training images at most."""
    from sklearn.linear_model import LogisticRegression

    chosen = StratifiedSampler(train, labels, seed)(min(limit, len(train)))
    place = {image: number for number, image in enumerate(train.tolist())}
    fresh = unseen[[place[image] for image in chosen.tolist()]]
    spread = fresh.std()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = LogisticRegression().fit(np.column_stack([scores[chosen], fresh / spread]), labels[chosen])
    return float(fitted.score(np.column_stack([scores[test], values[test] / spread]), labels[test]))
