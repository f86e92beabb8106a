"""Scoring on a GPU: the fused path and the array path against raw ONNX Runtime with the images on the device.

    python benchmarks/gpu.py [--models small-cnn-64,mobilenet-112] [--rounds 7] [--batch 256]

Ends with a sentence where there is no CUDA.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
import onnxruntime as ort

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.models import OUTPUTS, SYNTHETIC, build
from benchmarks.tasks import SHARED
from benchmarks.throughput import POOL, SPACES, timed, ways
from blackbox_dft.targets import TargetOptions
from blackbox_dft.targets.inspection import smooth_images
from blackbox_dft.targets.onnx.providers import unavailable_reason
from blackbox_dft.targets.onnx.target import OnnxTarget


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(SYNTHETIC))
    parser.add_argument("--spaces", default=",".join(SPACES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=256)
    options = parser.parse_args()
    if reason := unavailable_reason("cuda"):
        raise SystemExit(f"nothing to measure: no CUDA here ({reason})")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models.split(","):
            path = build(name, Path(folder), SHARED)
            target = OnnxTarget(path, TargetOptions(output=OUTPUTS.get(name), provider="cuda", batch=options.batch))
            assert target.image_size
            pool = smooth_images(max(POOL, options.batch), target.image_size)
            prepared = target.input_format.prepare(pool[: options.batch])
            resident = ort.OrtValue.ortvalue_from_numpy(prepared, "cuda", 0)

            def raw(_: int, target: OnnxTarget = target, resident: ort.OrtValue = resident) -> None:
                binding = target.session.io_binding()
                binding.bind_ortvalue_input(target.input.name, resident)
                binding.bind_output(target.output.name, "cpu")
                target.session.run_with_iobinding(binding)

            timed(raw, 8, target.workers)
            calls = max(8, int(0.3 * 8 / float(timed(raw, 8, target.workers)[0])))
            print(f"\n{name}: raw, {options.batch} images a call on the device", flush=True)
            for spec, pairing in product(options.spaces.split(","), ("paired", "crossed")):
                tried = ways(target, pool, spec, pairing, options.batch)
                shares: dict[str, list[float]] = {way: [] for way in tried}
                for _ in range(options.rounds):
                    base = float(timed(raw, calls, target.workers)[0])
                    for way, call in tried.items():
                        shares[way].append(base / float(timed(call, calls, target.workers)[0]))
                found = "  ".join(
                    f"{way} {statistics.median(v):.2f} ({min(v):.2f}-{max(v):.2f})" for way, v in shares.items()
                )
                print(f"  {spec:<20}{pairing:<9}{found}, {np.prod(prepared.shape[1:]):,} numbers an image", flush=True)


if __name__ == "__main__":
    main()
