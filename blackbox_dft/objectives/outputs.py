"""Output decoder: raw outputs of a target -> probabilities of the user's labels; infers what the numbers mean."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax

from blackbox_dft._utils.text import looks_missing, shortened
from blackbox_dft._utils.types import Bools, Floats, Scores
from blackbox_dft.errors import InputError
from blackbox_dft.objectives.heads import Head, split_heads
from blackbox_dft.objectives.joined_map import JoinedMap
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
LABELS_ONLY: tuple[Kind, ...] = ("one-hot", "index")
"""Kinds of a target that returns its decision and no scores."""


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
    """``(K, L)``: 1 if the model's class counts for the label, else 0; rows of zeros for the features of ``heads``."""
    output_map: OutputMap | JoinedMap | None = None
    """Fitted on scores of this target; takes the place of ``label_matrix``. A joined map of V views takes raw outputs
    ``(N, V * K)``."""
    heads: tuple[Head, ...] = ()
    """Further outputs, in the last columns of the raw ones; only an output map reads them."""

    @property
    def views(self) -> int:
        """Scores that an image has."""
        return self.output_map.views if isinstance(self.output_map, JoinedMap) else 1

    @property
    def labels_only(self) -> bool:
        """Whether the target returns its decision and no scores."""
        return self.kind in LABELS_ONLY

    def __call__(self, raw: Scores) -> Floats:
        """Probabilities ``(N, L)`` of the labels, rows summing to 1 unless some class belongs to no label.

        The row of an image without a score is NaN: ``decide`` gives no label for it, and ``losses`` the highest loss.
        """
        each = raw if self.views == 1 else raw.reshape(-1, raw.shape[1] // self.views)
        classes = self.class_probabilities(each)
        if self.views > 1:
            classes[~self._each_has_score(each)] = np.nan
            classes = classes.reshape(len(raw), self.views * classes.shape[1])
        found = self.output_map(classes) if self.output_map else classes @ self.label_matrix
        scored = self.has_score(raw)
        if not scored.all():
            found[~scored] = np.nan
        return np.asarray(found, np.float64)

    def class_probabilities(self, raw: Scores) -> Floats:
        """Probabilities ``(N, K)`` of the model's own classes, and the features of further outputs.

        They are of no meaning in rows without a score.
        """
        own, others = self._split(raw)
        found = probabilities(own, self.kind, self.own_classes)
        if not self.heads:
            return found
        return np.hstack([found, *(head(values) for head, values in zip(self.heads, others, strict=True))])

    @property
    def own_classes(self) -> int:
        """Number of the model's classes: the rows of ``label_matrix`` without the features of ``heads``."""
        return len(self.label_matrix) - sum(head.columns for head in self.heads)

    def own_scores(self, raw: Scores) -> Scores:
        """Those of raw outputs ``(N, V * K)`` that are about the model's classes, without those of ``heads``."""
        own = [self._split(view)[0] for view in np.split(raw, self.views, axis=1)]
        return own[0] if len(own) == 1 else np.hstack(own)

    def _split(self, raw: Scores) -> tuple[Scores, list[Scores]]:
        return split_heads(raw, tuple(head.width for head in self.heads)) if self.heads else (raw, [])

    def with_map(self, output_map: OutputMap | JoinedMap | None) -> OutputDecoder:
        """The same decoder with another output map, or with none."""
        return replace(self, output_map=output_map)

    def has_score(self, raw: Scores) -> Bools:
        """Which rows of raw outputs ``(N, K)`` say anything about the labels, ``(N,)``.

        Rows that do not: an output is NaN or infinite, nothing was returned (all outputs are zero), or all that was
        returned are classes that count for no label. Of several views, one that does is enough.

        >>> OutputDecoder("probabilities", np.eye(2)).has_score(np.array([[0.5, 0.5], [0, 0], [np.nan, 1]], np.float32))
        array([ True, False, False])
        """
        if self.views == 1:
            return self._each_has_score(raw)
        each = self._each_has_score(raw.reshape(-1, raw.shape[1] // self.views))
        return np.asarray(each.reshape(len(raw), self.views).any(axis=1), np.bool_)

    def _each_has_score(self, raw: Scores) -> Bools:
        raw = self._split(raw)[0]
        found = rows_with_scores(raw)
        if self.kind in ("logits", "sigmoid", "logit"):
            return found
        has_label = self._has_label
        if self.kind == "index":
            index, known = _class_index(raw, len(has_label))
            return np.asarray(known & has_label[index], np.bool_)
        return np.asarray(found & (raw[:, has_label] > 0).any(axis=1), np.bool_)

    @cached_property
    def _has_label(self) -> Bools:
        """Which of the model's classes count for a label, ``(K,)``."""
        return np.asarray(self.label_matrix[: self.own_classes].any(axis=1), np.bool_)


def rows_with_scores(raw: Scores | Floats) -> Bools:
    """Which rows of raw outputs ``(N, K)`` hold a score, whatever they are: all finite, and not all zero if K > 1.

    >>> rows_with_scores(np.array([[0.1, 0.9], [0, 0], [np.inf, 0]], np.float32))
    array([ True, False, False])
    """
    found = np.isfinite(raw).all(axis=1)
    return np.asarray(found & raw.any(axis=1) if raw.shape[1] > 1 else found, np.bool_)


def infer_kind(raw: Scores, classes: int | None = None) -> Kind:
    """Infers what raw outputs ``(N, K)`` are; ``classes`` is the number of the model's classes, if known.

    Rows without a score are left out.

    One column: whole numbers above one, or more than two classes, are indices; [0, 1] is a probability; else a logit.
    More columns: rows of one 1 and zeros are one-hot; rows in [0, 1] that sum to at most 1 (to rounding) are
    probabilities; rows that sum to 100 are percentages; others in [0, 1] are independent scores; the rest are logits.

    >>> infer_kind(np.array([[0.7, 0.3], [0.1, 0.9]], np.float32))
    'probabilities'
    >>> infer_kind(np.array([[3.0, -2.0], [0.5, 0.1]], np.float32))
    'logits'

    Raises:
        InputError: no row holds a score.
    """
    if not (found := rows_with_scores(raw)).any():
        raise InputError(no_score_sentence(raw))
    raw = raw[found]
    low, high, sums = raw.min(), raw.max(), raw.sum(axis=1)
    if raw.shape[1] == 1:
        # Detectors return the index -1 for an image in which they find nothing.
        whole = bool((raw == np.rint(raw)).all() and low >= (-1 if high > 1 else 0))
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


def no_score_sentence(raw: Scores) -> str:
    """Why none of the raw outputs ``(N, K)`` can be used, and what to check."""
    images = f"{len(raw)} image{'s' if len(raw) > 1 else ''}"
    if np.isfinite(raw).all():
        return f"the target returned no score for any of {images}: check what it returns with 'bbdft inspect'."
    return (
        f"the target returned NaN or infinite scores for all of {images}: "
        "check the model, and --range, --mean and --std."
    )


def probabilities(raw: Scores, kind: Kind, classes: int) -> Floats:
    """Raw outputs ``(N, K)`` as probabilities of the model's classes ``(N, classes)``, float64, rows summing to 1.

    A row without a score, or with an index of a class that does not exist, is NaN.

    >>> probabilities(np.array([[0.2]], np.float32), "sigmoid", 2).round(3)
    array([[0.8, 0.2]])
    >>> probabilities(np.array([[0.6, 0.2, 0.0, 0.0]], np.float32), "probabilities", 4).round(3)
    array([[0.6, 0.2, 0.1, 0.1]])
    """
    found = rows_with_scores(raw)
    values = raw.astype(np.float64)
    if kind == "index":
        index, found = _class_index(raw, classes)
        decoded = np.asarray(np.eye(classes)[index], np.float64)
    else:
        # Nearly always all have scores, and this runs at every step of a search.
        if not found.all():
            values[~found] = 0
        decoded = _decoded(values, kind)
    if not found.all():
        decoded[~found] = np.nan
    return decoded


def _class_index(raw: Scores, classes: int) -> tuple[NDArray[np.int64], Bools]:
    """Class indices ``(N,)``, and which of them exist; 0 stands for those that do not."""
    index = raw[:, 0]
    known = np.isfinite(index) & (index >= 0) & (index < classes)
    return np.where(known, index, 0).astype(np.int64), known


def _decoded(values: Floats, kind: Kind) -> Floats:
    if kind == "logits":
        return np.asarray(np.exp(log_softmax(values, axis=1)), np.float64)
    if kind in ("sigmoid", "logit"):
        second = expit(values) if kind == "logit" else values
        return np.hstack([1 - second, second])
    if kind == "percent":
        values = values / 100
    values = np.maximum(values, 0)
    if kind in ("probabilities", "percent") and (zero := values <= 0).any():
        missing = np.clip(1 - values.sum(axis=1, keepdims=True), 0, None)
        values = values + np.where(zero, missing / np.maximum(zero.sum(axis=1, keepdims=True), 1), 0)
    total = values.sum(axis=1, keepdims=True)
    if (total > 0).all():
        return np.asarray(values / total, np.float64)
    return np.where(total > 0, values / np.where(total > 0, total, 1), np.nan)


def class_count(raw: Scores, kind: Kind, classes: Sequence[str] | None) -> int:
    """Number of the model's classes, given raw outputs ``(N, K)`` and the class names, if known.

    >>> class_count(np.array([[2.0], [0.0]], np.float32), "index", None)
    3

    Raises:
        InputError: a class index is larger than the names allow.
    """
    if kind in ("sigmoid", "logit"):
        return 2
    if kind == "index":
        largest = int(raw[np.isfinite(raw)].max(initial=0))
        if classes and largest >= len(classes):
            raise InputError(
                f"the target returned the class index {largest}, but {len(classes)} classes are known: "
                "give --model-classes with a name for each."
            )
        return len(classes) if classes else largest + 1
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

    Without a map, labels are looked up among the class names, ignoring case; labels that are whole numbers may also be
    class indices. ``*`` stands for all classes that no other label has. A class that the model names twice counts under
    both its columns.

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
        InputError: a label that no class maps to, a class that does not exist or is used twice, two labels for a class.
    """
    names = list(classes) if classes else [str(i) for i in range(count)]
    if len(names) != count:
        raise InputError(
            f"the target returns {count} scores, but {len(names)} class names are given: "
            "give --model-classes with one name for each score."
        )
    columns = _Lookup(names)
    return _mapped(labels, columns, table) if table else _named(labels, columns, known=bool(classes))


def class_count_for(raw: Scores, kind: Kind, classes: Sequence[str] | None, labels: Sequence[str]) -> int:
    """``class_count``, and at least one class for each label if classes have no names and some were not answered yet.

    >>> class_count_for(np.array([[1.0]], np.float32), "index", None, ["0", "1", "2"])
    3
    """
    count = class_count(raw, kind, classes)
    return max(count, len(labels)) if kind == "index" and not classes else count


class _Lookup:
    """Positions of names, ignoring case unless a name is spelled exactly so."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self._exact: defaultdict[str, list[int]] = defaultdict(list)
        self._folded: defaultdict[str, list[int]] = defaultdict(list)
        for position, name in enumerate(self.names):
            self._exact[name].append(position)
            self._folded[_fold(name)].append(position)

    def __call__(self, name: str) -> list[int]:
        return self._exact.get(name) or self._folded.get(_fold(name)) or []


def _fold(name: str) -> str:
    # File names of macOS hold accents as characters of their own (NFD).
    return unicodedata.normalize("NFC", name).strip().casefold()


def _named(labels: Sequence[str], columns: _Lookup, *, known: bool) -> Floats:
    count = len(columns.names)
    matrix = np.zeros((count, len(labels)))
    numbers = all(_is_number(label) for label in labels)
    for column, label in enumerate(labels):
        if found := columns(label):
            matrix[found, column] = 1
        elif numbers and int(label) < count:
            matrix[int(label), column] = 1
        else:
            mend = f"give the classes that stand for it, --map '{label}=CLASS[,CLASS...]'"
            if not known:
                mend = f"name its classes in their order, --model-classes A,B,C; or {mend}"
            if looks_missing(label):
                mend = "it looks like a missing value, so drop these images or fill it in; else " + mend
            raise InputError(f"no class of the target is called {label!r} (it has {shortened(columns.names)}): {mend}.")
    if (shared := np.flatnonzero(matrix.sum(axis=1) > 1)).size:
        one, other = (labels[column] for column in np.flatnonzero(matrix[shared[0]])[:2])
        raise InputError(
            f"the labels {one!r} and {other!r} of the data{_look_alike(one, other)} both stand for the class "
            f"{columns.names[shared[0]]!r} of the target: write one of the two for all its images."
        )
    return matrix


def _is_number(label: str) -> bool:
    return label.isascii() and label.isdecimal()


def _look_alike(one: str, other: str) -> str:
    """What tells two labels apart that look the same."""
    same = unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)
    return " (whose accents are encoded in two ways)" if same else ""


def _mapped(labels: Sequence[str], columns: _Lookup, table: Mapping[str, Sequence[str]]) -> Floats:
    entries, names = _Lookup(table), columns.names
    known = _Lookup(labels)
    if unknown := [label for label in table if not known(label)]:
        raise InputError(f"--map names the label {unknown[0]!r}, but the data has {shortened(labels)}.")
    used: dict[int, str] = {}
    for label in labels:
        for position in entries(label):
            if (other := used.setdefault(position, label)) != label:
                raise InputError(
                    f"the labels {other!r} and {label!r} of the data{_look_alike(other, label)} have the same entry of "
                    "--map: write one of the two for all its images, or give each an entry."
                )
    if unused := [label for position, label in enumerate(table) if position not in used]:
        raise InputError(
            f"--map gives the label {known.names[known(unused[0])[0]]!r} twice: give all its classes at once."
        )
    matrix = np.zeros((len(names), len(labels)))
    rest = []
    for column, label in enumerate(labels):
        if not (found := entries(label)):
            raise InputError(f"--map has no entry for the label {label!r}: add --map '{label}=*' or its classes.")
        for name in (name for position in found for name in table[entries.names[position]]):
            if name == "*":
                rest.append(column)
                continue
            if not (positions := columns(name)):
                near = get_close_matches(name, names, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"it has {shortened(names)}."
                raise InputError(f"--map {label}={name}: the target has no class {name!r}: {hint}")
            if matrix[positions].any():
                raise InputError(f"--map uses the class {name!r} twice: each class counts for one label.")
            matrix[positions, column] = 1
    if len(rest) > 1:
        raise InputError("--map gives '*' to two labels: only one can take all other classes.")
    if rest:
        matrix[matrix.sum(axis=1) == 0, rest[0]] = 1
    for column, label in enumerate(labels):
        if not matrix[:, column].any():
            raise InputError(f"--map leaves no class for the label {label!r}: give one, --map '{label}=CLASS'.")
    return matrix
