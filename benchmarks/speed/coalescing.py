"""Proposals in flight on a device that takes 1 ms a call and 10 µs an image: images/s, and what late losses cost.

    python benchmarks/speed/coalescing.py [--in-flight 1,8,auto]                                 # speed
    python benchmarks/speed/coalescing.py --bill [--seeds 12]
    python benchmarks/speed/coalescing.py --accuracy [--seeds 5] [--queries 500,1000,2000] [--in-flight 1,8,auto]

*Speed*: rounds of whole searches by ``surface`` in ``affine+color`` on ``tests/simulated_device.py``, whose calls take
no processor time, in alternation. *Bill*: tuning queries of runs on the device that pay for each, and so stop when
going on promises too little; medians over seeds. *Accuracy*: real models; medians over seeds of the test accuracy under
z, and under z and the output map, after so many tuning queries, without early stopping. There, ``auto`` has as many in
flight as a device that gets ever faster would be given.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.output_map import config
from blackbox_dft._utils.types import Floats
from blackbox_dft.objectives import make_objective
from blackbox_dft.objectives.losses import decide
from blackbox_dft.run.config import Config
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.runner import start
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.scoring.scorer import Scorer
from blackbox_dft.search.in_flight import FixedInFlight, InFlight, InFlightSearch, sent_together
from blackbox_dft.search.loop import Task, tune
from blackbox_dft.search.mapped_selection import fit_search_map
from blackbox_dft.search.progress import NoProgress
from tests.simulated_device import SimulatedDevice, Stream, write_device

TASKS = ("lfw-gender", "smile-mini", "smile-faceapi", "usps-mnist")
BATCH, PROPOSAL = 256, 16
"""Images of a call on a GPU, and queries of a step."""
IMAGES = 1000
"""Of the search on the simulated device."""


def together(limit: int) -> int:
    """Proposals sent together on a GPU."""
    return sent_together(limit, proposal=PROPOSAL, batch=BATCH, at_once=2)


def in_flight(name: str) -> InFlight:
    """A fixed number of proposals in flight, or ``auto``'s if more are always faster."""
    if name != "auto":
        return FixedInFlight(int(name), together(int(name)))
    now = [0.0]
    search = InFlightSearch(2 * BATCH // PROPOSAL, together, clock=lambda: now[0])
    step = search.step

    def always_faster(queries: int, sent: int) -> None:
        now[0] += 1 / search.limit
        # All are taken as sent: what the ledger holds already is no faster here.
        step(queries, queries)

    search.step = always_faster  # type: ignore[method-assign]
    return search


def accuracies(
    here: Experiment, scorer: Scorer, name: str, seed: int, limits: Sequence[int]
) -> list[tuple[float, float]]:
    """Test accuracy under z, and under z and its map, after each of ``limits`` queries."""
    run = here.varied(space=here.config.space, estimator="auto", seed=seed, budget=here.config.budget)
    data, identity, found = run.data, run.space.initial(), []
    decoder = run.decoder(scorer.score("select", data.splits["val"], identity))
    task = Task(scorer, decoder, make_objective(run.objective(decoder)), data.labels)
    test = data.splits["test"]

    def accuracy(probabilities: Floats) -> float:
        return float(np.mean(decide(probabilities) == data.labels[test]))

    for limit in limits:
        scorer.ledger.trajectory += 1
        estimator = run.estimator()
        trajectory = tune(task, estimator, data.splits["train"], limit=limit, seed=seed, in_flight=in_flight(name))
        z = trajectory.average(1 / 4)
        mapped = fit_search_map(task, trajectory, z, "auto", seed)
        raw = scorer.score("evaluate", test, z)
        found.append((accuracy(decoder(raw)), accuracy(decoder.with_map(mapped)(raw))))
    return found


def accuracy_table(names: Sequence[str], seeds: int, limits: Sequence[int], tasks: Sequence[str]) -> None:
    heads = [f"{task}, {what}" for task in tasks for what in ("z", "z + map")]
    print("| in flight | " + " | ".join(heads) + " |\n" + "|---" * (len(heads) + 1) + "|", flush=True)
    rows: dict[str, list[str]] = {name: [] for name in names}
    for task in tasks:
        here = Experiment(replace(config(task, "auto"), early_stop=False, budget=20_000))
        with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "l.sqlite", budget=2**62) as ledger:
            scorer = here.scorer(ledger)
            for name in names:
                runs = np.array([accuracies(here, scorer, name, seed, limits) for seed in range(seeds)])
                for each in range(2):
                    rows[name].append(" ".join(f"{median(column):.4f}" for column in runs[:, :, each].T))
                means = runs.mean(axis=0).round(4).tolist()
                print(f"<!-- {task} {name}: means {means} -->", flush=True)
            scorer.close()
    for name, cells in rows.items():
        print(f"| {name} | " + " | ".join(cells) + " |")


@dataclass
class Watch(NoProgress):
    """When the search began and ended, and what the device had done by then."""

    stream: Stream
    seen: list[tuple[float, float, float, int, int]] = field(default_factory=list)
    """Seconds by the clock and of this thread, seconds of the device, images and calls."""
    found: str = ""

    def phase(self, name: str, queries: int) -> None:
        stream = self.stream
        at = (time.perf_counter(), time.thread_time(), stream.busy, stream.images, stream.calls)
        if name == "tune" or len(self.seen) == 1:
            self.seen.append(at)

    def note(self, text: str) -> None:
        if "in flight (" in text:
            self.found = text.removeprefix("search: ")


@dataclass(frozen=True)
class Speed:
    """Of a search."""

    rate: float
    """Images a second."""
    busy: float
    """Share of the time in which the device works."""
    own: float
    """Microseconds of this thread, a query."""
    images: float
    """Of a call."""
    found: str


def searched(folder: Path, in_flight: int | str, queries: int) -> Speed:
    """A whole search on the simulated device, evaluation and choice left out."""
    device = SimulatedDevice(folder / "model.onnx")
    settings: dict[str, object] = {"budget": queries, "early_stop": False, "evaluate": "all", "in_flight": in_flight}
    # A path that changes images in this process would be measured instead of the device's.
    settings["path"] = "fused"
    experiment = Experiment(
        Config("simulated-device", str(folder / "labels.csv"), "affine+color", **settings),  # type: ignore[arg-type]
        target=device,
    )
    watch = Watch(device.stream)
    with tempfile.TemporaryDirectory() as out:
        start(experiment, Path(out) / "run", watch)
    seconds, own, busy, images, calls = np.subtract(watch.seen[1], watch.seen[0]).tolist()
    return Speed(images / seconds, busy / seconds, 1e6 * own / images, images / calls, watch.found)


def speed_table(given: Sequence[str], rounds: int, queries: int) -> None:
    found: dict[str, list[Speed]] = {name: [] for name in given}
    with tempfile.TemporaryDirectory() as folder:
        write_device(Path(folder), IMAGES)
        for _ in range(rounds):
            for name, runs in found.items():
                runs.append(searched(Path(folder), int(name) if name.isdigit() else name, queries))
    base = found[given[0]]
    print(f"| in flight | images/s | of {given[0]} | device busy | images a call | own thread, µs a query |")
    print("|---" * 6 + "|")
    for name, runs in found.items():
        rate, busy, own, images = (
            median(getattr(run, what) for run in runs) for what in ("rate", "busy", "own", "images")
        )
        ratio = median(run.rate / first.rate for run, first in zip(runs, base, strict=True))
        print(f"| {name} | {rate:,.0f} | {ratio:.1f} | {busy:.0%} | {images:.0f} | {own:.0f} |")
    for name, runs in found.items():
        if runs[-1].found:
            print(f"\n{name}: {runs[-1].found}")


def bill_table(given: Sequence[str], seeds: int) -> None:
    print("| in flight | tuning queries | test accuracy |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        write_device(Path(folder), IMAGES)
        for name in given:
            found = []
            for seed in range(seeds):
                in_flight = int(name) if name.isdigit() else name
                settings: dict[str, object] = {"budget": 4000, "price": 0.001, "seed": seed, "in_flight": in_flight}
                described = Config("simulated-device", str(Path(folder) / "labels.csv"), **settings)  # type: ignore[arg-type]
                run = Experiment(described, target=SimulatedDevice(Path(folder) / "model.onnx"))
                summary = start(run, Path(folder) / f"{name}-{seed}").summary
                found.append((summary.queries.tune, summary.accuracy["test"].after))
            print("| {} | {:.0f} | {:.3f} |".format(name, *np.median(found, axis=0)), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accuracy", action="store_true", help="of real models, instead of speed")
    parser.add_argument("--bill", action="store_true", help="of runs with a price, instead of speed")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--queries", default="500,1000,2000")
    parser.add_argument("--in-flight", default="1,8,auto")
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--rounds", type=int, default=3, help="of speed")
    parser.add_argument("--budget", type=int, default=15_000, help="of a run of speed")
    options = parser.parse_args()
    if options.accuracy:
        limits = [int(part) for part in options.queries.split(",")]
        accuracy_table(options.in_flight.split(","), options.seeds, limits, options.tasks.split(","))
    elif options.bill:
        bill_table(options.in_flight.split(","), options.seeds)
    else:
        speed_table(options.in_flight.split(","), options.rounds, options.budget)


if __name__ == "__main__":
    main()
