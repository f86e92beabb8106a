"""A home-made commercial API for tests: JSON, one image a request, a rate limit, faults; it counts what it scores."""

import asyncio
import base64
import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from blackbox_dft.deploy.serve.server import listen

FAULTS = ("500", "503", "429", "garbage", "late")
"""Of a share of the requests, one after the other; of ``garbage`` and ``late`` the images were scored."""
KEY = "s3cret-of-the-api"


@dataclass
class PaidApi:
    """What it does may be changed while it runs."""

    url: str = ""
    share: float = 0.0
    """Of requests that fail."""
    faults: tuple[str, ...] = FAULTS
    delay: float = 0.0
    lateness: float = 3.0
    most: int = 10**6
    """Requests at once; more are refused with 429."""
    names: tuple[str, ...] = ("dark", "bright")
    face: bool = True
    """Whether it finds a face."""
    scored: int = 0
    """Images that it charges."""
    busy: int = 0
    calls: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(0))
    failed: Counter[bytes] = field(default_factory=Counter)

    async def __call__(self, request: Request) -> Response:
        body = await request.body()
        self.calls += 1
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return JSONResponse({"error": "no key"}, 401)
        # No image fails more than twice by chance, so that tests do not depend on it; one that always fails does.
        fails = self.chance.random() < self.share and (self.failed[body] < 2 or self.share == 1)
        self.failed[body] += fails
        fault = self.faults[self.calls % len(self.faults)] if fails else ""
        if self.busy >= self.most or fault == "429":
            return JSONResponse({"error": f"slow down, {KEY}"}, 429, {"retry-after": "0"})
        if fault in ("500", "503"):
            return JSONResponse({"error": f"out of order, {KEY}"}, int(fault))
        self.busy += 1
        await asyncio.sleep(self.delay)
        self.busy -= 1
        self.scored += 1
        if fault == "late":
            await asyncio.sleep(self.lateness)
        if fault == "garbage":
            return Response(f"<html>{KEY}</html>", media_type="text/html")
        return JSONResponse({"predictions": self._predictions(body) if self.face else []})

    def _predictions(self, body: bytes) -> list[dict[str, Any]]:
        data = base64.b64decode(json.loads(body)["image"])
        level = float(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).mean()) / 255
        bright = float(1 / (1 + np.exp(-80 * (level - 0.5))))
        return [{"label": name, "score": p} for name, p in zip(self.names, (1 - bright, bright), strict=True)]


@contextmanager
def paid_api(**options: Any) -> Iterator[PaidApi]:
    """One that runs in a thread of this process."""
    api = PaidApi(**options)

    async def score(request: Request) -> Response:
        return await api(request)

    listener = listen("127.0.0.1", 0)
    api.url = f"http://127.0.0.1:{listener.getsockname()[1]}/score"
    app = Starlette(routes=[Route("/score", score, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.should_exit = True
        thread.join(10)
