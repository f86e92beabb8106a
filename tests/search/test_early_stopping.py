"""A search stops where it stands still, and not before."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackbox_dft import Tuning
from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators import make_estimator
from blackbox_dft.search.early_stopping import FIRST, GROWTH, EarlyStopping
from tests.conftest import Bbdft

PAIRED = ["surface", "nes", "spsa", "finite-difference", "spsa:crossed=true"]
BOUND = 9.0
DEMO = Path(__file__).parents[2] / "blackbox_dft" / "demo" / "assets"


def stops(
    estimator: str, seed: int, slope: float, curvature: float, noise: float, limit: int, bound: float = BOUND
) -> int:
    """Queries after which a search of losses ``slope z_0 + curvature |z - a|^2`` and noise stops; 0 for never."""
    rng = np.random.default_rng(seed)
    lower, upper = np.full(6, -bound), np.full(6, bound)
    lower[4:], upper[4:] = -np.inf, np.inf
    at = np.array([2.0, -1.0, 0.5, 0.0, 1.0, -1.0])
    made = make_estimator(estimator, 6, start=np.zeros(6), lower=lower, upper=upper, seed=seed)
    still = EarlyStopping(lower, upper)
    spent = 0

    def loss(z: Floats) -> Floats:
        away = np.linalg.norm(z - at, axis=1)
        return np.asarray(slope * z[:, 0] + curvature * away**2)

    while spent < limit:
        proposal = made.ask()
        # What is peculiar to an image is the same for both of a pair.
        own = rng.normal(size=proposal.images)[proposal.slots]
        losses = loss(proposal.candidates)[proposal.rows] + own + noise * rng.normal(size=proposal.queries)
        made.tell(proposal, losses)
        still.tell(proposal, losses, made.best)
        spent += proposal.queries
        if still.enough:
            return spent
    return 0


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(PAIRED), st.integers(0, 2**31))
def test_never_where_losses_fall_all_the_way(estimator: str, seed: int) -> None:
    # So steep that a stretch's way is worth far more than LITTLE, and no bound stands in the way.
    limit = int(FIRST * GROWTH**6)
    assert stops(estimator, seed, slope=0.5, curvature=0, noise=0.02, limit=limit, bound=1e6) == 0


@pytest.mark.parametrize("estimator", ["surface", "nes", "finite-difference"])
@pytest.mark.parametrize("seed", range(3))
def test_soon_where_there_is_a_minimum(estimator: str, seed: int) -> None:
    found = stops(estimator, seed, slope=0, curvature=0.03, noise=0.02, limit=20_000)
    assert 2 * FIRST < found < 20_000


def test_a_run_that_stops_early_says_so_and_goes_on_when_given_more(bbdft: Bbdft, tmp_path: Path) -> None:
    run = tmp_path / "run"
    line = [DEMO / "digits.onnx", "--data", DEMO / "labels.csv", "--space", "color", "--budget", 12_000, "--out", run]
    said = bbdft("optimize", *line, "--early-stop", code=0)
    first = json.loads((run / "summary.json").read_text())
    assert first["stopped_early"]
    assert "the search stopped early" in said.stdout
    assert first["queries"]["total"] < 9_000
    assert first["verdict"] == "improved"
    z = Tuning.load(run).z
    bbdft("resume", run, code=0)
    np.testing.assert_array_equal(Tuning.load(run).z, z)
    bbdft("resume", run, "--budget", 12_000, code=0)
    second = json.loads((run / "summary.json").read_text())
    assert not second["stopped_early"]
    assert first["queries"]["total"] < second["queries"]["total"] <= 12_000


def test_one_that_asks_no_pairs_is_refused(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    line = [tiny / "model.onnx", "--data", tiny / "labels.csv", "--out", tmp_path / "run", "--estimator", "cma-es"]
    done = bbdft("optimize", *line, "--early-stop", code=2)
    assert "--estimator cma-es proposes no pairs, which early stopping needs: leave out --early-stop" in done.stderr
