"""Scores of images in several input forms: side by side, each pixel paid for once, within the budget."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blackbox_dft._utils.types import Floats, ImageBytes
from blackbox_dft.data.originals import list_originals
from blackbox_dft.errors import BudgetError
from blackbox_dft.run.form_scoring import FormScoring
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.targets.callable import CallableTarget
from blackbox_dft.targets.input_forms import Form
from blackbox_dft.targets.options import TargetOptions
from tests.helpers.colours import SIDE, write_colours

FORMS = [replace(Form(None), turn=turn) for turn in (0, 90, 180)]
IMAGES = np.arange(4)


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_colours(tmp_path_factory.mktemp("colours"))


def scoring(folder: Path, ledger: Ledger, function: Callable[[ImageBytes], Floats], budget: int = 100) -> FormScoring:
    target = CallableTarget("a function", TargetOptions(batch=4, workers=3), function)
    originals = list_originals(folder / "labels.csv", count=8)
    return FormScoring(target, originals, (SIDE, SIDE), ledger, budget=budget)


def corner(images: ImageBytes) -> Floats:
    """What a turn changes."""
    first = images[:, 0, 0, 0] / 255 / 2
    return np.stack([first, 1 - first], 1)


def test_forms_are_scored_side_by_side_and_as_one_after_the_other(colours: Path) -> None:
    together = threading.Barrier(len(FORMS), timeout=60)

    def waits(images: ImageBytes) -> Floats:
        together.wait()
        return corner(images)

    with Ledger(Path(":memory:"), budget=100) as side, Ledger(Path(":memory:"), budget=100) as serial:
        ahead, alone = scoring(colours, side, waits), scoring(colours, serial, corner)
        ahead.ahead([(form, IMAGES) for form in FORMS])
        for form in FORMS:
            np.testing.assert_array_equal(ahead.raw(form, IMAGES), alone.raw(form, IMAGES))
        assert ahead.queries == alone.queries
        assert side.total == serial.total
        ahead.close()
        alone.close()


def test_what_the_budget_does_not_cover_is_not_scored_ahead(colours: Path) -> None:
    with Ledger(Path(":memory:"), budget=100) as ledger:
        made = scoring(colours, ledger, corner, budget=6)
        made.ahead([(form, IMAGES) for form in FORMS])
        assert ledger.total == 0
        made.raw(FORMS[0], IMAGES)
        with pytest.raises(BudgetError, match="the budget of 6 queries is spent"):
            made.raw(FORMS[1], IMAGES)
        assert ledger.total == made.queries <= 6
        made.close()
