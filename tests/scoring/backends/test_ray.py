"""A run on a Ray cluster: to the bit as one in this process, whatever dies or stalls; and what a user gets wrong."""

import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from blackbox_dft import Config
from blackbox_dft.errors import InputError, TargetError
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.result import Result
from blackbox_dft.run.runner import optimize, resume
from blackbox_dft.scoring.backends.array import ArrayBackend
from blackbox_dft.scoring.backends.fused import FusedBackend
from blackbox_dft.scoring.backends.ray_worker_spec import WorkerSpec
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.targets import TargetOptions
from tests.conftest import Bbdft

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install '.[ray]'")

FUNCTION = '''
import os
import signal
import time
from pathlib import Path

HERE = Path(__file__).parent


def score(images):
    """Brightness; but each file in deaths/ kills one process, and one in stalls/ stalls one call."""
    (HERE / "calls").mkdir(exist_ok=True)
    (HERE / "calls" / f"{os.getpid()} {time.monotonic_ns()}").touch()
    if _taken("deaths"):
        os.kill(os.getpid(), signal.SIGKILL)
    mark = HERE / "stalled" / str(images.astype("u8").sum())
    if mark.exists():
        (HERE / "again").touch()
    elif _taken("stalls"):
        mark.parent.mkdir(exist_ok=True)
        mark.touch()
        until = time.monotonic() + 60
        while not (HERE / "again").exists() and time.monotonic() < until:
            time.sleep(0.02)
    if (HERE / "broken").exists():
        raise ValueError("no such thing")
    light = images.mean(axis=(1, 2, 3)) / 255
    return [[1 - x, x] for x in light]


def _taken(folder):
    # A few calls go well before.
    if len(list((HERE / "calls").iterdir())) < 20:
        return False
    for file in (HERE / folder).glob("*"):
        try:
            file.unlink()
            return True
        except FileNotFoundError:
            pass
    return False


score.classes = ["dark", "bright"]
score.image_size = (16, 16)
score.batch = 8
'''


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A local cluster that all runs of this file share, as a process connected to Ray stays so."""
    from blackbox_dft.scoring.backends.ray_cluster import Cluster

    ours = Cluster("local", 2)
    ours.connect()
    yield
    ours.close()


@pytest.fixture
def function(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a Python target, ``light:score``, which is the current one."""
    folder = tmp_path / "function"
    folder.mkdir()
    name = f"light_{tmp_path.name}"
    (folder / f"{name}.py").write_text(FUNCTION)
    monkeypatch.chdir(folder)
    yield folder
    sys.path.remove(str(folder))
    del sys.modules[name]


def run(target: object, tiny: Path, out: Path, where: str, *, workers: int = 2, **settings: object) -> Result:
    options = TargetOptions(cluster=where, workers=workers, batch=8)
    config = Config(str(target), str(tiny / "labels.csv"), target_options=options, **{"budget": 900} | settings)  # type: ignore[arg-type]
    return optimize(config, out)


def name_of(folder: Path) -> str:
    return f"{next(folder.glob('light_*.py')).stem}:score"


def same(here: Result, there: Result, tmp_path: Path) -> None:
    """Both runs came to the same numbers, and their ledgers to the same count."""
    assert np.array_equal(here.tuning.z, there.tuning.z)
    assert np.array_equal(here.after, there.after)
    assert here.summary.queries == there.summary.queries
    with Ledger(tmp_path / "there" / "ledger.sqlite", budget=900) as ledger:
        assert ledger.total == there.summary.queries.total
        assert ledger.in_doubt == 0


@needs_ray
@pytest.mark.parametrize("in_flight", [1, 3])
def test_a_run_on_a_cluster_ends_as_one_here(cluster: None, in_flight: int, tiny: Path, tmp_path: Path) -> None:
    settings = {"space": "affine+dct:4", "in_flight": in_flight}
    here = run(tiny / "model.onnx", tiny, tmp_path / "here", "", **settings)
    there = run(tiny / "model.onnx", tiny, tmp_path / "there", "local", **settings)
    same(here, there, tmp_path)


@needs_ray
def test_actors_may_die(cluster: None, function: Path, tiny: Path, tmp_path: Path) -> None:
    here = run(name_of(function), tiny, tmp_path / "here", "", space="color")
    shutil.rmtree(function / "calls")
    (function / "deaths").mkdir()
    for number in range(2):
        (function / "deaths" / str(number)).touch()
    there = run(name_of(function), tiny, tmp_path / "there", "local", space="color")
    assert not list((function / "deaths").iterdir())
    same(here, there, tmp_path)


@needs_ray
def test_what_takes_far_too_long_is_asked_of_another(cluster: None, function: Path, tiny: Path, tmp_path: Path) -> None:
    here = run(name_of(function), tiny, tmp_path / "here", "", space="color")
    shutil.rmtree(function / "calls")
    (function / "stalls").mkdir()
    (function / "stalls" / "one").touch()
    there = run(name_of(function), tiny, tmp_path / "there", "local", space="color")
    assert (function / "again").exists()
    same(here, there, tmp_path)


@needs_ray
def test_images_that_kill_every_actor_end_the_run(
    cluster: None, function: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from blackbox_dft.scoring.backends import ray

    monkeypatch.setattr(ray, "MAX_TRIES", 2)
    (function / "deaths").mkdir()
    for number in range(100):
        (function / "deaths" / str(number)).touch()
    with pytest.raises(TargetError, match="2 actors of local died one after the other"):
        run(name_of(function), tiny, tmp_path / "run", "local", workers=1, space="color")


@needs_ray
def test_an_error_of_the_target_is_said_as_here(cluster: None, function: Path, tiny: Path, tmp_path: Path) -> None:
    (function / "broken").touch()
    with pytest.raises(TargetError) as here:
        run(name_of(function), tiny, tmp_path / "here", "", space="color")
    with pytest.raises(TargetError) as there:
        run(name_of(function), tiny, tmp_path / "there", "local", workers=1, space="color")
    assert str(there.value) == str(here.value)


@needs_ray
def test_a_cluster_begun_by_the_command_is_left_when_resumed(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    words = [tiny / "model.onnx", "--data", tiny / "labels.csv", "--space", "dct:4", "--batch", 8, "--budget", 700]
    done = bbdft("optimize", *words, "--out", tmp_path / "there", "--cluster", "local", "--workers", 2, code=0)
    assert "on 2 actors of a Ray cluster begun here" in done.stderr
    assert "ray" not in done.stderr.replace("a Ray cluster begun here", "").lower()
    bbdft("resume", tmp_path / "there", "--budget", 900, "--cluster", "none", code=0)
    run(tiny / "model.onnx", tiny, tmp_path / "here", "", space="dct:4", budget=700)
    here = resume(tmp_path / "here", budget=900)
    assert np.array_equal(here.tuning.z, np.load(tmp_path / "there" / "tuning.npz")["z"])


@needs_ray
@pytest.mark.parametrize(
    ("cluster_words", "said"),
    [
        (["127.0.0.1:1", "--workers", 2], "cannot be reached"),
        (["127.0.0.1:1"], "needs --workers N"),
        (["nonsense", "--workers", 2], "is no address: give local, auto or HOST:PORT"),
    ],
)
def test_what_is_no_cluster_is_refused_in_a_sentence(
    cluster_words: list[object], said: str, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    words = ["optimize", tiny / "model.onnx", "--data", tiny / "labels.csv", "--out", tmp_path / "run"]
    done = bbdft(*words, "--cluster", *cluster_words, code=2)
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_without_ray_the_sentence_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tiny: Path, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"Ray, which is not installed: pip install 'blackbox-dft\[ray\]'"):
        run(tiny / "model.onnx", tiny, tmp_path / "run", "local")
    assert not (tmp_path / "run").exists()


def test_a_url_runs_elsewhere_already(tiny: Path, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(InputError, match="runs elsewhere: leave it out"):
            run(f"http://127.0.0.1:{closed.getsockname()[1]}/v2/models/m", tiny, tmp_path / "run", "local")


def test_another_model_or_version_on_a_node_is_refused(tiny: Path) -> None:
    """What an actor makes is made from the spec alone: the files travel in it."""
    experiment = Experiment(Config(str(tiny / "model.onnx"), str(tiny / "labels.csv"), space="dct:4", budget=900))
    array = ArrayBackend(experiment.data.images, experiment.space, experiment.target, experiment.encoding)
    assert experiment.fused
    here = FusedBackend(array, experiment.fused).scores
    recipe = WorkerSpec.of(array, experiment.config.target_options, fused=True, threads=1)
    moved = replace(recipe, name="/nowhere/model.onnx")
    z = np.full(experiment.space.size, 0.3)
    assert np.array_equal(moved(experiment.data.images)(np.arange(5), z), here(np.arange(5), z))
    with pytest.raises(InputError, match="differs from the one the run was started with"):
        replace(recipe, fingerprint="0")(experiment.data.images)
    with pytest.raises(InputError, match=r"the run was started with 0\.0\.1"):
        replace(recipe, version="0.0.1")(experiment.data.images)
