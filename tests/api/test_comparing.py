"""compare from Python, on arrays and a function."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from blackbox_dft import InputError, compare, plots
from tests.helpers.tone_arrays import Bright, tone_arrays

GRID = {"estimators": ["spsa", "random"], "spaces": ["color"], "budgets": [300, 1200], "seeds": 1, "progress": False}


def test_objects_are_compared_in_this_process(tmp_path: Path) -> None:
    target = Bright()
    found = compare(target, tone_arrays(), out=tmp_path / "out", **GRID)  # type: ignore[arg-type]
    assert target.scored == found.results["queries"]
    frame = found.to_frame()
    assert list(frame.columns[:3]) == ["space", "estimator", "queries"]
    assert len(frame) == 4
    assert found.recommendation in str(found)
    assert repr(found) == "Comparison(2 variants, 1 seeds)"
    for one in (found, found.results, tmp_path / "out"):
        assert isinstance(plots.comparison(one), Figure)
    assert isinstance(found.plot(), Figure)
    # The same call continues, and has nothing left to score.
    again = Bright()
    compare(again, tone_arrays(), out=tmp_path / "out", **GRID)  # type: ignore[arg-type]
    assert again.scored == 0


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match=r"budget= is one of those compared: pass budgets=\[\.\.\.\] instead"):
        compare(Bright(), tone_arrays(), budget=500, **GRID)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="stay in this process: leave processes= out"):
        compare(Bright(), tone_arrays(), processes=2, **GRID)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"may cost: pass budgets=\[\.\.\.\]"):
        compare(Bright(), tone_arrays(), price=1.0, **{**GRID, "budgets": None})  # type: ignore[arg-type]
