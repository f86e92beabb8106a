"""What ``bbdft serve RUN`` costs: its own time an image, and the time of a response beside a bare forwarder.

    python benchmarks/speed/serving.py [--part own|responses] [--clients 32] [--images 960] [--delay 0.3] [--rounds 3]

The first part is processor time of one core, by steps, of JPEG files of 112 x 112 and 224 x 224 pixels: decoding, the
change (affine+color), the request (PNG in JSON), the map. In the second one, an API in a process of its own responds
after ``--delay`` seconds; clients in another one send images to the service, and to a forwarder of the same framework
(uvicorn, Starlette, httpx) that sends the file on as it is, in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import cv2
import httpx
import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

sys.path.insert(0, str(Path(__file__).parents[2]))
from blackbox_dft import Config, TargetOptions, Tuning, make_space
from blackbox_dft.deploy.serve.server import listen
from blackbox_dft.images.formats import open_image
from blackbox_dft.objectives.output_map import OutputMap
from blackbox_dft.run.record import RunRecord
from blackbox_dft.targets.http.target import HttpTarget

ROOT = Path(__file__).parents[2]
SIDES = (112, 224)
SPAWN = multiprocessing.get_context("spawn")
PREDICTIONS = {"predictions": [{"label": "a", "score": 0.75}, {"label": "b", "score": 0.25}]}


def tuning_for(side: int) -> Tuning:
    """One that changes geometry and tone a little."""
    shape = (side, side, 3)
    z = np.random.default_rng(0).normal(size=make_space("affine+color", shape).size) / 4
    return Tuning("affine+color", z, shape, labels=("a", "b"), scores="probabilities", output_map=OutputMap(np.eye(2)))


def options_for(side: int) -> TargetOptions:
    return TargetOptions(profile="image-json", classes=("a", "b"), size=(side, side))


def photos(side: int, count: int) -> list[bytes]:
    """JPEG files with structure at several scales, as photos have."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (count, side // 8, side // 8, 3), dtype=np.uint8)
    images = [cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC) for image in coarse]
    return [cv2.imencode(".jpg", image)[1].tobytes() for image in images]


def own_time(rounds: int) -> None:
    """Prints processor time of each step."""
    cv2.setNumThreads(1)
    print("| image | decoding | change | request | map | together |")
    print("|---|---|---|---|---|---|")
    for side in SIDES:
        files, tuning = photos(side, 64), tuning_for(side)
        raw = np.float32([[0.75, 0.25]])
        steps: dict[str, list[float]] = {name: [] for name in ("decode", "change", "request", "map")}
        with HttpTarget("http://127.0.0.1:9/score", options_for(side)) as target:
            for _ in range(rounds + 1):
                spent = dict.fromkeys(steps, 0.0)
                for data in files:
                    marks = [time.process_time()]
                    image = tuning.fitting(open_image(data).decode().image, (side, side))[None]
                    marks.append(time.process_time())
                    (sent,) = tuning.sent_views(image)
                    marks.append(time.process_time())
                    target.prepare(sent)
                    marks.append(time.process_time())
                    tuning.decide(raw)
                    marks.append(time.process_time())
                    for name, began, ended in zip(steps, marks, marks[1:], strict=False):
                        spent[name] += (ended - began) / len(files)
                for name, seconds in spent.items():
                    steps[name].append(seconds)
        # The first round makes bases and takes memory.
        found = [median(values[1:]) for values in steps.values()]
        print(f"| {side} x {side} | " + " | ".join(f"{1e6 * one:,.0f} µs" for one in [*found, sum(found)]) + " |")


def api_app(delay: float) -> Starlette:
    """The service behind both."""

    async def score(request: Request) -> Response:
        await request.body()
        await asyncio.sleep(delay)
        return JSONResponse(PREDICTIONS)

    return Starlette(routes=[Route("/score", score, methods=["POST"])])


def forwarder_app(url: str, clients: int) -> Starlette:
    """What any service in front of this API does: it reads an image, asks, and returns the answer."""
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> Any:
        async with httpx.AsyncClient(limits=limits, timeout=30) as client:
            app.state.client = client
            yield

    async def predict(request: Request) -> Response:
        text = base64.b64encode(await request.body()).decode()
        response = await request.app.state.client.post(url, json={"image": text})
        return JSONResponse(response.json())

    return Starlette(routes=[Route("/predict", predict, methods=["POST"])], lifespan=lifespan)


def run_app(make: Callable[..., Starlette], words: tuple[Any, ...], pipe: Any) -> None:
    listener = listen("127.0.0.1", 0)
    pipe.send(listener.getsockname()[1])
    uvicorn.Server(uvicorn.Config(make(*words), log_level="critical", access_log=False)).run(sockets=[listener])


@contextmanager
def running(make: Callable[..., Starlette], *words: Any) -> Iterator[str]:
    """An app in a process of its own; gives its address."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=run_app, args=(make, words, theirs), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


@contextmanager
def service(url: str, side: int, folder: Path) -> Iterator[str]:
    """``bbdft serve`` of a run that was tuned for ``url``; gives its address."""
    folder.mkdir()
    RunRecord(Config(url, "labels.csv", target_options=options_for(side)), batch=1, inputs={}).write(folder)
    tuning_for(side).save(folder / "tuning.npz")
    (folder / "summary.json").write_text("{}")
    line = [sys.executable, "-m", "blackbox_dft", "serve", str(folder), "--port", "0", "--yes", "--quiet"]
    process = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process.stdout.readline().split(" at ")[1].split("/v2")[0]
    finally:
        process.terminate()
        process.wait()


async def send(address: str, files: list[bytes], clients: int) -> list[float]:
    """Seconds of each response; the clients keep their connections, and are as thin as can be."""
    host, port = address.removeprefix("http://").split(":")
    waiting, seconds = list(reversed(files)), []

    async def client() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        while waiting:
            data = waiting.pop()
            began = time.perf_counter()
            writer.write(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            (length,) = (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(length)
            seconds.append(time.perf_counter() - began)
        writer.close()

    tasks: list[Awaitable[None]] = [client() for _ in range(clients)]
    await asyncio.gather(*tasks)
    return seconds


def responses(options: argparse.Namespace) -> None:
    """Prints times of responses."""
    print(
        f"{options.clients} clients, an API that responds after {1000 * options.delay:.0f} ms, {options.images} images"
    )
    print("| image | | images/s | median | p95 |")
    print("|---|---|---|---|---|")
    for side in SIDES:
        files = photos(side, 64) * (options.images // 64)
        with (
            tempfile.TemporaryDirectory() as folder,
            running(api_app, options.delay) as api,
            running(forwarder_app, f"{api}/score", options.clients) as forwarder,
            service(f"{api}/score", side, Path(folder, "run")) as served,
        ):
            found: dict[str, list[tuple[float, float, float]]] = {forwarder: [], served: []}
            for _ in range(options.rounds + 1):
                for address, rounds in found.items():
                    began = time.perf_counter()
                    times = asyncio.run(send(address, files, options.clients))
                    rate = len(times) / (time.perf_counter() - began)
                    rounds.append((rate, median(times), float(np.quantile(times, 0.95))))
        bare, own = (np.median(rounds[1:], axis=0) for rounds in found.values())
        for name, (rate, middle, p95) in (("bare forwarder", bare), ("bbdft serve", own)):
            print(f"| {side} x {side} | {name} | {rate:,.0f} | {1000 * middle:,.0f} ms | {1000 * p95:,.0f} ms |")
        more = " | ".join(f"{mine / its - 1:+.0%}" for mine, its in zip(own, bare, strict=True))
        print(f"| {side} x {side} | more | {more} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("own", "responses"))
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--images", type=int, default=960)
    parser.add_argument("--delay", type=float, default=0.3)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.part != "responses":
        own_time(max(5, options.rounds))
    if options.part != "own":
        responses(options)


if __name__ == "__main__":
    main()
