"""Actors of a local Ray cluster against sessions in this process, in one run, and a model of more of them.

    pip install '.[ray]'
    python benchmarks/scaling.py [--parts sessions,sleeping,whole,auto,killed,driver] [--rounds 5]

sessions: requests to two actors against the same requests to two sessions in threads; by the clock and by processor
    time of all processes together, interleaved.
sleeping: a target that sleeps 50 ms a request and takes no processor: 1, 2, 4 and 8 actors side by side.
whole: ``optimize`` with that target, 1 and 8 actors, by estimator and batch.
auto: searches by ``surface`` on two actors with ``--in-flight auto``, against two sessions in this process.
killed: ``optimize`` while an actor is killed every ``--every`` seconds (``--nodes``: while its node is), against the
    same run in this process: z and the ledger's count.
driver: processor time of this process for a request and for an image, which is what bounds a cluster.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import cv2
import numpy as np

from benchmarks.models import OUTPUTS, SYNTHETIC, build
from benchmarks.tasks import SHARED
from benchmarks.throughput import write_images
from blackbox_dft._utils.types import Array, Floats, Ints
from blackbox_dft.run.config import Config
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.runner import start
from blackbox_dft.scoring.backends.array import ArrayBackend
from blackbox_dft.scoring.backends.base import ScoreFunction
from blackbox_dft.scoring.backends.fused import FusedBackend
from blackbox_dft.scoring.backends.ray import RayBackend, WorkerPool
from blackbox_dft.scoring.backends.ray_cluster import Cluster
from blackbox_dft.scoring.keys import Keys
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.scoring.scorer import Pool, Scorer
from blackbox_dft.search.progress import NoProgress
from blackbox_dft.targets.options import TargetOptions

SLEEPING = """
import time


def score(images):
    time.sleep({seconds})
    light = images.mean(axis=(1, 2, 3)) / 255
    return [[1 - x, x] for x in light]


score.classes = ["c0", "c1"]
score.image_size = (64, 64)
"""
SECONDS = 0.05
COUNTS = (1, 2, 4, 8)
TICKS = os.sysconf("SC_CLK_TCK")


def descendants() -> dict[int, tuple[str, float]]:
    """Name and processor seconds of this process and all below it, by number."""
    parents, found = {}, {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            text = (folder / "stat").read_text()
        except OSError:
            continue
        fields = text.rpartition(")")[2].split()
        parents[int(folder.name)] = int(fields[1])
        found[int(folder.name)] = (
            text[text.index("(") + 1 : text.rindex(")")],
            (int(fields[11]) + int(fields[12])) / TICKS,
        )

    def below(process: int) -> bool:
        while process not in (0, os.getpid()):
            process = parents.get(process, 0)
        return process != 0

    return {process: one for process, one in found.items() if below(process)}


def spent() -> float:
    """Processor seconds of this process and all below it; of those that ended, none."""
    return sum(seconds for _, seconds in descendants().values())


def opened(
    target: object, data: Path, cluster: str, workers: int, batch: int, output: str | None = None, **settings: object
) -> Experiment:
    options = TargetOptions(cluster=cluster, workers=workers, batch=batch, provider="cpu", output=output)
    settings = {"early_stop": False, "evaluate": "all"} | settings
    return Experiment(Config(str(target), str(data), target_options=options, **settings))  # type: ignore[arg-type]


def here_of(experiment: Experiment) -> ScoreFunction:
    """Scores in this process."""
    array = ArrayBackend(experiment.data.images, experiment.space, experiment.target, experiment.encoding)
    return FusedBackend(array, experiment.fused).scores if experiment.fused else array.scores


def pool_at(experiment: Experiment, workers: int) -> WorkerPool:
    """``workers`` actors, all started, that score as the experiment does here."""
    array = ArrayBackend(experiment.data.images, experiment.space, experiment.target, experiment.encoding)
    options, fused = experiment.config.target_options, experiment.fused is not None
    pool = RayBackend.of(Cluster("local", workers), array, options, fused=fused, threads=1).pool
    pool.scores(np.arange(1), experiment.space.initial())
    while pool.ready < workers:
        time.sleep(0.05)
    return pool


def paired(experiment: Experiment, batch: int, count: int) -> list[tuple[Ints, Floats]]:
    rng = np.random.default_rng(0)
    pool = len(experiment.data.images)
    return [(rng.integers(0, pool, batch), rng.normal(size=(batch, experiment.space.size)) / 2) for _ in range(count)]


def timed(score: ScoreFunction, calls: int, requests: Sequence[tuple[Ints, Floats]]) -> Array:
    """Seconds by the clock and of all processors."""
    before, began = spent(), time.perf_counter()
    with ThreadPoolExecutor(calls) as threads:
        for answer in threads.map(lambda one: score(*one), requests):
            assert len(answer)
    return np.array([time.perf_counter() - began, spent() - before])


def said(shares: Sequence[float]) -> str:
    return f"{statistics.median(shares):.2f} ({min(shares):.2f}-{max(shares):.2f})"


class Bench:
    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder, self.rounds, self.options = folder, options.rounds, options
        os.chdir(folder)

    def data(self, side: int, count: int = 400) -> Path:
        folder = self.folder / f"images-{side}-{count}"
        return folder / "labels.csv" if folder.exists() else write_images(folder, side, count)

    def sleeper(self, seconds: float) -> str:
        name = f"sleeping_{round(seconds * 1000)}"
        (self.folder / f"{name}.py").write_text(SLEEPING.format(seconds=seconds))
        return f"{name}:score"

    def sessions(self) -> None:
        cv2.setNumThreads(1)
        models = [("small-cnn-64", 8), ("small-cnn-64", 64), ("mobilenet-112", 8), ("mobilenet-112", 32)]
        models += [("age-gender-112", 8)] if SHARED.is_dir() else []
        for name, batch in models:
            data = self.data(SYNTHETIC[name][1] if name in SYNTHETIC else 112)
            table = ("c0=male", "c1=*") if name in OUTPUTS else ()
            experiment = opened(build(name, self.folder, SHARED), data, "", 2, batch, OUTPUTS.get(name), map=table)
            here, pool = here_of(experiment), pool_at(experiment, 2)
            once = timed(here, 2, paired(experiment, batch, 16))[0] / 16
            requests = paired(experiment, batch, max(16, int(self.options.seconds / once)))
            shares = []
            for _ in range(self.rounds):
                first, there, last = (
                    timed(*one, requests) for one in ((here, 2), (pool.scores, pool.calls), (here, 2))
                )
                shares.append((first + last) / 2 / there)
            pool.close()
            clock, processor = zip(*shares, strict=True)
            rate = len(requests) * batch / first[0]
            print(
                f"{name:<15} batch {batch:<3} {rate:7,.0f}/s here; clock {said(clock)}, processor {said(processor)}",
                flush=True,
            )

    def sleeping(self) -> None:
        experiment = opened(self.sleeper(SECONDS), self.data(64), "", 1, 8)
        crews = {count: pool_at(experiment, count) for count in COUNTS}
        rates: dict[int, list[float]] = {count: [] for count in COUNTS}
        for _ in range(self.rounds):
            for count, crew in crews.items():
                requests = paired(experiment, 8, 20 * count)
                rates[count].append(len(requests) / timed(crew.scores, crew.calls, requests)[0])
        for count, found in rates.items():
            times = [mine / one for mine, one in zip(found, rates[1], strict=True)]
            lost = count / statistics.median(found) - SECONDS
            each = f"{1e3 * lost:.1f} ms a request beside the {1e3 * SECONDS:.0f}"
            print(f"{count} actors: {said(found)} requests/s, {said(times)} of one; {each}", flush=True)
        for crew in crews.values():
            crew.close()

    def whole(self) -> None:
        for estimator, batch in (("surface", 8), ("nes", 8), ("nes:pairs=64", 8), ("nes:pairs=64", 2)):
            took = {}
            for workers in (1, 8):
                settings = {"space": "color", "estimator": estimator, "budget": 700}
                experiment = opened(self.sleeper(SECONDS), self.data(64), "local", workers, batch, **settings)
                step = experiment.estimator().ask().queries
                with tempfile.TemporaryDirectory() as out:
                    began = time.perf_counter()
                    summary = start(experiment, Path(out) / "run").summary
                    took[workers] = time.perf_counter() - began
            total = summary.queries.total
            print(
                f"{estimator:<13} {step:>3} queries a step, {batch} images a request, {total} in all: "
                f"{took[1]:.1f} s with one actor, {took[8]:.1f} s with eight, {took[1] / took[8]:.1f} times",
                flush=True,
            )

    def auto(self) -> None:
        model = build("age-gender-112", self.folder, SHARED)
        whole = {"space": "affine+color", "budget": self.options.budget, "evaluate": "200", "map": ("c0=male", "c1=*")}
        shares: dict[int, list[float]] = {8: [], 16: []}
        for _ in range(self.rounds):
            took = {}
            for cluster, batch, in_flight in (("", 8, 1), ("local", 8, "auto"), ("local", 16, "auto")):
                output = OUTPUTS["age-gender-112"]
                settings = {**whole, "in_flight": in_flight}
                experiment = opened(model, self.data(112, 1000), cluster, 2, batch, output, **settings)
                clock = SearchClock()
                with tempfile.TemporaryDirectory() as out:
                    start(experiment, Path(out) / "run", clock)
                took[cluster, batch] = clock.seconds
            for batch, found in shares.items():
                found.append(took["", 8] / took["local", batch])
        for batch, found in shares.items():
            print(f"age-gender-112, batch {batch}: two actors {said(found)} of two sessions", flush=True)

    def killed(self) -> None:
        data, budget = self.data(112, 1000), self.options.budget
        model = build("mobilenet-112", self.folder, SHARED)
        results = []
        for cluster in ("", "nodes" if self.options.nodes else "local"):
            out = self.folder / f"run-{cluster}"
            settings = {"space": "affine+color+dct:8", "budget": budget, "map": ("c0=c0", "c1=*")}
            losing = nodes_lost if self.options.nodes else actors_killed
            with losing(self.options.every) if cluster else nullcontext(("", [])) as (address, lost):
                experiment = opened(model, data, address, 2, 8, **settings)
                result = start(experiment, out)
            with Ledger(out / "ledger.sqlite", budget=budget) as ledger:
                results.append((result.tuning.z, result.summary.queries, ledger.total, ledger.in_doubt))
            seconds = result.summary.seconds
            print(
                f"{cluster or 'here'}: {seconds:.0f} s, {results[-1][2]:,} in the ledger, {len(lost)} lost", flush=True
            )
        (z, queries, count, _), (other, others, counted, doubt) = results
        same = "the same" if np.array_equal(z, other) else "ANOTHER"
        exact = "exact" if (queries, count, 0) == (others, counted, doubt) else "WRONG"
        print(f"z {same}, count {exact}")

    def driver(self) -> None:
        experiment = opened(self.sleeper(0), self.data(64), "", 2, 8, space="dct:8")
        crew = pool_at(experiment, 2)
        rows = []
        for batch in (8, 32, 128) * self.rounds:
            with Ledger(self.folder / f"driver-{len(rows)}.sqlite", budget=2**62) as ledger:
                keys = Keys.of_run(
                    experiment.target, experiment.encoding, experiment.shape, experiment.space, fused=False
                )
                pool = Pool(experiment.data.images, experiment.data.digests)
                scorer = Scorer(pool, experiment.target, RayBackend(crew), keys, ledger, batch=batch)
                rng = np.random.default_rng(len(rows))
                before, queries = time.process_time(), 4096
                for _ in range(queries // 1024):
                    scorer.score(
                        "tune",
                        rng.integers(0, 400, 1024),
                        rng.normal(size=(1024, experiment.space.size)),
                        np.arange(1024),
                    )
                rows.append((queries / batch, queries, time.process_time() - before))
        table = np.array(rows)
        (request, image), *_ = np.linalg.lstsq(table[:, :2], table[:, 2])
        crew.close()
        for batch in (8, 32, 128):
            rest = table[table[:, 1] / table[:, 0] == batch]
            print(
                f"batch {batch}: {1e6 * np.median(rest[:, 2] / rest[:, 1]):.0f} µs of this process an image", flush=True
            )
        print(f"fitted: {1e3 * request:.2f} ms a request and {1e6 * image:.0f} µs an image")
        for batch in (8, 32, 128):
            print(
                f"  one core of it serves at most {1 / (request / batch + image):,.0f} images/s in requests of {batch}"
            )


class SearchClock(NoProgress):
    """How long the search of a run took."""

    began, seconds = 0.0, 0.0

    def phase(self, name: str, queries: int) -> None:
        now = time.perf_counter()
        if self.began and not self.seconds:
            self.seconds = now - self.began
        if name == "tune":
            self.began = now


@contextmanager
def actors_killed(every: float) -> Iterator[tuple[str, list[int]]]:
    """Ends an actor every so many seconds, as the kernel would that is out of memory."""
    lost: list[int] = []
    over = threading.Event()

    def kill() -> None:
        while not over.wait(every):
            if actors := [process for process, (name, _) in descendants().items() if name.startswith("ray::_Holder")]:
                lost.append(actors[len(lost) % len(actors)])
                os.kill(lost[-1], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    yield "local", lost
    over.set()
    thread.join()


@contextmanager
def nodes_lost(every: float) -> Iterator[tuple[str, list[int]]]:
    """Takes two of four nodes away, one after the other; the driver is on a fifth."""
    from ray.cluster_utils import Cluster as Nodes

    room = {"object_store_memory": 2 * 10**8}
    cluster = Nodes(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **room})
    nodes = [cluster.add_node(num_cpus=1, **room) for _ in range(4)]
    lost: list[int] = []
    over = threading.Event()

    def lose() -> None:
        while len(lost) < 2 and not over.wait(every):
            cluster.remove_node(nodes.pop(0), allow_graceful=False)
            lost.append(len(lost))

    thread = threading.Thread(target=lose)
    thread.start()
    yield cluster.address, lost
    over.set()
    thread.join()
    cluster.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="sessions,sleeping,whole,auto,driver,killed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each variant in each round")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between deaths")
    parser.add_argument("--nodes", action="store_true", help="let nodes be lost instead of actors")
    parser.add_argument("--budget", type=int, default=10_000, help="of the runs of auto, and whose actors die")
    options = parser.parse_args()
    apart = ("whole", "auto", "killed")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder).resolve(), options)
        for part in sorted(options.parts.split(","), key=apart.__contains__):
            print(f"\n{part}", flush=True)
            if part in apart:
                # These runs begin clusters of their own.
                getattr(bench, part)()
                continue
            cluster = Cluster("local", sum(COUNTS))
            cluster.connect(10**8)
            getattr(bench, part)()
            cluster.close()


if __name__ == "__main__":
    main()
