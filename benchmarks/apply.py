"""What a change costs in a service: time per image of ``Tuning(images)``, beside decoding the image's JPEG.

    python benchmarks/apply.py [--sizes 112,224] [--batches 1,32] [--rounds 7]

One process, one thread of numpy, all spaces and batches in turn within each round; the median of the rounds.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from statistics import median

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.spaces import make_space

SPACES = ("color", "affine", "affine+color", "dct:8", "tanh", "affine+color+dct:8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="112,224")
    parser.add_argument("--batches", default="1,32")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, default=64, help="for each round, space and batch")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print("| size | batch | " + " | ".join(SPACES) + " | JPEG decoding |")
    print("|---" * (3 + len(SPACES)) + "|")
    for size in map(int, options.sizes.split(",")):
        rng = np.random.default_rng(0)
        coarse = rng.integers(0, 256, (options.images, 14, 14, 3), dtype=np.uint8)
        images = np.stack([cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC) for image in coarse])
        files = [cv2.imencode(".jpg", image)[1] for image in images]
        tunings = {
            spec: Tuning(spec, rng.normal(size=make_space(spec, (size, size, 3)).size), (size, size, 3), 8 / 255)
            for spec in SPACES
        }
        for batch in map(int, options.batches.split(",")):
            times: dict[str, list[float]] = {name: [] for name in (*SPACES, "decode")}
            for _ in range(options.rounds + 1):
                for spec, tuning in tunings.items():
                    began = time.perf_counter()
                    for start in range(0, len(images), batch):
                        tuning(images[start : start + batch])
                    times[spec].append((time.perf_counter() - began) / len(images))
                began = time.perf_counter()
                for data in files:
                    cv2.imdecode(data, cv2.IMREAD_COLOR)
                times["decode"].append((time.perf_counter() - began) / len(images))
            # The first round makes bases and takes memory.
            found = {name: median(values[1:]) for name, values in times.items()}
            cells = [f"{1e6 * found[spec]:,.0f} µs ({found[spec] / found['decode']:.1f} ×)" for spec in SPACES]
            print(f"| {size} x {size} | {batch} | " + " | ".join(cells) + f" | {1e6 * found['decode']:,.0f} µs |")


if __name__ == "__main__":
    main()
