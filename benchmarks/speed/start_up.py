"""Start-up: from the shell's call of ``bbdft optimize`` to its first query, with 2,800 images in the cache.

    python benchmarks/speed/start_up.py [--rounds 5] [--checkouts . ../before]

Wall time, and processor time, which other programs on the same cores disturb less. The first round, which is not
counted, fills the cache and writes Python's bytecode. The process is ended at its first query.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
STOP = """
import os, sys, time
sys.argv[:1] = ["bbdft"]
from blackbox_dft.cli import main
import importlib.util

class Watch:
    def find_spec(self, name, path, target=None):
        if name == "blackbox_dft.scoring.dispatcher":
            sys.meta_path.remove(self)
            spec = importlib.util.find_spec(name)
            execute = spec.loader.exec_module
            def watched(module):
                execute(module)
                module.Dispatcher._reserve = stop
            spec.loader.exec_module = watched
            return spec

def stop(*_):
    print(time.time(), time.process_time(), file=sys.__stderr__, flush=True)
    os._exit(0)

sys.meta_path.insert(0, Watch())
main()
"""


def measured(checkout: Path) -> tuple[float, float]:
    """Seconds to the first query, of the clock and of the processor."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    # Bytecode as of an installed package, outside the checkout.
    environment["PYTHONPYCACHEPREFIX"] = str(Path(tempfile.gettempdir()) / "bbdft-bytecode")
    environment["PYTHONPATH"] = str(checkout.resolve())
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-c", STOP, "optimize", str(SHARED / "models/age_gender_faceapi.onnx")]
        command += ["--data", str(SHARED / "data/lfw/labels_gender.csv"), "--output", "gender", "--budget", "5600"]
        began = time.time()
        done = subprocess.run([*command, "--out", f"{out}/run"], env=environment, capture_output=True, text=True)
    try:
        first, processor = map(float, done.stderr.splitlines()[-1].split())
    except (ValueError, IndexError):
        raise SystemExit(done.stderr) from None
    return first - began, processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkouts", nargs="+", type=Path, default=[ROOT])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    found: dict[Path, list[tuple[float, float]]] = {checkout: [] for checkout in options.checkouts}
    for _ in range(1 + options.rounds):
        for checkout, rows in found.items():
            rows.append(measured(checkout))
    for checkout, (_, *rows) in found.items():
        (clock, processor) = zip(*rows, strict=True)
        print(
            f"{checkout}: first query after {median(clock):.2f} s by the clock (lowest {min(clock):.2f}), "
            f"{median(processor):.2f} s of the processor (lowest {min(processor):.2f})"
        )


if __name__ == "__main__":
    main()
