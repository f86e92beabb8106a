"""Images a second of every scoring path, as a share of raw ONNX Runtime's in the same round.

    python benchmarks/throughput.py [--models small-cnn-64,mobilenet-112] [--spaces dct:8] [--rounds 7] [--out FILE]
    python benchmarks/throughput.py --runs          whole optimize runs: decode, search, ledger, choice, evaluation

Raw ONNX Runtime gets images prepared in advance, at its own best number of sessions, threads and images a call, which
is measured first. The paths take turns within a round, so that other work on the machine slows all of them; shares are
medians over rounds, with the lowest and highest. They are given twice: by the clock, and by the processor's time, which
other programs on the same cores disturb far less but which does not include waiting for another thread.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

# As the command line does.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")

import numpy as np
import onnxruntime as ort

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.models import OUTPUTS, REAL, SYNTHETIC, build
from benchmarks.tasks import SHARED, config
from blackbox_dft._utils.types import Array, Floats, ImageBytes, Ints
from blackbox_dft.fusion.fused_path import FusedPath, fused_path
from blackbox_dft.images.encoding import Encoding, to_floats
from blackbox_dft.run.config import Config
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.runner import start
from blackbox_dft.scoring.backends.array import ArrayBackend
from blackbox_dft.spaces import make_space
from blackbox_dft.targets import TargetOptions
from blackbox_dft.targets.inspection import smooth_images
from blackbox_dft.targets.onnx.target import OnnxTarget

SPACES = ("dct:8", "affine+color", "affine+color+dct:8", "pixel")
BATCHES = (4, 8, 16, 32, 64)
CROSSED = 64
"""Images that a candidate is shown."""
SLOW = 0.5
"""Seconds of a call from which on larger ones are not tried."""
POOL = 256
WHOLE = 512
"""Images of the population that peers make at once."""


@dataclass(frozen=True)
class Best:
    """How raw ONNX Runtime is fastest."""

    sessions: int
    threads: int
    batch: int
    rate: float


def session(path: Path, threads: int) -> ort.InferenceSession:
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.log_severity_level = 4
    return ort.InferenceSession(path, settings, providers=["CPUExecutionProvider"])


def now() -> Array:
    """Seconds of the clock and of the processor."""
    return np.array([time.perf_counter(), time.process_time()])


def timed(call: Callable[[int], object], calls: int, side_by_side: int) -> Array:
    """Seconds, of the clock and of the processor, for calls 0, 1, 2 ..., so many at a time."""
    with ThreadPoolExecutor(side_by_side) as threads:
        began = now()
        for _ in threads.map(call, range(calls)):
            pass
        return now() - began


def spread(shares: Sequence[Array], which: int) -> list[float]:
    """Median, lowest and highest."""
    values = [float(share[which]) for share in shares]
    return [round(f(values), 3) for f in (statistics.median, min, max)]


def said(shares: Sequence[Array]) -> str:
    (clock, low, high), (cpu, least, most) = spread(shares, 0), spread(shares, 1)
    return f"{clock:.2f} ({low:.2f}-{high:.2f}), cpu {cpu:.2f} ({least:.2f}-{most:.2f})"


def raw_call(target: OnnxTarget, opened: ort.InferenceSession, prepared: Array, batch: int) -> Callable[[int], object]:
    parts = [np.ascontiguousarray(prepared[i : i + batch]) for i in range(0, len(prepared) - batch + 1, batch)]
    return lambda n: opened.run([target.output.name], {target.input.name: parts[n % len(parts)]})


def best_of_raw(target: OnnxTarget, prepared: Array, cores: int) -> tuple[Best, Best]:
    """The best of all, and the best of one-threaded calls, judged by the processor's time as if it were theirs alone.

    Threads of one call burn the processor while they wait for each other, so that these are judged by the clock.
    """
    found = []
    for sessions, threads in sorted({(1, cores), (cores, 1)}):
        opened = session(target.path, threads)
        for batch in BATCHES:
            call = raw_call(target, opened, prepared, batch)
            once = float(timed(call, sessions, sessions)[0])
            if once > SLOW and batch > BATCHES[0]:
                break
            calls = max(sessions, int(0.05 * sessions / once))
            clock, cpu = np.min([timed(call, calls, sessions) for _ in range(6)], axis=0)
            rate = calls * batch / float(cpu / sessions if threads == 1 else clock)
            found.append(Best(sessions, threads, batch, rate))
    single = [one for one in found if one.threads == 1]
    return max(found, key=lambda one: one.rate), max(single, key=lambda one: one.rate)


class Raw:
    """Raw ONNX Runtime, timed by the clock at its best, and by the processor with one-threaded sessions."""

    def __init__(self, target: OnnxTarget, prepared: Array) -> None:
        self.best, self.single = best_of_raw(target, prepared, target.workers)
        made = [(one, session(target.path, one.threads)) for one in dict.fromkeys([self.best, self.single])]
        self._calls = [(one, raw_call(target, opened, prepared, one.batch)) for one, opened in made]

    def __call__(self, images: int) -> Array:
        took = []
        for one, call in self._calls:
            calls = max(one.sessions, images // one.batch)
            took.append(timed(call, calls, one.sessions) * images / (calls * one.batch))
        return np.array([took[0][0], took[-1][1]])


def ways(
    target: OnnxTarget, pool: ImageBytes, spec: str, pairing: str, batch: int
) -> dict[str, Callable[[int], object]]:
    """What scores the nth ``batch`` images, by name."""
    space, encoding = make_space(spec, pool.shape[1:]), Encoding()
    rng = np.random.default_rng(0)
    path = fused_path(pool, space, target, encoding)
    assert isinstance(path, FusedPath), path
    candidates = rng.normal(size=(64, space.size)) / 2
    indices = rng.integers(0, len(pool), (64, batch))

    def request(n: int) -> tuple[Ints, Floats]:
        if pairing == "crossed":
            return indices[n % 64], candidates[n * batch // CROSSED % 64]
        return indices[n % 64], candidates[(n * batch + np.arange(batch)) % 64]

    arrays = ArrayBackend(pool, space, target, encoding)

    def fused(n: int) -> object:
        return path(*request(n))

    def array(n: int) -> object:
        return arrays.scores(*request(n))

    return {"fused": fused, "array": array}


def peers(target: OnnxTarget, pool: ImageBytes, spec: str, pairing: str, images: int) -> Callable[[], None]:
    """As foolbox and BlackVIP do: the whole population as one array of floats, then the model, in batches."""
    space = make_space(spec, pool.shape[1:])
    rng = np.random.default_rng(0)
    z = rng.normal(size=(images if pairing == "paired" else -(-images // CROSSED), space.size)) / 2
    floats = to_floats(pool)
    opened = session(target.path, os.cpu_count() or 1)

    def run() -> None:
        shown = z if pairing == "paired" else np.repeat(z, CROSSED, axis=0)[:images]
        changed = space.apply(floats[np.arange(images) % len(floats)], shown)
        levels = np.floor(changed * 255 + 0.5) / np.float32(255)
        fed = target.input_format.prepare(levels)
        for begin in range(0, images, 64):
            opened.run([target.output.name], {target.input.name: fed[begin : begin + 64]})

    return run


def compare(name: str, folder: Path, specs: Sequence[str], rounds: int, seconds: float) -> list[dict[str, object]]:
    target = OnnxTarget(build(name, folder, SHARED), TargetOptions(output=OUTPUTS.get(name), provider="cpu"))
    assert target.image_size
    pool = smooth_images(POOL if target.image_size[0] < 200 else 64, target.image_size)
    prepared = target.input_format.prepare(pool)
    raw = Raw(target, prepared)
    best, batch = raw.best, raw.single.batch
    print(
        f"\n{name}: raw {best.rate:,.0f} images/s with {best.sessions} sessions of {best.threads} threads, "
        f"{best.batch} images a call; the others {batch}",
        flush=True,
    )
    calls = max(target.workers, int(seconds * best.rate / batch))
    images = calls * batch
    rows = []
    for spec, pairing in product(specs, ("paired", "crossed")):
        tried = ways(target, pool, spec, pairing, batch)
        whole = peers(target, pool, spec, pairing, min(images, WHOLE if pool.shape[1] < 200 else 64))
        shares: dict[str, list[Array]] = {"fused": [], "array": [], "peers": []}
        for one in tried.values():
            timed(one, 2 * target.workers, target.workers)
        for _ in range(rounds):
            first = raw(images)
            took = {way: timed(one, calls, target.workers) for way, one in tried.items()}
            began = now()
            whole()
            spent = (now() - began) * images / min(images, WHOLE if pool.shape[1] < 200 else 64)
            # Raw before and after: what changes meanwhile shows on both sides.
            base = (first + raw(images)) / 2
            for way, value in (took | {"peers": spent}).items():
                shares[way].append(base / value)
        row: dict[str, object] = {"model": name, "space": spec, "pairing": pairing, "raw": round(best.rate, 1)}
        row |= {way: {"clock": spread(v, 0), "cpu": spread(v, 1)} for way, v in shares.items()}
        rows.append(row)
        print(f"  {spec:<20}{pairing:<9}" + "  ".join(f"{way} {said(v)}" for way, v in shares.items()), flush=True)
    return rows


def write_images(folder: Path, side: int, count: int) -> Path:
    import cv2

    folder.mkdir()
    lines = ["file,label"]
    for number, image in enumerate(smooth_images(count, (side, side))):
        cv2.imwrite(str(folder / f"{number}.jpg"), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
        lines.append(f"{number}.jpg,c{number % 2}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder / "labels.csv"


def whole_runs(
    name: str, folder: Path, specs: Sequence[str], rounds: int, budget: int, **more: object
) -> list[dict[str, object]]:
    tasks = {"mini-xception-64": "smile-mini", "age-gender-112": "lfw-gender", "expression-112": "smile-faceapi"}
    data = None if name in REAL else write_images(folder / f"{name}-images", SYNTHETIC[name][1], 1000)
    rows = []
    for spec in specs:
        whole = {"early_stop": False, "evaluate": "all"}
        options: dict[str, object] = {"space": spec, "budget": budget, **whole, **more}
        if data:
            table = ("c0=c0", "c1=*")
            settings = Config(str(build(name, folder, SHARED)), str(data), map=table, **options)  # type: ignore[arg-type]
        else:
            settings = config(tasks[name], **options)
        experiment = Experiment(settings)
        target = experiment.target
        assert isinstance(target, OnnxTarget)
        prepared = target.input_format.prepare(experiment.data.images[:POOL])
        raw = Raw(target, prepared)
        shares, costs = [], []
        for _ in range(rounds):
            base = raw(budget)
            began, own = now(), time.thread_time()
            with tempfile.TemporaryDirectory() as out:
                total = start(Experiment(settings), Path(out) / "run").summary.queries.total
                took = now() - began
            costs.append([*took, time.thread_time() - own] / np.array(total / 1e6))
            shares.append((base + raw(budget)) / 2 * total / budget / took)
        found = {"clock": spread(shares, 0), "cpu": spread(shares, 1)}
        cost = dict(zip(("clock", "cpu", "own thread"), np.median(costs, axis=0).round().tolist(), strict=True))
        row = {"model": name, "space": spec, "raw": round(raw.best.rate, 1), "whole run": found, "us a query": cost}
        rows.append(row)
        print(f"{name:<18}{spec:<20}{said(shares)} of raw {raw.best.rate:,.0f}/s, {total:,} images", flush=True)
        print(" " * 38 + ", ".join(f"{what} {us:.0f}" for what, us in cost.items()) + " µs a query", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join([*SYNTHETIC, *(REAL if SHARED.is_dir() else ())]))
    parser.add_argument("--spaces", default=",".join(SPACES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.12, help="of each path in each round")
    parser.add_argument("--runs", action="store_true", help="whole optimize runs instead of calls")
    parser.add_argument("--budget", type=int, default=6000, help="of a whole run")
    parser.add_argument("--in-flight", default="1", help="proposals of a whole run's search submitted at once, or auto")
    parser.add_argument("--out", type=Path, help="JSON file for the shares")
    options = parser.parse_args()
    in_flight = options.in_flight if options.in_flight == "auto" else int(options.in_flight)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models.split(","):
            specs = options.spaces.split(",")
            if options.runs:
                rows += whole_runs(name, Path(folder), specs, options.rounds, options.budget, in_flight=in_flight)
            else:
                rows += compare(name, Path(folder), specs, options.rounds, options.seconds)
    if options.out:
        options.out.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")


if __name__ == "__main__":
    main()
