"""Order of a model's outputs: whether its labels were sorted otherwise than is assumed, as its answers show."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import betainc

from blackbox_dft._utils.types import Ints, Scores
from blackbox_dft.objectives.losses import decide
from blackbox_dft.objectives.outputs import Kind, OutputDecoder, label_matrix

MIN_MENDED = 8
"""Images that another order must decide rightly, beside those that the assumed one does."""
ALPHA = 1e-4
"""Chance that an order which is right is called wrong, for each other one that is tried."""
SHOWN = 5
"""Labels whose answers are shown."""


@dataclass(frozen=True)
class Answered:
    """What images of a label are mostly answered with."""

    label: str
    output: int
    """Number of the output with the highest score, from 0."""
    times: int
    images: int


@dataclass(frozen=True)
class LabelOrder:
    """An order of the outputs that suits the answers better than the assumed one."""

    name: str
    """In words: ``sorted as text``."""
    classes: tuple[str, ...]
    """Name of each output, in order."""
    before: float
    """Accuracy with the order that was assumed."""
    after: float
    images: int
    answers: tuple[Answered, ...]
    """Of labels that change their output."""

    def options(self) -> list[str]:
        """The words of a command line that give it."""
        return ["--model-classes", ",".join(self.classes)]

    def lines(self) -> list[str]:
        """The order in words, with the counts that show it."""
        first = ", ".join(self.classes[:4])
        lines = [
            f"the model's outputs are in the order of its labels {self.name} ({first}, ...): "
            f"{self.before:.2f} -> {self.after:.2f} on {self.images} images"
        ]
        lines += [
            f"  {one.times} of {one.images} images of {one.label} are answered with output {one.output}"
            for one in self.answers
        ]
        return lines

    def to_json(self) -> dict[str, Any]:
        """The order with the counts that show it."""
        return {
            "order": self.name,
            "classes": list(self.classes),
            "accuracy": {"before": round(self.before, 6), "after": round(self.after, 6), "n": self.images},
            "answers": [vars(one) for one in self.answers],
        }


def assumed_names(labels: Sequence[str], classes: Sequence[str] | None, count: int) -> tuple[str, ...] | None:
    """Names of ``count`` outputs without names, if labels are counted from 1; else those that are given.

    >>> assumed_names(["1", "2", "3"], None, 3), assumed_names(["0", "2"], None, 3)
    (('1', '2', '3'), None)
    """
    if classes:
        return tuple(classes)
    numbers = {int(label) for label in labels if label.isdecimal()}
    if len(numbers) == len(labels) and count in numbers and 0 not in numbers:
        return tuple(str(number) for number in range(1, count + 1))
    return None


def orders(names: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Other orders in which a program may have put ``names``, the assumed order, with their names.

    >>> orders(["0", "1", "2", "10"])
    [('sorted as text', ('0', '1', '10', '2'))]
    >>> orders(["no", "yes"])
    [('the other way round', ('yes', 'no'))]
    """
    plain = tuple(names)
    tried = [
        ("sorted as text", tuple(sorted(plain))),
        ("sorted as numbers", tuple(sorted(plain, key=_natural))),
        ("sorted without regard to case", tuple(sorted(plain, key=str.casefold))),
    ]
    if len(plain) == 2:
        tried.append(("the other way round", plain[::-1]))
    found: dict[tuple[str, ...], str] = {}
    for name, order in tried:
        if order != plain and not any("," in one for one in order):
            found.setdefault(order, "the other way round" if len(plain) == 2 else name)
    return [(name, order) for order, name in found.items()]


def better_order(
    raw: Scores,
    truth: Ints,
    labels: Sequence[str],
    names: Sequence[str],
    kind: Kind,
    table: Mapping[str, Sequence[str]],
) -> LabelOrder | None:
    """An order of the outputs under which more images are right, beyond chance (a sign test); None if there is none.

    Args:
        raw: scores ``(N, K)``.
        truth: labels ``(N,)``, indices into ``labels``.
        labels: the user's.
        names: of the K outputs, in the assumed order.
        kind: what the scores are.
        table: classes for each label, as from ``parse_map``.

    >>> names = [str(number) for number in range(12)]
    >>> truth = np.arange(48) % 12
    >>> as_text = np.argsort(np.argsort(names))  # the place of each label among those sorted as text
    >>> order = better_order(np.eye(12, dtype=np.float32)[as_text[truth]], truth, names, names, "one-hot", {})
    >>> order.name, order.classes[:3], round(order.before, 2), order.after
    ('sorted as text', ('0', '1', '10'), 0.17, 1.0)
    """

    def right(given: Sequence[str]) -> Any:
        decoder = OutputDecoder(kind, label_matrix(labels, given, len(given), table))
        return decide(decoder(raw)) == truth

    tried, now, best = orders(names), right(names), None
    for name, order in tried:
        then = right(order)
        mended, broken = int((then & ~now).sum()), int((now & ~then).sum())
        beyond = mended >= MIN_MENDED and betainc(mended, broken + 1, 0.5) < ALPHA
        if beyond and (best is None or then.mean() > best.after):
            moved = _answers(raw, truth, labels, names, order, kind)
            best = LabelOrder(name, order, float(now.mean()), float(then.mean()), len(raw), moved)
    return best


def _answers(
    raw: Scores, truth: Ints, labels: Sequence[str], names: Sequence[str], order: Sequence[str], kind: Kind
) -> tuple[Answered, ...]:
    decided = raw[:, 0].astype(np.int64) if kind == "index" else raw.argmax(axis=1)
    found = []
    for number, label in enumerate(labels):
        own = decided[truth == number]
        if label in names and names.index(label) != order.index(label) and len(own):
            output, times = Counter(own.tolist()).most_common(1)[0]
            found.append(Answered(label, output, times, len(own)))
    found.sort(key=lambda one: -one.times)
    return tuple(found[:SHOWN])


def _natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts numbers inside names by their value."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split("([0-9]+)", name) if part]
