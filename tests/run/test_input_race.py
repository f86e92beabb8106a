"""The race of input forms: what it finds and keeps, what it spends, on losses drawn by hand."""

from collections.abc import Callable
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest

from blackbox_dft._utils.types import Bools, Floats, Ints
from blackbox_dft.errors import BudgetError
from blackbox_dft.images.fitting import Fitting
from blackbox_dft.run.input_race import Race, RaceResult, Scoring
from blackbox_dft.targets.input_format import InputFormat
from blackbox_dft.targets.input_forms import VALUES, Form, with_values

GIVEN = Form(InputFormat("nchw", "rgb", "0..1", None, None, "float32", (8, 8), None))


class Drawn(Scoring):
    """Losses: hard and easy images, a form's own penalty, and noise of each image in each form."""

    def __init__(self, penalty: Callable[[Form], float], budget: int, seed: int) -> None:
        self.penalty, self.budget, self.seed, self.queries = penalty, budget, seed, 0

    def __call__(self, form: Form, images: Ints) -> tuple[Floats, Bools]:
        if self.queries + len(images) > self.budget:
            raise BudgetError("spent")
        self.queries += len(images)
        own = np.array([np.random.default_rng([self.seed, int(image)]).normal(0.4, 0.5) for image in images])
        number = crc32(repr(form).encode())
        noise = [np.random.default_rng([self.seed, int(image), number]).normal(0, 0.3) for image in images]
        losses = np.abs(own + noise + self.penalty(form))
        return losses, np.asarray(losses < 0.7)


def raced(
    penalty: Callable[[Form], float], *, budget: int = 600, seed: int = 0, images: int = 1000, given: Form = GIVEN
) -> tuple[RaceResult, Drawn]:
    score = Drawn(penalty, budget, seed)
    return Race(score, given, np.arange(images), budget).run(), score


def test_order_values_and_fit_are_found_together() -> None:
    right = with_values(replace(GIVEN.format, channels="bgr"), VALUES[-1])

    def penalty(form: Form) -> float:
        wrong = 0.8 * (form.format.channels != "bgr") + 0.8 * (form.format != right)
        return wrong + 0.5 * (form.fitting.fit != "crop") + 0.8 * bool(form.changes)

    found = [raced(penalty, seed=seed) for seed in range(10)]
    forms = [result.chosen.form for result, _ in found]
    assert sum(form.format == right and form.fitting.fit == "crop" and not form.changes for form in forms) >= 9
    assert all(score.queries <= 600 for _, score in found)
    result = found[0][0]
    assert result.accuracy(result.chosen) > result.accuracy(result.given)
    assert not set(result.compared) & set(range(48)), "compared on images that the stages have seen"


def test_images_that_are_inverted_are_found_and_their_values_raced_again() -> None:
    def penalty(form: Form) -> float:
        return 2.0 * (not form.inverted) + 0.8 * (form.format.range != "-1..1") * form.inverted

    form = raced(penalty, budget=800)[0].chosen.form
    assert form.inverted
    assert form.format.range == "-1..1"


def test_the_given_form_is_kept_if_it_is_right_or_all_are_alike() -> None:
    def worse(form: Form) -> float:
        return 0.3 * (form != GIVEN)

    def alike(form: Form) -> float:
        return 0.0

    for penalty in (worse, alike):
        assert sum(raced(penalty, seed=seed)[0].found for seed in range(8)) == 0


@pytest.mark.parametrize("images", [2, 5, 30, 60])
@pytest.mark.parametrize("budget", [50, 100, 400])
def test_few_images_and_small_budgets_end_in_a_result(images: int, budget: int) -> None:
    result, score = raced(lambda form: float(form.format.channels != "bgr"), images=images, budget=budget)
    assert score.queries <= budget
    assert 0 <= result.accuracy(result.given) <= 1
    assert result.chosen.form in (result.given.form, result.best.form)


def test_fits_are_not_raced_if_all_images_have_the_size_of_the_model() -> None:
    score = Drawn(lambda form: 0.0, 600, 0)
    result = Race(score, GIVEN, np.arange(300), 600, fits=False).run()
    assert {row.form.fitting for row in result.rows} == {Fitting()}
