"""Finder of a model's input form: which order, range, fit, filter and turns its scores of labelled images prefer."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from blackbox_dft._utils.types import Scores
from blackbox_dft.data.originals import Originals, list_originals
from blackbox_dft.errors import InputError
from blackbox_dft.images.fit_options import AUTO, KEEP
from blackbox_dft.images.fitting import Fitting
from blackbox_dft.run.form_scoring import FormScoring
from blackbox_dft.run.input_race import Race, RaceResult, Row
from blackbox_dft.run.label_order import MIN_MENDED, LabelOrder
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.targets.base import Target
from blackbox_dft.targets.input_forms import Form, value_forms
from blackbox_dft.targets.onnx.target import OnnxTarget

HOPELESS, HOPELESS_IMAGES = 0.5, 24
"""Accuracy of the best form below which all values of pixels are tried with all orders of the outputs, on as many
images as the budget still allows, up to so many."""
LOOKED_AT = 16
"""Images whose sizes are looked at."""


@dataclass(frozen=True, eq=False)
class FoundInput:
    """What ``find_input`` found."""

    race: RaceResult
    queries: int
    order: LabelOrder | None = None
    """Another order of the outputs than was assumed, if the answers show it."""

    @property
    def form(self) -> Form:
        """The form to take: the given one unless another is better beyond chance."""
        return self.race.chosen.form

    @property
    def options(self) -> list[str]:
        """Words of a command line that give the form; none if the given one is kept."""
        return [*(self.form.options() if self.race.found else []), *(self.order.options() if self.order else [])]

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
            who = "on these images, this model does better with" if self._tone_alone else "this model wants"
            return f"{who} {self.form.name}: {before:.2f} -> {after:.2f}, {self.queries:,} queries{files}"
        kept = f"nothing is better than what the model is given, {self.form.name}: {before:.2f}"
        if race.best is race.given:
            return f"{kept}, {self.queries:,} queries"
        other = f"{race.best.form.name} reached {after:.2f} on the same images, which may be chance"
        return f"{kept}, {self.queries:,} queries ({other}: a larger --budget may tell)"

    @property
    def _tone_alone(self) -> bool:
        """Whether the form differs in the values of pixels only, as if images had another contrast and brightness."""
        given, form = self.race.given.form, self.form
        if given.format is None or form.format is None or given.format.channels != form.format.channels:
            return False
        return replace(form, format=given.format) == given

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
            "labels": self.order and self.order.to_json(),
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
        if self.race.found and self._tone_alone:
            lines.append(
                "what a model was trained with looks the same as what mends faint, dark or bright images: see its "
                "documentation"
            )
        if self.order:
            lines += self.order.lines()
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
    encoding: str = "png",
    seed: int = 0,
    recorded: MutableMapping[bytes, Scores] | None = None,
    ledger: Ledger | None = None,
    turns: bool = True,
    allow_outside: bool = True,
    originals: Originals | None = None,
    enough: float | None = None,
    scored: Callable[[int], None] = lambda images: None,
) -> FoundInput:
    """Finds which input form a model wants, from its scores of labelled images.

    Of an ONNX model: channel order, values, fit, filter, turns; of a service or a function: fit, size (if it takes
    any) and encoding. Of both: the order of the outputs.

    Args:
        target: its format is kept unless another one is better beyond chance.
        data: labelled images; one a class is enough, and no split is needed.
        budget: images scored, at most.
        label: attribute or column that holds the labels.
        map: the model's classes for each label, as from ``parse_map``.
        fitting: how images are fitted now.
        encoding: how images are encoded now.
        seed: of the order of images.
        recorded: scores by key that need not be computed again, though they count.
        ledger: where scores are recorded before the next request is sent; by default in memory.
        turns: whether turns, mirroring, inversion and grey are tried, for which there is no option.
        allow_outside: whether images may lie outside the folder of the data.
        originals: the images to take, instead of those that are drawn from ``data``.
        enough: accuracy in the given form from which on nothing else is tried.
        scored: called with the number of images of every response.

    Raises:
        InputError: images that cannot be used.
        BudgetError: the ledger's budget does not cover it.
        TargetError: the target failed for good; what it answered is recorded.

    >>> from blackbox_dft.demo import assets
    >>> from blackbox_dft.targets.onnx.target import OnnxTarget
    >>> target = OnnxTarget(assets() / "digits.onnx")
    >>> found = find_input(target, str(assets() / "labels.csv"), budget=120)
    >>> found.queries <= 120, found.options
    (True, [])
    """
    # More images than this are never reached.
    if originals is None:
        originals = list_originals(data, count=budget, label=label, seed=seed, allow_outside=allow_outside)
    count = len(originals.labels)
    if count < 2:
        raise InputError(f"{data} holds one image only: give more, of several classes.")
    looked_at = [originals.image(number) for number in range(min(LOOKED_AT, count))]
    sizes = Counter(image.shape[:2] for image in looked_at)
    grey = all(bool((image == image[..., :1]).all()) for image in looked_at)
    usual = max(sizes, key=lambda size: (sizes[size], size))
    is_onnx = isinstance(target, OnnxTarget)
    if is_onnx and not target.image_size and len(sizes) > 1:
        raise InputError(f"{target.name} takes images of any size, and {data} has several: give --size HEIGHTxWIDTH.")
    size = target.image_size or (usual[0], usual[1])
    given = Form(target.input_format if isinstance(target, OnnxTarget) else None, _given(fitting, target, len(sizes)))
    given = replace(given, encoding=encoding)
    if given.fitting.keeps_sizes and target.image_size:
        raise InputError(f"{target.name} takes images of one size: --fit keep is for targets that take any.")
    fits = set(sizes) != {size} or given.fitting != Fitting()
    service: Literal["", "fixed size", "any size"] = "fixed size" if target.image_size else "any size"
    if is_onnx:
        service = ""
    with ExitStack() as stack:
        # An empty ledger is false.
        kept = ledger
        if kept is None:
            kept = stack.enter_context(Ledger(Path(":memory:"), budget=budget, in_doubt="free"))
        scoring = FormScoring(target, originals, size, kept, budget=budget, map=map, recorded=recorded, scored=scored)
        stack.callback(scoring.close)

        def race() -> Race:
            return Race(
                scoring,
                given,
                np.arange(count),
                budget,
                fits=fits,
                chance=math.log(len(originals.classes)),
                service=service,
                turns=turns,
                grey=grey,
            )

        raced = race()
        # The race scores these images in this form too.
        order_given = scoring.look_at_order({given: np.arange(raced.longest)})
        if enough is not None and float(scoring(given, np.arange(raced.longest))[1].mean()) >= enough:
            return FoundInput(raced.look(), scoring.queries, scoring.order)
        found = raced.run()
        seen = {row.form: np.array(sorted(row.right), np.int64) for row in found.rows if row.right}
        if is_onnx and found.best.accuracy < HOPELESS:
            # Answers that are read in a wrong order may be as bad in all forms, so that no race tells them apart.
            forms = value_forms(given, orders=not grey)
            few = np.arange(min(HOPELESS_IMAGES, raced.longest, (budget - scoring.queries) // len(forms)))
            if len(few) >= MIN_MENDED:
                seen |= {form: few for form in forms if len(seen.get(form, ())) < len(few)}
        if not order_given and scoring.look_at_order(seen):
            # The race was run by answers that were read wrongly; what it scored is recorded.
            found = race().run()
        return FoundInput(found, scoring.queries, scoring.order)


def _given(fitting: Fitting | None, target: Target, sizes: int) -> Fitting:
    """How images are fitted now; ``auto`` as a run decides it."""
    given = fitting or Fitting()
    if given.fit != AUTO:
        return given
    keeps = "://" in target.name and not target.image_size and sizes > 1
    return replace(given, fit=KEEP if keeps else "stretch")
