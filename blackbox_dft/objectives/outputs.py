"""Reading raw answers: what the numbers of a target mean, and how its classes become the user's labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

import numpy as np
from scipy.special import expit, log_softmax

from blackbox_dft._utils.types import Floats, Scores
from blackbox_dft.errors import InputError, TargetError

Kind = Literal["probabilities", "percent", "relative", "logits", "sigmoid", "logit", "one-hot", "index"]

MEANING: dict[Kind, str] = {
    "probabilities": "probabilities (missing mass, of classes not returned, is shared evenly among the zero ones)",
    "percent": "percentages that sum to 100",
    "relative": "independent scores in [0, 1], divided by their sum",
    "logits": "logits: softmax is applied",
    "sigmoid": "one probability, of the second class",
    "logit": "one logit, of the second class: a sigmoid is applied",
    "one-hot": "labels only (one-hot)",
    "index": "labels only (class index)",
}


@dataclass(frozen=True, eq=False)
class OutputDecoder:
    """How raw answers ``(N, K)`` become probabilities of the user's labels ``(N, L)``."""

    kind: Kind
    members: Floats
    """``(K, L)``: 1 where the model's class counts for the label."""

    @property
    def labels_only(self) -> bool:
        """Whether the target tells its decision and nothing else."""
        return self.kind in ("one-hot", "index")

    def __call__(self, raw: Scores) -> Floats:
        """Probabilities ``(N, L)`` of the labels; rows sum to 1 unless some class belongs to no label."""
        if not np.isfinite(raw).all():
            raise TargetError("the target answered NaN or infinite scores for changed images: check the model")
        return np.asarray(probabilities(raw, self.kind, len(self.members)) @ self.members, np.float64)


def infer_kind(raw: Scores, classes: int | None = None) -> Kind:
    """What scores ``(N, K)`` look like; ``classes`` is the known number of classes, if any.

    One column: whole numbers above one, or more than two classes, are indices; [0, 1] is a probability; else a logit.
    More columns: rows of one 1 and zeros are one-hot; rows in [0, 1] that sum to at most 1 (to rounding) are
    probabilities; rows that sum to 100 are percentages; others in [0, 1] are independent scores; the rest are logits.
    """
    if not np.isfinite(raw).all():
        bad = int((~np.isfinite(raw)).any(axis=1).sum())
        raise InputError(
            f"{bad} of {len(raw)} answers hold NaN or infinite scores, which cannot be read: "
            "check the model, and --range, --mean and --std."
        )
    low, high, sums = raw.min(), raw.max(), raw.sum(axis=1)
    if raw.shape[1] == 1:
        whole = bool((raw == np.rint(raw)).all() and low >= 0)
        if whole and (high > 1 or (classes or 0) > 2 or len(raw) > 1):
            return "index"
        return "sigmoid" if low >= 0 and high <= 1 else "logit"
    # One rounding step of a score printed with two digits, for each class.
    slack = 0.005 * raw.shape[1] + 1e-3
    if low >= 0 and high <= 1 and len(raw) > 1 and bool(((raw == 0) | (raw == 1)).all() and (sums == 1).all()):
        return "one-hot"
    if low >= -1e-4 and high <= 1 + 1e-4:
        return "probabilities" if bool((sums <= 1 + slack).all() and sums.max() > 0.2) else "relative"
    if low >= 0 and high <= 100.5 and bool((np.abs(sums - 100) <= 100 * slack).all()):
        return "percent"
    return "logits"


def probabilities(raw: Scores, kind: Kind, classes: int) -> Floats:
    """Raw answers as probabilities of the model's classes ``(N, classes)``, float64, rows summing to 1."""
    values = raw.astype(np.float64)
    if kind == "logits":
        return np.asarray(np.exp(log_softmax(values, axis=1)), np.float64)
    if kind == "index":
        index = values[:, 0].astype(int)
        if index.min() < 0 or index.max() >= classes:
            raise TargetError(
                f"the target answered class index {index.max()}, but {classes} classes are known: give --model-classes."
            )
        return np.asarray(np.eye(classes)[index], np.float64)
    if kind in ("sigmoid", "logit"):
        second = expit(values) if kind == "logit" else values
        return np.hstack([1 - second, second])
    if kind == "percent":
        values = values / 100
    values = np.clip(values, 0, None)
    if kind in ("probabilities", "percent"):
        zero = values <= 0
        missing = np.clip(1 - values.sum(axis=1, keepdims=True), 0, None)
        values = values + np.where(zero, missing / np.maximum(zero.sum(axis=1, keepdims=True), 1), 0)
    total = values.sum(axis=1, keepdims=True)
    return np.where(total > 0, values / np.where(total > 0, total, 1), 1 / values.shape[1])


def class_count(raw: Scores, kind: Kind, classes: Sequence[str] | None) -> int:
    """How many classes the model tells apart."""
    if kind in ("sigmoid", "logit"):
        return 2
    if kind == "index":
        return len(classes) if classes else int(raw.max()) + 1
    return int(raw.shape[1])


def parse_map(options: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """``("smile=happy", "nonsmile=*")`` to a table of label to model classes."""
    table: dict[str, tuple[str, ...]] = {}
    for option in options:
        label, equals, classes = option.partition("=")
        if not equals or not label or not all(classes.split(",")):
            raise InputError(f"--map {option!r} cannot be read: write --map LABEL=CLASS[,CLASS...] or --map LABEL=*.")
        if label in table:
            raise InputError(f"--map names the label {label!r} twice: write its classes in one, {label}=a,b.")
        table[label] = tuple(classes.split(","))
    return table


def members(
    labels: Sequence[str], classes: Sequence[str] | None, count: int, table: Mapping[str, Sequence[str]]
) -> Floats:
    """The matrix ``(count, L)`` of which model class counts for which label.

    Without a map, labels are found among the class names (ignoring case); failing that, labels that are whole numbers
    are class indices. ``*`` takes all classes no other label names.

    Raises:
        InputError: a label that no class maps to, a class that does not exist or is used twice.
    """
    names = list(classes) if classes else [str(i) for i in range(count)]
    if len(names) != count:
        raise InputError(
            f"the target answers {count} scores but {len(names)} class names are given: "
            "give --model-classes with one name a score."
        )
    matrix = np.zeros((count, len(labels)))
    if not table:
        folded = [n.casefold() for n in names]
        for column, label in enumerate(labels):
            if label.casefold() in folded:
                matrix[folded.index(label.casefold()), column] = 1
            elif label.isdigit() and int(label) < count and all(x.isdigit() for x in labels):
                matrix[int(label), column] = 1
            else:
                raise InputError(
                    f"no class of the target is called {label!r} (it has {', '.join(names)}): "
                    f"say which ones count, --map {label}=CLASS[,CLASS...]."
                )
        return matrix
    if unknown := [label for label in table if label not in labels]:
        raise InputError(f"--map names the label {unknown[0]!r}, but the data has {', '.join(labels)}.")
    for column, label in enumerate(labels):
        if label not in table:
            raise InputError(f"--map says nothing of the label {label!r}: add --map '{label}=*' or its classes.")
        for name in table[label]:
            if name == "*":
                continue
            if name not in names:
                near = get_close_matches(name, names, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names)}."
                raise InputError(f"--map {label}={name}: the target has no class {name!r}: {hint}")
            if matrix[names.index(name)].any():
                raise InputError(f"--map uses the class {name!r} twice: each class counts for one label.")
            matrix[names.index(name), column] = 1
    rest = [column for column, label in enumerate(labels) if "*" in table[label]]
    if len(rest) > 1:
        raise InputError("--map gives '*' to two labels: only one can take all other classes.")
    if rest:
        matrix[matrix.sum(axis=1) == 0, rest[0]] = 1
    for column, label in enumerate(labels):
        if not matrix[:, column].any():
            raise InputError(f"--map leaves no class for the label {label!r}: name one, --map {label}=CLASS.")
    return matrix
