"""Output decoder: raw outputs of a target -> probabilities of the user's labels; infers what the numbers mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal

import numpy as np
from scipy.special import expit, log_softmax

from blackbox_dft._utils.types import Floats, Scores
from blackbox_dft.errors import InputError, MisfitError, TargetError
from blackbox_dft.objectives.output_map import OutputMap

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
    """Turns raw outputs ``(N, K)`` into probabilities of the user's labels ``(N, L)``.

    >>> labels = label_matrix(["other", "smile"], ["angry", "happy", "sad"], 3, parse_map(["smile=happy", "other=*"]))
    >>> OutputDecoder("percent", labels)(np.array([[25, 50, 25]], np.float32))
    array([[0.5, 0.5]])
    """

    kind: Kind
    """What the raw numbers are."""
    label_matrix: Floats
    """``(K, L)``: 1 if the model's class counts for the label, else 0."""
    output_map: OutputMap | None = None
    """Fitted on scores of this target; takes the place of ``label_matrix``."""

    @property
    def labels_only(self) -> bool:
        """Whether the target returns its decision and no scores."""
        return self.kind in ("one-hot", "index")

    def __call__(self, raw: Scores) -> Floats:
        """Probabilities ``(N, L)`` of the labels; rows sum to 1 unless some class belongs to no label.

        Raises:
            TargetError: an output is NaN or infinite, or a class index is out of range.
        """
        found = self.class_probabilities(raw)
        if self.output_map:
            return self.output_map(found)
        return np.asarray(found @ self.label_matrix, np.float64)

    def class_probabilities(self, raw: Scores) -> Floats:
        """Probabilities ``(N, K)`` of the model's own classes."""
        if not np.isfinite(raw).all():
            raise TargetError("the target returned NaN or infinite scores for changed images: check the model")
        return probabilities(raw, self.kind, len(self.label_matrix))

    def with_map(self, output_map: OutputMap | None) -> OutputDecoder:
        """The same decoder with another output map, or with none."""
        return replace(self, output_map=output_map)


def infer_kind(raw: Scores, classes: int | None = None) -> Kind:
    """Infers what raw outputs ``(N, K)`` are; ``classes`` is the number of the model's classes, if known.

    One column: whole numbers above one, or more than two classes, are indices; [0, 1] is a probability; else a logit.
    More columns: rows of one 1 and zeros are one-hot; rows in [0, 1] that sum to at most 1 (to rounding) are
    probabilities; rows that sum to 100 are percentages; others in [0, 1] are independent scores; the rest are logits.

    >>> infer_kind(np.array([[0.7, 0.3], [0.1, 0.9]], np.float32))
    'probabilities'
    >>> infer_kind(np.array([[3.0, -2.0], [0.5, 0.1]], np.float32))
    'logits'

    Raises:
        InputError: an output is NaN or infinite.
    """
    if not np.isfinite(raw).all():
        bad = int((~np.isfinite(raw)).any(axis=1).sum())
        raise InputError(
            f"the target returned NaN or infinite scores for {bad} of {len(raw)} images: "
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
    """Raw outputs ``(N, K)`` as probabilities of the model's classes ``(N, classes)``, float64, rows summing to 1.

    >>> probabilities(np.array([[0.2]], np.float32), "sigmoid", 2).round(3)
    array([[0.8, 0.2]])
    >>> probabilities(np.array([[0.6, 0.2, 0.0, 0.0]], np.float32), "probabilities", 4).round(3)
    array([[0.6, 0.2, 0.1, 0.1]])

    Raises:
        TargetError: a class index is out of range.
    """
    values = raw.astype(np.float64)
    if kind == "logits":
        return np.asarray(np.exp(log_softmax(values, axis=1)), np.float64)
    if kind == "index":
        index = values[:, 0].astype(int)
        if index.min() < 0 or index.max() >= classes:
            raise MisfitError(
                f"the target returned the class index {index.max()}, but {classes} classes are known: "
                "give --model-classes."
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
    """Number of the model's classes, given raw outputs ``(N, K)`` and the class names, if known.

    >>> class_count(np.array([[2.0], [0.0]], np.float32), "index", None)
    3
    """
    if kind in ("sigmoid", "logit"):
        return 2
    if kind == "index":
        return len(classes) if classes else int(raw.max()) + 1
    return int(raw.shape[1])


def parse_map(options: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Parses the values of ``--map`` into the model's classes for each label.

    >>> parse_map(["smile=happy,surprised", "nonsmile=*"])
    {'smile': ('happy', 'surprised'), 'nonsmile': ('*',)}

    Raises:
        InputError: not ``LABEL=CLASS[,CLASS...]``, or a label twice.
    """
    table: dict[str, tuple[str, ...]] = {}
    for option in options:
        label, equals, classes = option.partition("=")
        if not equals or not label or not all(classes.split(",")):
            raise InputError(f"--map {option!r} cannot be read: write --map LABEL=CLASS[,CLASS...] or --map LABEL=*.")
        if label in table:
            raise InputError(f"--map gives the label {label!r} twice: give all its classes at once, {label}=a,b.")
        table[label] = tuple(classes.split(","))
    return table


def label_matrix(
    labels: Sequence[str], classes: Sequence[str] | None, count: int, table: Mapping[str, Sequence[str]]
) -> Floats:
    """The matrix ``(count, L)`` that says which of the model's classes counts for which label.

    Without a map, labels are looked up among the class names (ignoring case); labels that are whole numbers may also be
    class indices. ``*`` stands for all classes that no other label has.

    >>> label_matrix(["nonsmile", "smile"], ["angry", "happy", "sad"], 3, {"smile": ["happy"], "nonsmile": ["*"]})
    array([[1., 0.],
           [0., 1.],
           [1., 0.]])

    Args:
        labels: the user's labels, L of them.
        classes: names of the model's classes, if known.
        count: number of the model's classes.
        table: classes for each label, as from ``parse_map``; empty if there is no map.

    Raises:
        InputError: a label that no class maps to, a class that does not exist or is used twice.
    """
    names = list(classes) if classes else [str(i) for i in range(count)]
    if len(names) != count:
        raise InputError(
            f"the target returns {count} scores, but {len(names)} class names are given: "
            "give --model-classes with one name for each score."
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
                    f"give the classes that stand for it, --map {label}=CLASS[,CLASS...]."
                )
        return matrix
    if unknown := [label for label in table if label not in labels]:
        raise InputError(f"--map names the label {unknown[0]!r}, but the data has {', '.join(labels)}.")
    for column, label in enumerate(labels):
        if label not in table:
            raise InputError(f"--map has no entry for the label {label!r}: add --map '{label}=*' or its classes.")
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
            raise InputError(f"--map leaves no class for the label {label!r}: give one, --map {label}=CLASS.")
    return matrix
