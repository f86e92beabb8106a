"""The benchmarks' own parts: that peers are driven as they should be, and that the tables say what the rows say."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import scipy

from benchmarks import moved
from benchmarks.efficiency_table import Results, lines
from benchmarks.hard_cases import relabelled
from benchmarks.peer_adapters import Crossed
from benchmarks.peers import PEERS, Factory, Peer, text
from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators import SearchSpace
from blackbox_dft.run.config import Config

ROOT = Path(__file__).parents[2]
NEEDS = {"cmaes": "cmaes", "nevergrad": "nevergrad"}
GOAL = np.array([1.5, -1.0, 0.5])
LOWER, UPPER = np.full(3, -4.0), np.full(3, 4.0)


def losses(candidates: Floats, rows: Floats) -> Floats:
    return np.asarray(((candidates - GOAL) ** 2).sum(axis=1)[rows.astype(int)])


def search(peer: Peer, queries: int) -> tuple[list[Floats], Floats]:
    """All candidates of a search for ``GOAL``, and what it ends with."""
    space = SearchSpace(np.zeros(3), LOWER, UPPER)
    made = Factory(peer, {**peer.recommended, "images": 4}).at(queries)(space, seed=3)
    seen: list[Floats] = []
    spent = 0
    while spent < queries:
        proposal = made.ask()
        seen.append(proposal.candidates)
        spent += proposal.queries
        assert proposal.queries == len(proposal.candidates) * 4
        made.tell(proposal, losses(proposal.candidates, proposal.rows))
    return seen, made.best


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_finds_the_way_within_bounds_and_twice_the_same(name: str) -> None:
    if library := NEEDS.get(name.split()[0]):
        pytest.importorskip(library)
    if name == "scipy COBYQA" and tuple(map(int, scipy.__version__.split(".")[:2])) < (1, 14):
        pytest.skip("SciPy has COBYQA from 1.14 on")
    peer = PEERS[name]
    # At BlackVIP's published rates nothing moves by as much as a hundredth: they are for a network's weights.
    peer = Peer(peer.name, peer.make, {**peer.recommended, **peer.grid[0]}, (), peer.plans, peer.fixed)
    seen, best = search(peer, 6000)
    assert all(((z >= LOWER) & (z <= UPPER)).all() for z in seen)
    assert np.linalg.norm(best - GOAL) < 0.5 * np.linalg.norm(GOAL)
    again, also = search(peer, 6000)
    np.testing.assert_array_equal(np.concatenate(seen), np.concatenate(again))
    np.testing.assert_array_equal(best, also)


def test_settings_are_told_apart_by_their_text() -> None:
    for peer in PEERS.values():
        settings = peer.settings()
        assert text(settings[0]) == text(peer.recommended)
        assert 2 <= len({text(setting) for setting in settings}) == len(settings) <= 9
        assert all(set(setting) == set(peer.recommended) for setting in settings)


def row(
    method: str, queries: int, accuracy: float, setting: str = "", seed: int = 0, space: str = "s"
) -> dict[str, str]:
    values = {"task": "t", "space": space, "method": method, "setting": setting, "seed": seed, "queries": queries}
    return {
        name: str(value) for name, value in {**values, "accuracy": accuracy, "before": 0.5, "threshold": 0.55}.items()
    }


ROWS = [
    *(row("peer", 5000, accuracy, "a=1", seed) for seed, accuracy in enumerate((0.6, 0.7, 0.9))),
    *(row("peer", 5000, 0.65, "a=2", seed) for seed in range(3)),
    row("bbdft nes", 500, 0.6),
    row("bbdft nes", 5000, 0.8),
    row("rival", 500, 0.66, space="-"),
]


def test_tables_take_medians_and_the_better_setting() -> None:
    cell = Results(ROWS).cell("t", "s", "peer", 5000)
    assert cell
    assert (cell.accuracy, cell.setting, cell.seeds) == (0.7, "a=1", 3)
    printed = "\n".join(lines(ROWS))
    assert "| t, s | peer (a=1) 0.700 | bbdft nes: 1,581 | 0.32 |" in printed
    assert "Geometric mean of the ratios: 0.32." in printed
    assert "| t, s | - | +10.0 |" in printed
    assert "| rival | 0.660 | - |" in printed


def test_what_is_never_reached_is_said() -> None:
    assert Results(ROWS).needed("t", "s", "bbdft nes", 0.81) == float("inf")
    assert Results(ROWS).needed("t", "s", "bbdft nes", 0.55) == 500
    assert "none of ours by 5,000" in "\n".join(lines([*ROWS, row("other peer", 5000, 0.9)]))
    assert "no peer gains anything" in "\n".join(lines([row("peer", 5000, 0.5), row("bbdft nes", 5000, 0.6)]))


def test_a_killed_peer_leaves_no_thread_behind() -> None:
    script = "from benchmarks.peers import PEERS, Factory, SearchSpace; import numpy as np; e = np.zeros(2)\n" + (
        "peer = PEERS['scipy Powell']\n"
        "f = Factory(peer, peer.recommended)(SearchSpace(e, e - 1, e + 1), seed=0)\n"
        "f.ask(); import threading; n = threading.active_count(); del f; import time; time.sleep(.5)\n"
        "print(n, threading.active_count())"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=60)
    assert done.stdout.split() == ["2", "1"], done.stderr


def test_values_are_means_over_the_images_of_a_candidate() -> None:
    class Fixed:
        best = np.zeros(1)

        def ask(self) -> Floats:
            return np.array([[0.0], [9.0]])

        def tell(self, candidates: Floats, values: Floats) -> None:
            self.told = candidates, values

    inner = Fixed()
    made = Crossed(inner, 2, np.array([-1.0]), np.array([1.0]))
    proposal = made.ask()
    made.tell(proposal, np.array([1.0, 3.0, 5.0, 5.0]))
    np.testing.assert_array_equal(inner.told[0], [[0.0], [1.0]])
    np.testing.assert_array_equal(inner.told[1], [2.0, 5.0])


def test_moved_images_are_what_their_names_say() -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    image[5:8, 4:8] = 200
    right = moved.moved(image, right=0.25)
    np.testing.assert_array_equal(right[5:8, 9:13], image[5:8, 4:8])
    assert right.sum() == image.sum()
    # Counter-clockwise: what was at the top left is at the bottom left now.
    assert moved.moved(image, turn=90)[12:16, 5:8].min() == 200
    assert (moved.dark(image, 2, 0.5) == np.where(image > 0, round(255 * (0.25 + (200 / 255) ** 2 / 2)), 64)).all()


def test_an_image_without_a_decision_keeps_its_label(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "undecided.py").write_text(
        "import numpy as np\n\ndef score(images):\n    return np.full((len(images), 2), 0.5)\n\n"
        "score.classes = ['dark', 'bright']\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    made = relabelled(Config("undecided:score", str(tiny / "labels.csv")), tmp_path / "own.csv", None)
    given = dict(line.split(",") for line in (tiny / "labels.csv").read_text().splitlines()[1:])
    written = (line.split(",") for line in Path(made.data).read_text().splitlines()[1:])
    assert {file: label for file, label, _ in written} == given


NAMES = (path.relative_to(ROOT / "benchmarks").with_suffix("") for path in (ROOT / "benchmarks").rglob("*.py"))


@pytest.mark.parametrize("name", sorted(".".join(name.parts) for name in NAMES if name.name != "__init__"))
def test_every_benchmark_still_knows_the_package(name: str) -> None:
    try:
        import_module(f"benchmarks.{name}")
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] in ("blackbox_dft", "benchmarks"):
            raise
        pytest.skip(f"{error.name} is not installed")
