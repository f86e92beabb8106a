"""Race of input forms: stage by stage, forms are scored on the same images, and the worse half is dropped each time.

The stages are what can be found by itself: values of pixels and channel order together, then fit, then filter,
then turns and the like. The form that comes out is compared with the given one on images that no stage has seen,
until an anytime-valid interval of the gain excludes 0 (``evaluation.proof``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np

from blackbox_dft._utils.types import Bools, Floats, Ints
from blackbox_dft.errors import BudgetError
from blackbox_dft.evaluation.proof import Proof
from blackbox_dft.targets.input_forms import (
    Form,
    changed_forms,
    encoding_forms,
    filter_forms,
    fit_forms,
    near_fit_forms,
    service_fit_forms,
    size_forms,
    value_forms,
)

RACE_SHARE = 0.08
"""Images of the longest rung, for each query of the budget: all stages together take some nine times as many."""
STAGES_SHARE = 0.88
"""Of the budget, that the stages may use; the rest is for the comparison."""
MIN_IMAGES = 8
"""Images of the longest rung, at least."""
RUNGS = (8, 4, 2, 1)
"""Images of the rungs: the longest one's number divided by these."""
MARGIN = 1.0
"""Standard errors of the paired difference by which a form has to beat the one that is kept."""
CHANGE_MARGIN = 2.0
"""The same for turns, mirroring, inversion and grey, which are rare."""
GOOD, GOOD_MARGIN = 0.6, 3.0
"""If the best form has this accuracy, a change has to beat it by more: a photo is decided nearly as well mirrored."""
MIN_COMPARED = 24
"""Images of the comparison, at least, as the accuracy that is reported is that on them."""
COMPARED_AT_ONCE = 4
"""Images of the comparison that are scored before it is looked at."""
FIT_MARGIN = 2.5
"""Standard errors between two fits at which no further images are scored."""
USUAL_CROP = "crop:0.875"
"""Share of the centre crop that most models were evaluated with: "resize to 256, crop 224"."""
PRIOR_MARGIN = 1.5
"""Standard errors by which another share has to beat the usual one; shares differ by less than 600 queries can tell."""
VALUES_MARGIN = 2.0
"""Standard errors between two values of pixels in their stage, at which they are not compared again."""
MIN_SEEN = 8
"""Images on which two forms are compared again, at least."""
MIN_LEAD = 0.5
"""Standard errors that a form which did not win a stage has to lead by to be compared with the given one in the end."""
ALPHA = 0.1
"""Of the interval of the loss's gain, of which one side only is used: a wrong change has a chance of 1 in 20."""
MAX_DIFFERENCE = 1.0
"""Paired differences of log losses are clipped at this: a few hopeless images do not decide."""
FAR_OFF = 0.7
"""Mean of the clipped differences, as a share of the most there can be, from which on they do not order forms."""
MIN_GAIN = 0.01
"""Accuracy that another form has to gain, beside the proof: a lower loss may just be more or less confidence."""


class Scoring(Protocol):
    """Scores images in a form; each image costs a query, once."""

    def __call__(self, form: Form, images: Ints) -> tuple[Floats, Bools]:
        """Log losses of the labels ``(N,)`` and which decisions are right ``(N,)``, of images by number.

        Raises:
            BudgetError: the budget does not cover them; none was scored.
        """
        ...

    def ahead(self, wanted: Sequence[tuple[Form, Ints]]) -> None:
        """Called before images are scored in several forms, which may be done side by side."""


@dataclass
class Row:
    """What was seen of a form."""

    stage: str
    form: Form
    losses: dict[int, float] = field(default_factory=dict)
    """By image."""
    right: dict[int, bool] = field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        """Of the images it was scored on."""
        return float(np.mean(list(self.right.values())))

    @property
    def loss(self) -> float:
        """Mean log loss."""
        return float(np.mean(list(self.losses.values())))

    @property
    def half_width(self) -> float:
        """Half of the loss's 95 % interval."""
        values = list(self.losses.values())
        return 1.96 * float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.inf


@dataclass
class RaceResult:
    """Outcome of a race."""

    given: Row
    best: Row
    """What the stages chose; ``given`` if nothing did better."""
    rows: list[Row]
    proof: Proof
    """Of lower losses of ``best`` than of ``given``, on images of no stage."""
    gain: Proof
    """Of its higher accuracy, on the same images."""
    compared: tuple[int, ...] = ()
    """Those images."""

    @property
    def found(self) -> bool:
        """Whether ``best`` beats the given form beyond chance."""
        shared = [image for image in self.best.right if image in self.given.right]
        if self.gain.verdict == "improved":
            return True
        given, best = self.given.form, self.best.form
        if replace(best, fitting=replace(best.fitting, filter=given.fitting.filter)) == given:
            # A filter moves nearly all losses by a little, and hardly a decision.
            return False
        gains = [self.best.right[image] - self.given.right[image] for image in shared]
        return self.proof.verdict == "improved" and float(np.mean(gains)) >= MIN_GAIN

    @property
    def chosen(self) -> Row:
        """The form to take."""
        return self.best if self.found else self.given

    def accuracy(self, row: Row) -> float:
        """Of ``given`` or ``best``, on the images that both were compared on, or else on all it was scored on."""
        shared = self.compared or tuple(row.right)
        return float(np.mean([row.right[image] for image in shared])) if shared else math.nan


class Race:
    """A race of input forms on ``images``, numbers in random order.

    Args:
        score: scores images in a form.
        given: the form that is kept unless another one is better.
        images: ``(N,)``.
        budget: queries.
        fits: whether fits and filters can matter: not if all images have the model's size.
        service: of a service: sizes (if it takes any) and encodings are raced, in place of values and turns.
        turns: whether turns and the like are raced.
        grey: whether all images are grey, so that they do not show the order of channels.
        chance: log loss of a guess; a form that is worse is no form to build on.
    """

    def __init__(
        self,
        score: Scoring,
        given: Form,
        images: Ints,
        budget: int,
        *,
        fits: bool = True,
        chance: float = math.inf,
        service: Literal["", "fixed size", "any size"] = "",
        turns: bool = True,
        grey: bool = False,
    ) -> None:
        self._score, self._images, self._fits = score, images, fits
        self._service, self._turns, self._orders = service, turns, not grey
        self.longest = max(min(MIN_IMAGES, len(images)), min(len(images) // 2, int(RACE_SHARE * budget)))
        """Images of the longest rung; the given form is scored on all of them."""
        self._rows: dict[Form, Row] = {}
        self._given, self._chance = given, chance
        self._stage = "values"
        self._scored, self._limit = 0, STAGES_SHARE * budget

    def run(self) -> RaceResult:
        """Runs all stages and the comparison with the given form."""
        best = self._given
        self._extend([best], self.longest // RUNGS[0])
        best = self._service_stages(best) if self._service else self._model_stages(best)
        proofs = Proof(ALPHA), Proof()
        best = self._runner_up() if best == self._given else best
        result = RaceResult(self._row(self._given), self._row(best), list(self._rows.values()), *proofs)
        if best != self._given:
            self._limit = math.inf
            self._compare(result)
            if result.found:
                if self._fits and not result.best.form.fitting.fit.startswith("crop"):
                    # A crop and another fit differ by more than two crops, or close values.
                    self._compare_fits(result)
                self._compare_values(result)
                if self._fits:
                    self._compare_fits(result)
        return result

    def _runner_up(self) -> Form:
        """The form that leads the given one by most, though by too little for a stage; the given one without any.

        What is left of the budget may tell.
        """
        leads = {self._given: 0.0}
        for form, row in self._rows.items():
            both = _shared(row, self._row(self._given))
            if form == self._given or form.changes or len(both) < self.longest // 2:
                continue
            gains = self._differences(self._given, form, both)
            if _beats(gains, MIN_LEAD):
                leads[form] = float(gains.mean())
        return max(leads, key=leads.__getitem__)

    def look(self) -> RaceResult:
        """Scores the given form alone, on the images of the longest rung."""
        self._extend([self._given], self.longest)
        row = self._row(self._given)
        return RaceResult(row, row, [row], Proof(ALPHA), Proof())

    def _service_stages(self, best: Form) -> Form:
        any_size = self._service == "any size"
        if self._fits or any_size:
            best = self._halving("fit", service_fit_forms(best, any_size=any_size))
            best = self._share_of_crop(best, MARGIN)
        if any_size and not best.fitting.keeps_sizes:
            best = self._halving("size", size_forms(best))
        return self._halving("encoding", encoding_forms(best), RUNGS[1:3])

    def _model_stages(self, best: Form) -> Form:
        best = self._halving("values", value_forms(best, orders=self._orders))
        if self._fits:
            # A form that is not the given one any more has to be proven anyway.
            margin = MARGIN if best == self._given else 0.0
            best = self._halving("fit", fit_forms(best), margin=margin)
            best = self._share_of_crop(best, margin)
            best = self._halving("filter", filter_forms(best), RUNGS[2:3])
        if not self._turns:
            return best
        turns = changed_forms(best)
        if self._rows[best].loss > self._chance and best != self._given:
            # Of images that are turned or inverted, the race of values chose one that was as wrong as all others.
            turns += changed_forms(self._given)[1:]
        # A few images show that a good form needs no turn; that a bad one does, more of them have to show.
        good = self._rows[best].accuracy >= GOOD
        margin, lead = (GOOD_MARGIN, 1.0) if good else (CHANGE_MARGIN, -1.0)
        changed = self._halving("turns", turns, RUNGS[:3], margin=margin, lead=lead)
        if changed != best:
            # Values were raced on images that were turned or inverted: an interaction. What is left of the budget
            # allows for the short rungs.
            best = changed
            best = self._halving("values", value_forms(best, orders=self._orders), RUNGS[:2])
        return best

    def _share_of_crop(self, best: Form, margin: float) -> Form:
        """The share of a centre crop: the given or the usual one, unless another one beats it."""
        forms = near_fit_forms(best)
        usual = [form for form in forms if form.fitting.fit == USUAL_CROP]
        if best == self._given or not usual:
            return self._halving("fit", forms, RUNGS[2:], margin=margin)
        return self._halving("fit", list(dict.fromkeys([*usual, *forms])), RUNGS[2:], margin=PRIOR_MARGIN)

    def _row(self, form: Form) -> Row:
        return self._rows.setdefault(form, Row(self._stage, form))

    def _extend(self, forms: list[Form], count: int) -> Ints:
        """Scores the forms on the first images, at least one; returns which."""
        images = self._images[: max(1, count)]
        wanted = [(form, new) for form in forms if len(new := self._not_scored(form, images))]
        if self._scored + sum(len(new) for _, new in wanted) <= self._limit:
            self._score.ahead(wanted)
        for form in forms:
            self._add(form, images)
        return images

    def _add(self, form: Form, images: Ints) -> None:
        """Scores a form on those of the images on which it was not yet."""
        row, new = self._row(form), self._not_scored(form, images)
        if len(new):
            self._scored += len(new)
            if self._scored > self._limit:
                raise BudgetError("what is left of the budget is for the comparison with the given form.")
            losses, right = self._score(form, new)
            row.losses.update(zip(new.tolist(), losses.tolist(), strict=True))
            row.right.update(zip(new.tolist(), right.tolist(), strict=True))

    def _not_scored(self, form: Form, images: Ints) -> Ints:
        """Those of the images on which the form was not scored yet."""
        row = self._rows.get(form)
        return images if row is None else np.array([n for n in images.tolist() if n not in row.losses], np.int64)

    def _halving(
        self,
        stage: str,
        forms: list[Form],
        rungs: Sequence[int] = RUNGS,
        *,
        margin: float = MARGIN,
        lead: float = -2.0,
    ) -> Form:
        """The best of ``forms``, the first of which is kept unless another one is better by ``margin``.

        Those that are not better by ``lead``, in standard errors, are dropped after each rung, and half of the others.
        """
        self._stage = stage
        kept, others = forms[0], forms[1:]
        gains: dict[Form, Floats] = {}
        for rung in rungs:
            if not others:
                break
            try:
                images = self._extend([kept, *others], self.longest // rung)
            except BudgetError:
                # The rung before decides.
                break
            gains = {form: self._differences(kept, form, images) for form in others}
            order = {form: float(gains[form].mean()) for form in others}
            if max(order.values()) > FAR_OFF * MAX_DIFFERENCE:
                # The kept form is far off, so that all differences from it are clipped: those from the best one tell.
                front = min(others, key=lambda form: sum(self._rows[form].losses[n] for n in images.tolist()))
                order = {form: float(self._differences(front, form, images).mean()) for form in others}
            others.sort(key=order.__getitem__, reverse=True)
            # A form that gives the model the same pixels has no difference.
            others = [form for form in others if gains[form].any()]
            if rung != rungs[-1]:
                # Half of all, and the kept one is always among them. Of values, two go to the last rung, as the right
                # ones in the other order of channels may be close.
                least = 2 if stage == "values" else 1
                others = [form for form in others if _beats(gains[form], lead)][: max(least, len(others) // 2)]
        better = [form for form in others if form in gains and _beats(gains[form], margin)]
        return better[0] if better else kept

    def _differences(self, one: Form, other: Form, images: Ints) -> Floats:
        """Clipped losses of ``one`` minus those of ``other``, for each image."""
        rows = self._rows[one].losses, self._rows[other].losses
        both = np.array([[row[image] for image in images.tolist()] for row in rows])
        return np.asarray(np.clip(both[0] - both[1], -MAX_DIFFERENCE, MAX_DIFFERENCE), np.float64)

    def _compare(self, result: RaceResult) -> None:
        """Compares on further images, a few at a time, until it is decided or the budget is spent."""
        further = self._images[self.longest :]
        for start in range(0, len(further), COMPARED_AT_ONCE):
            some = further[start : start + COMPARED_AT_ONCE]
            known = {form: dict(self._row(form).right) for form in (self._given, result.best.form)}
            try:
                for form in known:
                    self._add(form, some)
            except BudgetError:
                # Without its pair, the score of one form would shift its accuracy.
                for form, right in known.items():
                    row = self._row(form)
                    row.right = right
                    row.losses = {image: row.losses[image] for image in right}
                break
            result.compared += tuple(some.tolist())
            result.proof.add(self._differences(self._given, result.best.form, some))
            result.gain.add(result.best.right[image] - float(result.given.right[image]) for image in some.tolist())
            if result.proof.verdict == "worse" or (result.found and len(result.compared) >= MIN_COMPARED):
                break

    def _compare_fits(self, result: RaceResult) -> None:
        """Compares the best form with the best other fit on further images, with what is left of the budget.

        Fits differ by less than all else, so this is where more images tell most.
        """
        best = result.best
        others = [
            row
            for row in self._rows.values()
            if row.form.fitting.fit != best.form.fitting.fit
            and replace(row.form, fitting=best.form.fitting) == best.form
            and len(_shared(row, best)) > 1
            # Of square images, a stretch and a crop are one.
            and self._differences(best.form, row.form, _shared(row, best)).any()
        ]
        if not others:
            return
        self._stage = "fit"
        other = max(others, key=lambda row: float(self._differences(best.form, row.form, _shared(row, best)).mean()))
        # Those on which the given form was scored come first, as the proof takes them.
        images = [*result.compared, *(image for image in best.right if image not in result.compared)]
        with suppress(BudgetError):
            for start in range(0, len(images), COMPARED_AT_ONCE):
                self._add(other.form, np.array(images[start : start + COMPARED_AT_ONCE]))
            further = self._images[self.longest + len(result.compared) :]
            for start in range(0, len(further), COMPARED_AT_ONCE):
                differences = self._differences(best.form, other.form, _shared(other, best))
                if _beats(differences, FIT_MARGIN) or _beats(-differences, FIT_MARGIN):
                    break
                for form in (best.form, other.form):
                    self._add(form, further[start : start + COMPARED_AT_ONCE])
        differences = self._differences(best.form, other.form, _shared(other, best))
        if _beats(differences, self._fit_lead(best.form, other.form)):
            self._take(result, other)

    def _compare_values(self, result: RaceResult) -> None:
        """Compares the best form with the closest other values of pixels on images that no stage has seen.

        All stages score the same images, so what led there by chance leads through all of them.
        """
        best = result.best
        if best.form.format is None:
            return
        # The values were raced in another fit.
        raced = self._rows.get(replace(self._given, format=best.form.format))
        others = [
            row
            for row in self._rows.values()
            if raced and row is not raced and replace(row.form, format=best.form.format) == raced.form
            if len(_shared(row, raced)) > 1
        ]
        if raced is None or not others:
            return
        leads = {row.form: self._differences(raced.form, row.form, _shared(row, raced)) for row in others}
        closest = max(leads, key=lambda form: float(leads[form].mean()))
        seen = leads[closest]
        if _beats(-seen, VALUES_MARGIN):
            return
        self._stage = "values"
        other = replace(best.form, format=closest.format)
        start = self.longest + len(result.compared)
        images = [*result.compared, *self._images[start : start + MIN_COMPARED].tolist()]
        with suppress(BudgetError):
            for place in range(0, len(images), COMPARED_AT_ONCE):
                some = np.array(images[place : place + COMPARED_AT_ONCE])
                for form in (other, best.form):
                    self._add(form, some)
                every = np.concatenate([seen, self._fresh(best.form, other, images)])
                if place >= MIN_SEEN and (_beats(every, FIT_MARGIN) or _beats(-every, FIT_MARGIN)):
                    break
        every = np.concatenate([seen, self._fresh(best.form, other, images)])
        if len(every) > len(seen) and every.mean() > 0:
            with suppress(BudgetError):
                self._add(other, np.array(result.compared))
                self._take(result, self._row(other))

    def _fresh(self, best: Form, other: Form, images: list[int]) -> Floats:
        """Differences on those of the images on which both were scored."""
        both = set(_shared(self._row(best), self._row(other)).tolist())
        return self._differences(best, other, np.array([image for image in images if image in both], np.int64))

    def _take(self, result: RaceResult, other: Row) -> None:
        """Puts another form in the place of the best one, if it beats the given one too."""
        if not other.right.keys() >= set(result.compared):
            return
        proof, gain = Proof(ALPHA), Proof()
        compared = np.array(result.compared)
        proof.add(self._differences(self._given, other.form, compared))
        gain.add(float(other.right[image]) - float(result.given.right[image]) for image in result.compared)
        instead = replace(result, best=other, proof=proof, gain=gain)
        if instead.found:
            result.best, result.proof, result.gain = other, proof, gain

    def _fit_lead(self, best: Form, other: Form) -> float:
        """Standard errors by which another fit has to lead, in the end."""
        crops = all(form.fitting.fit.startswith("crop") for form in (best, other))
        if crops and best.fitting.fit == USUAL_CROP:
            return PRIOR_MARGIN
        return -PRIOR_MARGIN if crops and other.fitting.fit == USUAL_CROP else 0.0


def _shared(one: Row, other: Row) -> Ints:
    """Images that both were scored on."""
    return np.array([image for image in one.right if image in other.right], np.int64)


def _beats(differences: Floats, margin: float) -> bool:
    """Whether the mean is above so many standard errors."""
    if len(differences) < 2:
        return margin < 0
    error = float(differences.std(ddof=1)) / math.sqrt(len(differences))
    return float(differences.mean()) > margin * error
