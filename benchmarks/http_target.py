"""Images a second of ``optimize`` over HTTP against a bare httpx loop that sends the same bodies, interleaved.

    pip install '.[serve]' && python benchmarks/http_target.py [--rounds 3] [--batch 32] [--concurrency 4] [--wait-ms 2]

The server is ``bbdft serve`` with the demo's small CNN, on this machine, and shares its cores with the client.
``--wait-ms`` is how long a request waits for others to join: with a large one the server is as slow as one far away,
and uses little processor time.

The bare loop's bodies are made before its clock starts. ``optimize`` also changes every image, encodes it, makes the
body, syncs the ledger to the disk, and has nothing to send between two steps of the search. So processor seconds are
printed too: those of the server, which does the same in both, and those of the client.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))
from blackbox_dft.demo import assets
from blackbox_dft.run.config import Config
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.runner import start
from blackbox_dft.targets.http.messages import HttpRequest
from blackbox_dft.targets.http.target import HttpTarget
from blackbox_dft.targets.options import TargetOptions

WHO = ("server", "client")


@contextmanager
def serving(wait_ms: float) -> Iterator[tuple[str, int]]:
    """URL and number of a server process with the demo's model, which joins requests without end while it waits."""
    command = [sys.executable, "-m", "blackbox_dft", "serve", str(assets() / "digits.onnx"), "--port", "0"]
    if wait_ms > 2:
        command += ["--max-wait-ms", str(wait_ms), "--max-batch", "4096"]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        url = process.stdout.readline().split(" at ")[1].strip()
        with httpx.Client(transport=httpx.HTTPTransport(retries=20)) as client:
            client.get(url)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


def spent(process: int) -> float:
    """Processor seconds of a process, so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def bare(bodies: list[HttpRequest], concurrency: int) -> float:
    """Seconds to post all bodies, so many at a time."""
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    async with httpx.AsyncClient(http2=True, limits=limits, timeout=60) as client:
        queue = iter(bodies)

        async def work() -> None:
            for body in queue:
                response = await client.post(body.url, headers=dict(body.headers), content=body.content)
                response.raise_for_status()

        began = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(concurrency)))
        return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=128, help="of nes, so that a step fills all connections")
    parser.add_argument("--budget", type=int, default=12_000)
    parser.add_argument("--space", default="affine+color")
    parser.add_argument("--wait-ms", type=float, default=2.0)
    options = parser.parse_args()
    ratios = []
    with serving(options.wait_ms) as (url, server):

        def processors() -> tuple[float, float]:
            return spent(server), time.process_time()

        for number in range(options.rounds):
            settings = TargetOptions(batch=options.batch, workers=options.concurrency)
            config = Config(
                url,
                str(assets() / "labels.csv"),
                space=options.space,
                estimator=f"nes:pairs={options.pairs}",
                budget=options.budget,
                early_stop=False,
                evaluate="all",
                target_options=settings,
            )
            experiment = Experiment(config)
            assert isinstance(experiment.target, HttpTarget)
            images = experiment.data.images
            parts = [images[i : i + options.batch] for i in range(0, len(images) - options.batch + 1, options.batch)]
            bodies = [experiment.target.protocol.request(part) for part in parts]
            clocks = [processors()]
            with tempfile.TemporaryDirectory() as folder:
                summary = start(experiment, Path(folder) / "run").summary
            clocks.append(processors())
            rate = summary.queries.total / summary.seconds
            calls = summary.queries.total // options.batch
            seconds = asyncio.run(bare([bodies[i % len(bodies)] for i in range(calls)], options.concurrency))
            clocks.append(processors())
            raw = calls * options.batch / seconds
            ratios.append(rate / raw)
            ours, theirs = (
                ", ".join(f"{who} {1000 * (b - a) / calls:.2f}" for who, a, b in zip(WHO, *two, strict=True))
                for two in pairwise(clocks)
            )
            print(
                f"round {number + 1}: optimize {rate:,.0f} images/s, bare httpx {raw:,.0f}, ratio {rate / raw:.2f}; "
                f"processor ms a request: optimize {ours}; bare {theirs}",
                flush=True,
            )
    print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
