"""The grid of a comparison."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackbox_dft.comparison.grid import Grid, GridRun, Variant, parse_budgets
from blackbox_dft.errors import InputError


def test_runs_come_seed_by_seed_and_space_by_space() -> None:
    grid = Grid(("color", "affine"), ("nes", "spsa"), (100,), (3, 4))
    first = ["nes on color", "spsa on color", "nes on affine", "spsa on affine"]
    assert [str(variant) for variant in grid.variants] == first
    assert [str(run) for run in grid.runs] == [f"{name}, seed {seed}" for seed in (3, 4) for name in first]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"spaces": ()}, "give --space at least once"),
        ({"estimators": ("nes", "nes")}, "--estimator names 'nes' twice"),
        ({"budgets": (200, 100)}, "out of order"),
        ({"budgets": (0, 100)}, "count from 1"),
        ({"seeds": ()}, "count from 1"),
    ],
)
def test_what_cannot_be_compared_is_refused(values: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Grid(**{"spaces": ("color",), "estimators": ("nes",), "budgets": (100,), "seeds": (0,), **values})


@pytest.mark.parametrize("text", ["", "500,", "5e2", "-5", "1.5", "٣"])
def test_budgets_are_whole_numbers(text: str) -> None:
    with pytest.raises(InputError, match="not a list of whole numbers"):
        parse_budgets(text)


def test_files_of_mirrored_runs_are_called_as_before_other_borders() -> None:
    mirrored, now = (GridRun(Variant(spec, "nes"), 0).file_name for spec in ("affine:mirror+color", "affine+color"))
    assert mirrored.startswith("affine+color.nes.")
    assert now.startswith("affine_edge+color.nes.")


@given(st.lists(st.tuples(st.text(), st.text()), min_size=2, max_size=6, unique=True))
def test_file_names_are_plain_and_unique(specs: list[tuple[str, str]]) -> None:
    names = [GridRun(Variant(*spec), 7).file_name for spec in specs]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9+=,._-]{1,120}", name) for name in names)
