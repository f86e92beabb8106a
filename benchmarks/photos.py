"""Time and memory of a run over many photos of several sizes that each keep their own, ``--fit keep``.

    python benchmarks/photos.py [--photos 100000] [--side 240] [--budget 2000] [--large] [--folder DIR]

The photos have four sizes and are noise shifted by so many columns; a Python function says how bright they are. Reading
for the first time, from the cache, and a whole run are processes of their own, whose peak of resident memory the system
records. ``--large`` makes 24 photos of 24 million pixels instead.
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
from typing import Any

import numpy as np

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.data import peak
from blackbox_dft._utils.types import ImageBytes

DIFFERENT = 200
LARGE = (4000, 6000)


def look(images: ImageBytes) -> np.ndarray[Any, Any]:
    """Scores by the mean brightness."""
    bright = 1 / (1 + np.exp(-40 * (images[:, ::8, ::8].mean(axis=(1, 2, 3)) / 255 - 0.5)))
    return np.stack([1 - bright, bright], axis=1)


look.classes = ("dark", "bright")  # type: ignore[attr-defined]


def write(folder: Path, count: int, side: int, *, large: bool) -> Path:
    import cv2

    from blackbox_dft.targets.inspection import smooth_images

    table = folder / "labels.csv"
    if table.exists():
        return table
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    sizes = [LARGE, LARGE[::-1]] if large else [(side, side), (side * 3 // 4, side), (side, side * 3 // 4), (side, 160)]
    first = [smooth_images(max(1, min(count, DIFFERENT) // len(sizes)), size) for size in sizes]
    lines = ["file,label"]
    for number in range(count):
        same = first[number % len(sizes)]
        image = np.roll(
            same[number // len(sizes) % len(same)], number // (len(sizes) * len(same)) % side, axis=1
        ).copy()
        image[0, 0] = number % 256, number // 256 % 256, number // 65536
        cv2.imwrite(str(folder / f"photos/{number}.png"), image, [cv2.IMWRITE_PNG_COMPRESSION, 1]) if large else (
            cv2.imwrite(str(folder / f"photos/{number}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 90])
        )
        lines.append(f"photos/{number}.{'png' if large else 'jpg'},{'bright' if image.mean() > 127 else 'dark'}")
    table.write_text("\n".join(lines) + "\n")
    return table


def read(folder: Path) -> dict[str, float]:
    """Reads all photos."""
    from blackbox_dft.data import load
    from blackbox_dft.images.fitting import Fitting

    began = time.perf_counter()
    data = load(folder / "labels.csv", fitting=Fitting("keep"))
    return {"photos": len(data.images), "seconds": round(time.perf_counter() - began, 1), "peak_gb": round(peak(), 2)}


def run(folder: Path, budget: int) -> dict[str, Any]:
    """A whole run."""
    from blackbox_dft import Config, optimize

    with tempfile.TemporaryDirectory() as out:
        began = time.perf_counter()
        config = Config(
            "benchmarks.photos:look", str(folder / "labels.csv"), fit="keep", budget=budget, evaluate="enough"
        )
        result = optimize(config, Path(out) / "run")
        seconds = round(time.perf_counter() - began, 1)
    return {"queries": result.summary.queries.total, "seconds": seconds, "peak_gb": round(peak(), 2)}


def main() -> None:
    """Prints a line a step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=240)
    parser.add_argument("--budget", type=int, default=2000)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--step", choices=("read", "run"))
    arguments = parser.parse_args()
    if arguments.step:
        found = read(arguments.folder) if arguments.step == "read" else run(arguments.folder, arguments.budget)
        print(json.dumps(found))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        write(folder, 24 if arguments.large else arguments.photos, arguments.side, large=arguments.large)
        environment = {**os.environ, "BBDFT_CACHE": str(folder / "cache")}
        for name, step in (("first", "read"), ("from the cache", "read"), ("run", "run")):
            words = [sys.executable, __file__, "--step", step, "--folder", folder, "--budget", arguments.budget]
            done = subprocess.run(list(map(str, words)), env=environment, capture_output=True, text=True, check=True)
            print(f"{name}: {done.stdout.strip().splitlines()[-1]}", flush=True)


if __name__ == "__main__":
    main()
