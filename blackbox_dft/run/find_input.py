"""Finder of a model's input form: which order, range, fit, filter and turns its scores of labelled images prefer."""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.types import Bools, Floats, Ints, Scores
from blackbox_dft.data.originals import Originals, list_originals
from blackbox_dft.errors import BudgetError, InputError
from blackbox_dft.images.fitting import Fitting
from blackbox_dft.objectives.losses import decide
from blackbox_dft.objectives.outputs import OutputDecoder, class_count, infer_kind, label_matrix
from blackbox_dft.run.input_race import Race, RaceResult, Row, Scoring
from blackbox_dft.targets.base import Target
from blackbox_dft.targets.input_forms import Form
from blackbox_dft.targets.onnx.target import OnnxTarget

BATCH = 16
"""Images that are held at their own size at once."""
MIN_SHARE = 0.01
"""Probabilities below this share of chance are raised to it."""


@dataclass(eq=False)
class FormScoring(Scoring):
    """Scores images in any form by one session; the same pixels in the same format are paid for once."""

    target: OnnxTarget
    originals: Originals
    size: tuple[int, int]
    budget: int
    map: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    recorded: MutableMapping[bytes, Scores] = field(default_factory=dict)
    """Scores ``(K,)`` by key, which may be known from elsewhere; they count nevertheless."""
    queries: int = 0
    _paid: set[bytes] = field(default_factory=set)
    _decoder: OutputDecoder | None = None

    @override
    def __call__(self, form: Form, images: Ints) -> tuple[Floats, Bools]:
        rows: list[Scores] = []
        for start in range(0, len(images), BATCH):
            part = images[start : start + BATCH]
            rows += self._scores(form, np.stack([form.pixels(self.originals.image(n), self.size) for n in part]))
        raw = np.stack(rows)
        probabilities = self._decode(raw)
        labels = self.originals.labels[images]
        least = MIN_SHARE / probabilities.shape[1]
        of_label = np.nan_to_num(probabilities[np.arange(len(labels)), labels], nan=0.0)
        return -np.log(np.clip(of_label, least, 1)), np.asarray(decide(probabilities) == labels, np.bool_)

    def _scores(self, form: Form, pixels: Any) -> list[Scores]:
        target = self.target.with_format(form.format)
        keys = [blake2b(one.tobytes(), key=target.fingerprint.encode()[:64], digest_size=16).digest() for one in pixels]
        new = {key: number for number, key in enumerate(keys) if key not in self._paid}
        if self.queries + len(new) > self.budget:
            raise BudgetError(f"the budget of {self.budget} queries is spent: give a larger --budget.")
        if unknown := [number for key, number in new.items() if key not in self.recorded]:
            scores = target.scores(pixels[unknown])
            self.recorded.update((keys[number], row) for number, row in zip(unknown, scores, strict=True))
        self._paid.update(new)
        self.queries += len(new)
        return [self.recorded[key] for key in keys]

    def _decode(self, raw: Scores) -> Floats:
        if self._decoder is None:
            classes = self.target.classes
            kind = infer_kind(raw, len(classes) if classes else None)
            count = class_count(raw, kind, classes)
            if kind == "index" and not classes:
                count = max(count, len(self.originals.classes))
            matrix = label_matrix(self.originals.classes, classes, count, self.map)
            self._decoder = OutputDecoder(kind, matrix)
        return self._decoder(raw)


@dataclass(frozen=True, eq=False)
class FoundInput:
    """What ``find_input`` found."""

    race: RaceResult
    queries: int

    @property
    def form(self) -> Form:
        """The form to take: the given one unless another is better beyond chance."""
        return self.race.chosen.form

    @property
    def options(self) -> list[str]:
        """Words of a command line that give the form; none if the given one is kept."""
        return self.form.options() if self.race.found else []

    @property
    def keywords(self) -> dict[str, str]:
        """The same as keyword arguments of ``optimize``."""
        words = self.options
        names = [flag.removeprefix("--").replace("-", "_") for flag in words[::2]]
        return dict(zip(names, words[1::2], strict=True))

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        race, accuracy = self.race, self.race.accuracy
        before, after = accuracy(race.given), accuracy(race.best)
        if race.found:
            files = f"; images have to be {' and '.join(self.form.changes)} before" if self.form.changes else ""
            return f"this model wants {self.form.name}: {before:.2f} -> {after:.2f}, {self.queries:,} queries{files}"
        kept = f"nothing is better than what the model is given, {self.form.name}: {before:.2f}"
        if race.best is race.given:
            return f"{kept}, {self.queries:,} queries"
        other = f"{race.best.form.name} reached {after:.2f} on the same images, which may be chance"
        return f"{kept}, {self.queries:,} queries ({other}: a larger --budget may tell)"

    def to_json(self) -> dict[str, Any]:
        """The result with the names of the options."""
        race = self.race
        return {
            **self.form.to_json(),
            "accuracy": {
                "before": round(race.accuracy(race.given), 6),
                "after": round(race.accuracy(race.chosen), 6),
                "n": len(race.compared or race.given.right),
            },
            "ci95": [round(end, 6) for end in race.gain.interval] if race.compared else None,
            "queries": self.queries,
            "changed": race.found,
            "options": self.options,
            "hypotheses": [
                {
                    "stage": row.stage,
                    "form": row.form.name,
                    "images": len(row.right),
                    "accuracy": round(row.accuracy, 6),
                    "loss": round(row.loss, 6),
                    "loss_ci95": [round(row.loss - row.half_width, 6), round(row.loss + row.half_width, 6)]
                    if len(row.right) > 1
                    else None,
                }
                for row in self._rows
            ],
        }

    def lines(self) -> list[str]:
        """Table, sentence and options for a terminal."""
        rows = self._rows
        wide = max(len("hypothesis"), *(len(row.form.name) for row in rows))
        lines = [f"{'hypothesis':<{wide}}  images  accuracy  log loss (95 %)"]
        for row in rows:
            loss = f"{row.loss:.2f} +- {row.half_width:.2f}" if len(row.right) > 1 else f"{row.loss:.2f}"
            lines.append(f"{row.form.name:<{wide}}  {len(row.right):>6}  {row.accuracy:>8.2f}  {loss}")
        lines += ["", self.sentence]
        if self.race.compared:
            low, high = (100 * end for end in self.race.gain.interval)
            lines.append(
                f"log loss {'lower beyond chance' if self.race.found else 'not lower beyond chance'}, accuracy by "
                f"{low:+.0f} to {high:+.0f} points (95 %), on {len(self.race.compared)} images that no race has seen"
            )
        if self.options:
            lines.append(f"give: {' '.join(self.options)}")
        return lines

    @property
    def _rows(self) -> list[Row]:
        return [row for row in self.race.rows if row.right]


def find_input(
    target: Target,
    data: str,
    *,
    budget: int = 600,
    label: str = "",
    map: Mapping[str, tuple[str, ...]] | None = None,
    fitting: Fitting | None = None,
    seed: int = 0,
    recorded: MutableMapping[bytes, Scores] | None = None,
) -> FoundInput:
    """Finds which input form an ONNX model wants, from its scores of labelled images.

    Args:
        target: an ``OnnxTarget``; its format is kept unless another one is better beyond chance.
        data: labelled images; one a class is enough, and no split is needed.
        budget: images scored, at most.
        label: attribute or column that holds the labels.
        map: the model's classes for each label, as from ``parse_map``.
        fitting: how images are fitted now.
        seed: of the order of images.
        recorded: scores by key that need not be computed again, though they count.

    Raises:
        InputError: not an ONNX model, or images that cannot be used.

    >>> from blackbox_dft.demo import assets
    >>> target = OnnxTarget(assets() / "digits.onnx")
    >>> found = find_input(target, str(assets() / "labels.csv"), budget=120)
    >>> found.queries <= 120, found.options
    (True, [])
    """
    if not isinstance(target, OnnxTarget):
        raise InputError(
            f"--find-input takes an ONNX file, which {target.name} is not: give --fit, --encoding and --map by hand."
        )
    # More images than this are never reached.
    originals = list_originals(data, count=budget, label=label, seed=seed)
    if len(originals.labels) < 2:
        raise InputError(f"{data} holds one image only: give more, of several classes.")
    sizes = {originals.image(number).shape[:2] for number in range(min(BATCH, len(originals.labels)))}
    size = target.image_size or (next(iter(sizes)) if len(sizes) == 1 else None)
    if size is None:
        raise InputError(f"{target.name} takes images of any size, and {data} has several: give --size HEIGHTxWIDTH.")
    scoring = FormScoring(target, originals, size, budget, map or {}, {} if recorded is None else recorded)
    given = Form(target.input_format, fitting or Fitting())
    fits = sizes != {size} or given.fitting != Fitting()
    chance = math.log(len(originals.classes))
    race = Race(scoring, given, np.arange(len(originals.labels)), budget, fits=fits, chance=chance).run()
    return FoundInput(race, scoring.queries)
