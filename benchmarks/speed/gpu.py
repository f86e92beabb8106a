"""Scoring on a GPU: fused path, array path and whole runs beside raw ONNX Runtime with the images on the device.

    python benchmarks/speed/gpu.py [--out FOLDER] [--provider cuda] [--parts paths,runs] [--quick]

The parts, each in a process of its own that is stopped at its limit; all together at most six minutes:

``about``    the provider really in use, the card, versions
``paths``    raw images/s with the images on the device; fused as a share of raw, array as a share of fused
``traffic``  what a call of the fused path copies once the images are there: nodes that copy, from ONNX Runtime's
             profile, and the bytes of indices and z; images that do not fit beside images that do
``options``  float16, TensorRT and CUDA graphs: images/s beside the fused path, and the largest difference of scores
``runs``     whole ``optimize`` runs of ``surface``: all of it, and without its start
``compare``  a comparison's runs side by side beside one after the other

Rows are added to ``FOLDER/gpu.jsonl`` as they are measured, and the table to ``FOLDER/gpu.md`` at the end. With
``--provider cpu --quick``, the same script runs in a minute on any machine, and says nothing about GPUs.
``benchmarks/speed/gpu_check.sh`` installs what is missing, runs ``tests/gpu`` and then this.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")

import numpy as np
import onnxruntime as ort

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.models import build
from benchmarks.tasks import SHARED
from benchmarks.throughput import timed, ways, write_images
from blackbox_dft._utils.types import Array
from blackbox_dft.comparison.grid import Grid
from blackbox_dft.comparison.runner import Comparison
from blackbox_dft.errors import InputError
from blackbox_dft.fusion.fused_path import FusedPath
from blackbox_dft.fusion.scoring_graph import IMAGES, INDICES, POOL, Z, fuse_scorer
from blackbox_dft.images.encoding import Encoding
from blackbox_dft.run.config import Config
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.runner import start
from blackbox_dft.spaces import make_space
from blackbox_dft.targets import TargetOptions
from blackbox_dft.targets.inspection import smooth_images
from blackbox_dft.targets.onnx.io_binding import DEVICES, BoundSession
from blackbox_dft.targets.onnx.providers import EXECUTION_PROVIDERS, open_session
from blackbox_dft.targets.onnx.target import OnnxTarget

LIMITS = {"about": 25, "paths": 110, "traffic": 35, "options": 55, "runs": 70, "compare": 40}
"""Seconds of each part, at most."""
LITE0 = "efficientnet-lite0"
MODELS = ("small-cnn-64", "small-cnn-112", "mobilenet-112", "resnet18-224", LITE0)
SPACES = ("affine+color", "dct:8")
RUN_MODEL, RUN_SPACE = "mobilenet-112", "affine+color"


@dataclass(frozen=True)
class Settings:
    """How much is measured."""

    provider: str
    quick: bool
    shared: Path
    out: Path

    @property
    def batch(self) -> int:
        return 8 if self.quick else 256

    @property
    def rounds(self) -> int:
        return 1 if self.quick else 5

    @property
    def models(self) -> list[str]:
        if self.quick:
            return ["small-cnn-64"]
        return [name for name in MODELS if name != LITE0 or self.lite0.exists()]

    @property
    def lite0(self) -> Path:
        return self.shared / "models/efficientnet_lite0.onnx"

    @property
    def run_model(self) -> str:
        return "small-cnn-64" if self.quick else RUN_MODEL

    def target(self, name: str, folder: Path, **options: Any) -> OnnxTarget:
        path = self.lite0 if name == LITE0 else build(name, folder, self.shared)
        return OnnxTarget(path, TargetOptions(**{"provider": self.provider, "batch": self.batch, **options}))


def raw_calls(target: OnnxTarget, prepared: Array) -> Callable[[int], None]:
    """Calls of the model alone on one batch that lies on the device."""
    resident = ort.OrtValue.ortvalue_from_numpy(prepared, DEVICES[target.provider], 0)

    def raw(_: int) -> None:
        binding = target.session.io_binding()
        binding.bind_ortvalue_input(target.input.name, resident)
        binding.bind_output(target.output.name, "cpu")
        target.session.run_with_iobinding(binding)

    return raw


def calls_of(call: Callable[[int], object], workers: int, seconds: float) -> int:
    """How many calls take about so long; the first ones, which prepare the device, do not count."""
    timed(call, 2 * workers, workers)
    return max(2 * workers, int(seconds * 2 * workers / float(timed(call, 2 * workers, workers)[0])))


def spread(values: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values), 3), "low": round(min(values), 3), "high": round(max(values), 3)}


def pool_of(target: OnnxTarget, count: int) -> Any:
    assert target.image_size
    return smooth_images(count, target.image_size)


def about(settings: Settings, folder: Path) -> Iterator[dict[str, Any]]:
    target = settings.target(settings.models[0], folder)
    card = None
    with suppress(OSError, subprocess.SubprocessError):
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        card = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    yield {
        "provider asked": settings.provider,
        "provider in use": target.session.get_providers()[0],
        "card": card or "none",
        "onnxruntime": ort.__version__,
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }


def paths(settings: Settings, folder: Path) -> Iterator[dict[str, Any]]:
    for name in settings.models:
        target = settings.target(name, folder)
        pool = pool_of(target, settings.batch)
        raw = raw_calls(target, target.input_format.prepare(pool))
        # At its best: one call at a time, or two.
        counts = {workers: calls_of(raw, workers, 0.15) for workers in (1, 2)}
        rates = {w: counts[w] * settings.batch / float(timed(raw, counts[w], w)[0]) for w in counts}
        best = max(rates, key=rates.__getitem__)
        for spec in SPACES[:1] if settings.quick else SPACES:
            tried = ways(target, pool, spec, "paired", settings.batch)
            shares: dict[str, list[float]] = {way: [] for way in tried}
            calls = {way: calls_of(call, target.workers, 0.15) for way, call in tried.items()}
            for _ in range(settings.rounds):
                base = counts[best] / float(timed(raw, counts[best], best)[0])
                for way, call in tried.items():
                    shares[way].append(calls[way] / float(timed(call, calls[way], target.workers)[0]) / base)
            ratio = [array / fused for fused, array in zip(shares["fused"], shares["array"], strict=True)]
            yield {
                "model": name,
                "space": spec,
                "raw images/s": round(rates[best]),
                "fused / raw": spread(shares["fused"]),
                "array / fused": spread(ratio),
            }


def profiled(target: OnnxTarget, model: bytes, feeds: dict[str, Array], folder: Path) -> dict[str, int]:
    """Which nodes copied between host and device in the second run of a graph, and nodes by provider."""
    options = ort.SessionOptions()
    options.enable_profiling, options.profile_file_prefix = True, str(folder / "profile")
    chain = list(dict.fromkeys([EXECUTION_PROVIDERS[target.provider], EXECUTION_PROVIDERS["cpu"]]))
    session = ort.InferenceSession(model, options, providers=chain)
    binding = session.io_binding()
    pool = ort.OrtValue.ortvalue_from_numpy(feeds[POOL], DEVICES[target.provider], 0) if POOL in feeds else None
    for _ in range(2):
        for name, value in feeds.items():
            if name == POOL:
                binding.bind_ortvalue_input(name, pool)
            else:
                binding.bind_cpu_input(name, value)
        binding.bind_output(target.output.name, "cpu")
        session.run_with_iobinding(binding)
    events = json.loads(Path(session.end_profiling()).read_text())
    nodes = [event["args"] for event in events if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")]
    nodes = nodes[len(nodes) // 2 :]
    found: dict[str, int] = {"MemcpyFromHost": 0, "MemcpyToHost": 0}
    for node in nodes:
        if node["op_name"] in found:
            found[node["op_name"]] += 1
        provider = f"nodes on {node.get('provider', '?').removesuffix('ExecutionProvider')}"
        found[provider] = found.get(provider, 0) + 1
    return found


def traffic(settings: Settings, folder: Path) -> Iterator[dict[str, Any]]:
    name = settings.run_model
    target = settings.target(name, folder)
    pool = pool_of(target, settings.batch)
    shape = tuple(map(int, pool.shape[1:]))
    for spec in ("affine+color", "contrast+sharpness", "dct:8"):
        space = make_space(spec, shape)
        graph = fuse_scorer(
            space, shape, target.graph(), target.path, target.input_format, levels=True, cpu=False, pooled=True
        )
        z = np.zeros((settings.batch, space.size), np.float32)
        feeds = {POOL: pool, INDICES: np.arange(settings.batch), Z: z}
        yield {
            "model": name,
            "space": spec,
            "images": settings.batch,
            "bytes of indices and z": int(feeds[INDICES].nbytes + z.nbytes),
            "bytes of the images": int(pool.nbytes),
            **profiled(target, graph.model, feeds, folder),
        }
    space = make_space("dct:8", shape)
    z = np.zeros((settings.batch, space.size))
    rates = {}
    for way, memory in (("resident", None), ("sent", 0)):
        path = FusedPath(pool, space, target, Encoding(), memory=memory)

        def call(_: int, path: FusedPath = path) -> object:
            return path(np.arange(len(pool)), z)

        count = calls_of(call, target.workers, 0.2)
        rates[way] = count * len(pool) / float(timed(call, count, target.workers)[0])
    yield {"model": name, "space": "dct:8", "sent / resident": round(rates["sent"] / rates["resident"], 3)}
    if settings.provider != "cpu":
        yield {"model": name, "space": "dct:8", **from_pinned(target, pool, space, z)}


def from_pinned(target: OnnxTarget, pool: Any, space: Any, z: Array) -> dict[str, Any]:
    """Images sent from memory whose pages are locked, beside ordinary memory, by CUDA's own library."""
    shape = tuple(map(int, pool.shape[1:]))
    graph = fuse_scorer(
        space, shape, target.graph(), target.path, target.input_format, levels=True, cpu=False, pooled=False
    )
    opened = target.open_graph(graph.model, keep_quantizers=graph.keep_quantizers, constants={})
    places = {"ordinary": pool.copy(), "pinned": pool.copy()}
    pointer, size = places["pinned"].ctypes.data, places["pinned"].nbytes
    libraries = [line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libcudart" in line]
    if not libraries:
        return {"not measured": "CUDA's library was not found"}
    cudart = ctypes.CDLL(libraries[0])
    if status := cudart.cudaHostRegister(ctypes.c_void_p(pointer), ctypes.c_size_t(size), ctypes.c_uint(0)):
        return {"not measured": f"pages cannot be locked (CUDA's error {status})"}
    rates = {}
    for place, images in places.items():
        inputs = {IMAGES: images, Z: z.astype(np.float32)}

        def call(_: int, inputs: dict[str, Array] = inputs) -> object:
            return opened(inputs, len(pool))

        count = calls_of(call, target.workers, 0.2)
        rates[place] = count * len(pool) / float(timed(call, count, target.workers)[0])
    cudart.cudaHostUnregister(ctypes.c_void_p(pointer))
    return {"sent from pinned memory / sent": round(rates["pinned"] / rates["ordinary"], 3)}


def options_part(settings: Settings, folder: Path) -> Iterator[dict[str, Any]]:
    name, spec = settings.run_model, RUN_SPACE
    usual = settings.target(name, folder)
    pool = pool_of(usual, settings.batch)
    shape = tuple(map(int, pool.shape[1:]))
    space = make_space(spec, shape)
    z = np.random.default_rng(0).normal(size=(settings.batch, space.size)) / 2
    indices = np.arange(settings.batch)
    before = FusedPath(pool, space, usual, Encoding())
    expected = before(indices, z)

    def rate(path: FusedPath, workers: int) -> float:
        def call(_: int) -> object:
            return path(indices, z)

        count = calls_of(call, workers, 0.2)
        return count * settings.batch / float(timed(call, count, workers)[0])

    changes: dict[str, dict[str, Any]] = {"float16": {"float16": True}}
    if settings.provider == "cuda":
        changes |= {"tensorrt": {"provider": "tensorrt"}}
    for change, more in changes.items():
        try:
            path = FusedPath(pool, space, settings.target(name, folder, **more), Encoding())
            scores = path(indices, z)
            ratios = [rate(path, usual.workers) / rate(before, usual.workers) for _ in range(settings.rounds)]
        except InputError as error:
            yield {"option": change, "not measured": str(error)}
            continue
        difference = float(np.abs(scores - expected).max())
        yield {"option": change, "images/s beside float32": spread(ratios), "largest difference": difference}
    if settings.provider != "cpu":
        yield {"option": "calls of any size in one session", **mixed(settings, usual, pool, space, z)}
    if settings.provider == "cuda":
        try:
            found = captured(settings, usual, pool, space, z, expected, rate(before, 1))
        except Exception as error:
            found = {"not measured": str(error).strip().splitlines()[-1]}
        yield {"option": "CUDA graph", **found}


def mixed(settings: Settings, target: OnnxTarget, pool: Any, space: Any, z: Array) -> dict[str, Any]:
    """Calls of three sizes in turn, in one session as they are, beside those that are filled up to a few sizes."""
    shape = tuple(map(int, pool.shape[1:]))
    graph = fuse_scorer(space, shape, target.graph(), target.path, target.input_format, levels=True, cpu=False)
    constants = {POOL: target.place(pool)}
    session = open_session(graph.model, target.provider, ort.SessionOptions())[0]
    sized = target.open_graph(graph.model, keep_quantizers=False, constants=constants)
    alone = BoundSession(session, target.output.name, constants)
    seconds = {}
    for way in ("any size", "a few sizes"):

        def call(n: int, way: str = way) -> object:
            count = (settings.batch // 8, settings.batch // 5, settings.batch)[n % 3]
            inputs = {INDICES: np.arange(count), Z: z[:count].astype(np.float32)}
            return alone(inputs) if way == "any size" else sized(inputs, count)

        for n in range(3):
            call(n)
        began = time.perf_counter()
        for n in range(12):
            call(n)
        seconds[way] = time.perf_counter() - began
    return {"images/s beside calls of a few sizes": round(seconds["a few sizes"] / seconds["any size"], 3)}


def captured(
    settings: Settings, target: OnnxTarget, pool: Any, space: Any, z: Array, expected: Array, usual: float
) -> dict[str, Any]:
    """The fused graph as a CUDA graph: fixed batch, all inputs and outputs at fixed places on the device."""
    shape = tuple(map(int, pool.shape[1:]))
    graph = fuse_scorer(space, shape, target.graph(), target.path, target.input_format, levels=True, cpu=False)
    chain = [("CUDAExecutionProvider", {"enable_cuda_graph": "1"}), "CPUExecutionProvider"]
    session = ort.InferenceSession(graph.model, providers=chain)
    binding = session.io_binding()
    feeds = {POOL: pool, INDICES: np.arange(len(pool)), Z: z.astype(np.float32)}
    values = {name: ort.OrtValue.ortvalue_from_numpy(value, "cuda", 0) for name, value in feeds.items()}
    for name, value in values.items():
        binding.bind_ortvalue_input(name, value)
    scores = ort.OrtValue.ortvalue_from_numpy(np.zeros_like(expected), "cuda", 0)
    binding.bind_ortvalue_output(target.output.name, scores)

    def call(_: int) -> object:
        # As a run would: new indices and z at the same places, scores back.
        values[INDICES].update_inplace(feeds[INDICES])
        values[Z].update_inplace(feeds[Z])
        session.run_with_iobinding(binding)
        return scores.numpy()

    count = calls_of(call, 1, 0.2)
    rate = count * len(pool) / float(timed(call, count, 1)[0])
    difference = float(np.abs(np.asarray(call(0)) - expected).max())
    return {"images/s beside one call at a time": round(rate / usual, 3), "largest difference": difference}


def runs(settings: Settings, folder: Path) -> Iterator[dict[str, Any]]:
    name = settings.run_model
    target = settings.target(name, folder)
    assert target.image_size
    raw = raw_calls(target, target.input_format.prepare(pool_of(target, settings.batch)))
    counts = {workers: calls_of(raw, workers, 0.2) for workers in (1, 2)}
    fastest = max(n * settings.batch / float(timed(raw, n, w)[0]) for w, n in counts.items())
    data = write_images(folder / "images", target.image_size[0], 200 if settings.quick else 1000)
    budgets = (600, 1000) if settings.quick else (5_000, 25_000)
    in_flight: list[Any] = [1, 4] if settings.quick else [1, 4, 16]
    with suppress(TypeError, ValueError, InputError):
        in_flight.append(accepts_auto(target, data, settings))
    for count in in_flight:
        seconds, images = [], []
        for budget in budgets:
            config = Config(
                str(target.path),
                str(data),
                map=("c0=c0", "c1=*"),
                space=RUN_SPACE,
                budget=budget,
                early_stop=False,
                evaluate="all",
                in_flight=count,
                target_options=TargetOptions(provider=settings.provider),
            )
            with tempfile.TemporaryDirectory() as out:
                began = time.perf_counter()
                images.append(start(Experiment(config), Path(out) / "run").summary.queries.total)
                seconds.append(time.perf_counter() - began)
        # The start takes as long in both; too few images say nothing.
        each = (seconds[1] - seconds[0]) / max(1, images[1] - images[0])
        known = images[1] > 2 * images[0] and each > 0
        yield {
            "model": name,
            "proposals in flight": count,
            "images": images[1],
            "whole run / raw": round(images[1] / seconds[1] / fastest, 3),
            "without its start / raw": round(1 / each / fastest, 3) if known else "-",
            "µs an image": round(1e6 * each, 1) if known else "-",
        }


def accepts_auto(target: OnnxTarget, data: Path, settings: Settings) -> Any:
    """``auto``, if this version chooses the number of proposals in flight itself."""
    given: Any = "auto"
    options = TargetOptions(provider=settings.provider)
    Experiment(
        Config(str(target.path), str(data), map=("c0=c0", "c1=*"), in_flight=given, target_options=options)
    ).estimator()
    return given


def compare(settings: Settings, folder: Path) -> Iterator[dict[str, Any]]:
    name = settings.run_model
    target = settings.target(name, folder)
    assert target.image_size
    data = write_images(folder / "images", target.image_size[0], 200 if settings.quick else 600)
    options = TargetOptions(provider=settings.provider)
    config = Config(str(target.path), str(data), map=("c0=c0", "c1=*"), target_options=options)
    grid = Grid((RUN_SPACE, "dct:8"), ("surface",), (200 if settings.quick else 1000,), tuple(range(4)))
    seconds, tables = {}, []
    for threads in (1, 4 if settings.quick else 8):
        with tempfile.TemporaryDirectory() as out:
            began = time.perf_counter()
            Comparison(config, grid, Path(out) / "out").execute(threads=threads, processes=None if threads > 1 else 1)
            seconds[threads] = time.perf_counter() - began
            tables.append((Path(out) / "out/compare.csv").read_bytes())
        if threads > 1:
            ratio = round(seconds[1] / seconds[threads], 2)
            yield {
                "model": name,
                "runs": 8,
                "side by side": threads,
                "times faster": ratio,
                "same": len(set(tables)) == 1,
            }


PARTS: dict[str, Callable[[Settings, Path], Iterator[dict[str, Any]]]] = {
    "about": about,
    "paths": paths,
    "traffic": traffic,
    "options": options_part,
    "runs": runs,
    "compare": compare,
}


def said(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['median']:.2f} ({value['low']:.2f}-{value['high']:.2f})"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def table(rows: list[dict[str, Any]]) -> str:
    """The rows of each part as a Markdown table."""
    lines: list[str] = []
    last: tuple[Any, ...] = ()
    for row in rows:
        keys = tuple(key for key in row if key != "part")
        if (row["part"], *keys) != last:
            last = (row["part"], *keys)
            lines += ["", f"**{row['part']}**", "", f"| {' | '.join(keys)} |", f"|{'---|' * len(keys)}"]
        lines.append(f"| {' | '.join(said(row[key]) for key in keys)} |")
    return "\n".join(lines).strip() + "\n"


def rows_of(out: Path) -> list[dict[str, Any]]:
    path = out / "gpu.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def add(out: Path, row: dict[str, Any]) -> None:
    with (out / "gpu.jsonl").open("a") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
    print("  " + ", ".join(f"{key} {said(value)}" for key, value in row.items() if key != "part"), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu_results"), help="folder of the results")
    parser.add_argument("--provider", default="cuda", choices=sorted(EXECUTION_PROVIDERS))
    parser.add_argument("--quick", action="store_true", help="a little of each part, to try the script")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder with models/efficientnet_lite0.onnx")
    parser.add_argument("--alone", action="store_true", help="the parts in this process, as the script calls itself")
    given = parser.parse_args()
    if unknown := set(given.parts.split(",")) - set(PARTS):
        parser.error(f"there is no part {min(unknown)}: choose from {', '.join(PARTS)}")
    given.out.mkdir(parents=True, exist_ok=True)
    settings = Settings(given.provider, given.quick, given.shared, given.out)
    if given.alone:
        for part in given.parts.split(","):
            with tempfile.TemporaryDirectory() as folder:
                for row in PARTS[part](settings, Path(folder)):
                    add(given.out, {"part": part, **row})
        return
    (given.out / "gpu.jsonl").unlink(missing_ok=True)
    failed = 0
    for part in given.parts.split(","):
        began = time.perf_counter()
        print(f"{part} (at most {LIMITS[part]} s)", flush=True)
        command = [sys.executable, __file__, *sys.argv[1:], "--parts", part, "--alone"]
        try:
            code = subprocess.run(command, timeout=LIMITS[part]).returncode
            reason = f"ended with {code}" if code else ""
        except subprocess.TimeoutExpired:
            reason = f"stopped after {LIMITS[part]} s"
        if reason:
            failed += 1
            add(given.out, {"part": part, "failed": reason})
        print(f"  {time.perf_counter() - began:.1f} s", flush=True)
    text = table(rows_of(given.out))
    (given.out / "gpu.md").write_text(text)
    print("\n" + text)
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
