"""Start-up and memory with many images: decoding once, reading from the cache, and the peak memory of a whole run.

    python benchmarks/data.py [--images 100000] [--side 112] [--budget 120000] [--estimator nes] [--folder DIR]

The files are 1,000 random images, each shifted by so many columns. Every step is a process of its own, whose peak of
resident memory the system records. ``--folder`` keeps the files and the cache between calls.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

DIFFERENT = 1000


def write(folder: Path, count: int, side: int) -> Path:
    import cv2

    from benchmarks.models import small_cnn
    from blackbox_dft.targets.inspection import smooth_images

    table = folder / "labels.csv"
    if table.exists():
        return table
    folder.mkdir(parents=True, exist_ok=True)
    small_cnn(folder / "model.onnx", side)
    (folder / "images").mkdir()
    first = smooth_images(min(count, DIFFERENT), (side, side))
    for number in range(count):
        # Equal images would be scored once for all of them.
        image = np.roll(first[number % len(first)], number // len(first), axis=1)
        path = folder / "images" / f"{number}.jpg"
        cv2.imwrite(str(path), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    lines = ["file,label", *(f"images/{number}.jpg,c{number % 2}" for number in range(count))]
    table.write_text("\n".join(lines) + "\n")
    return table


def peak() -> float:
    """Peak of this process's resident memory, in GB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024 / 1e9
    return float("nan")


def load_only(folder: Path) -> dict[str, float]:
    from blackbox_dft.data import load

    began, cpu = time.perf_counter(), time.process_time()
    load(folder / "labels.csv")
    return {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu, "peak GB": peak()}


def whole_run(folder: Path, budget: int, estimator: str) -> dict[str, float]:
    from blackbox_dft import Config, optimize

    with tempfile.TemporaryDirectory() as out:
        table = ("c0=c0", "c1=*")
        config = Config(
            str(folder / "model.onnx"), str(folder / "labels.csv"), map=table, budget=budget, estimator=estimator
        )
        began, cpu = time.perf_counter(), time.process_time()
        total = optimize(config, Path(out) / "run").summary.queries.total
        took = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
        return took | {"peak GB": peak(), "queries": total}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=112)
    parser.add_argument("--budget", type=int, default=120_000)
    parser.add_argument("--estimator", default="nes")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--step", choices=["load", "run"], help="what a process of its own does")
    options = parser.parse_args()
    if options.step:
        folder = options.folder
        done = load_only(folder) if options.step == "load" else whole_run(folder, options.budget, options.estimator)
        print(json.dumps(done))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        write(folder, options.images, options.side)
        environment = {**os.environ, "BBDFT_CACHE": str(folder / "cache")}
        size = options.images * options.side**2 * 3 / 1e9
        print(f"{options.images:,} images of {options.side}x{options.side}, {size:.2f} GB of pixels")
        words = ["--folder", folder, "--budget", options.budget, "--estimator", options.estimator]
        kept = (folder / "cache" / "images").exists()
        steps = [("load", "decoded before" if kept else "decoded"), ("load", "found again"), ("run", "whole run")]
        for step, name in steps:
            command = [sys.executable, __file__, *map(str, words), "--step", step]
            done = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)
            print(f"  {name:<16}" + ", ".join(f"{key} {value:,.2f}" for key, value in done.items()), flush=True)


if __name__ == "__main__":
    main()
