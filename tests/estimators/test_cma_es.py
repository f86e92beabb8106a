"""CMA-ES: restarts, and no side effects of pycma."""

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.quadratic import Quadratic, make


@pytest.mark.parametrize(("size", "bound"), [(1, np.inf), (4, np.inf), (4, 1.5)])
def test_it_restarts_after_its_own_convergence(size: int, bound: float) -> None:
    # Without noise the spread shrinks below the grid of candidates again and again.
    estimator = make("cma-es:images=1", size, bound=bound)
    means = []
    for _ in range(2600):
        proposal = estimator.ask()
        assert np.isfinite(proposal.candidates).all()
        estimator.tell(proposal, ((proposal.candidates - 1) ** 2).sum(axis=1))
        means.append(estimator.best)
    # A fresh start may be near the end of them.
    np.testing.assert_allclose(np.median(means[-1500:], axis=0), 1, atol=0.01)


def test_it_writes_and_prints_nothing_and_ignores_signal_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cma_signals.in").write_text("{'timeout': 0}")
    estimator, undisturbed = make("cma-es", 6), []
    for _ in range(5):
        proposal = estimator.ask()
        estimator.tell(proposal, Quadratic(6, 0).losses(proposal))
        undisturbed.append(estimator.best)
    (tmp_path / "cma_signals.in").unlink()
    again = make("cma-es", 6)
    for best in undisturbed:
        proposal = again.ask()
        again.tell(proposal, Quadratic(6, 0).losses(proposal))
        np.testing.assert_array_equal(again.best, best)
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_a_candidate_outside_the_bounds_is_penalised_by_its_distance() -> None:
    """The minimum of a linear loss is the bound; without the penalty the mean would drift away beyond it."""
    estimator = make("cma-es:images=1", 2, bound=1.0)
    for _ in range(200):
        proposal = estimator.ask()
        estimator.tell(proposal, proposal.candidates.sum(axis=1))
    np.testing.assert_allclose(estimator.best, -1, atol=0.01)
    assert (np.abs(estimator.ask().candidates) <= 1).all()
