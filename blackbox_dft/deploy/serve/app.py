"""ASGI apps of a service: an ONNX model by the Open Inference Protocol V2, or a tuned target by it and /predict."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from blackbox_dft.deploy.serve.failures import ServiceError
from blackbox_dft.deploy.serve.gate import Gate
from blackbox_dft.deploy.serve.limits import MIB, ImageBudget, Limits
from blackbox_dft.deploy.serve.metrics import LINES, Metrics
from blackbox_dft.deploy.serve.onnx_model import OnnxModel
from blackbox_dft.deploy.serve.openapi import docs_page, openapi
from blackbox_dft.deploy.serve.predict_route import predict_route
from blackbox_dft.deploy.serve.protocol_v2 import ServedModel, v2_routes
from blackbox_dft.deploy.serve.tuned_model import TunedModel
from blackbox_dft.targets.onnx.target import OnnxTarget

MAX_REQUEST_BYTES = 256 * MIB
"""Size of the largest request that is read."""
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def make_app(
    target: OnnxTarget,
    name: str,
    *,
    max_batch: int = 64,
    max_wait: float = 0.002,
    max_request_bytes: int = MAX_REQUEST_BYTES,
    metrics: Metrics | None = None,
    key: str = "",
    queue: int = Limits.queue,
) -> Starlette:
    """An app that serves ``target`` as the model ``name``; ``OnnxModel`` says how.

    Args:
        target: the model.
        name: in the URL, ``/v2/models/NAME``.
        max_batch: images that the model gets at once.
        max_wait: seconds that a request waits for others to join its batch.
        max_request_bytes: size of the largest request that is read.
        metrics: where requests are counted.
        key: that clients must give.
        queue: requests worked on at once.

    >>> from blackbox_dft.demo import assets
    >>> app = make_app(OnnxTarget(assets() / "digits.onnx"), "digits")  # then: uvicorn.run(app)
    >>> [route.path for route in app.routes if route.path.endswith("infer")]
    ['/v2/models/{model}/infer', '/v2/models/{model}/versions/1/infer']
    """
    model = OnnxModel(target, name, max_batch=max_batch, max_wait=max_wait)
    counted = metrics or Metrics(np.zeros((1, len(LINES))))
    routes = v2_routes(model, max_request_bytes)
    return _app(model, routes, counted, key=key, queue=queue, tuned=False)


def make_tuned_app(
    model: TunedModel,
    metrics: Metrics,
    limits: Limits,
    *,
    key: str = "",
    budget: ImageBudget | None = None,
) -> Starlette:
    """An app that serves a tuned target.

    Args:
        model: the target with its change and its output map.
        metrics: where requests are counted, those to the target too.
        limits: of requests.
        key: that clients must give.
        budget: images that may be sent to the target.
    """

    def ready() -> bool:
        return budget is None or not budget.spent

    routes = [predict_route(model, limits.image), *v2_routes(model, limits.body, ready)]
    return _app(model, routes, metrics, key=key, queue=limits.queue, tuned=True, ready=ready, close=model.close)


def _app(
    model: ServedModel,
    routes: list[Route],
    metrics: Metrics,
    *,
    key: str,
    queue: int,
    tuned: bool,
    ready: Callable[[], bool] = lambda: True,
    close: Callable[[], None] = lambda: None,
) -> Starlette:
    document = openapi(model, tuned=tuned, keyed=bool(key))
    page = docs_page(document)

    async def start(request: Request) -> Response:
        return RedirectResponse("docs")

    async def docs(request: Request) -> Response:
        return HTMLResponse(page)

    async def description(request: Request) -> Response:
        return JSONResponse(document)

    async def numbers(request: Request) -> Response:
        return PlainTextResponse(metrics.text(), media_type=METRICS_TYPE)

    async def health(request: Request) -> Response:
        return JSONResponse({"live": True})

    async def is_ready(request: Request) -> Response:
        if not ready():
            raise ServiceError(503, "the budget of this service is spent")
        return JSONResponse({"ready": True})

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        close()

    return Starlette(
        routes=[
            Route("/", start),
            Route("/docs", docs),
            Route("/openapi.json", description),
            Route("/metrics", numbers),
            Route("/health", health),
            Route("/ready", is_ready),
            *routes,
        ],
        middleware=[Middleware(Gate, metrics=metrics, key=key, queue=queue)],
        exception_handlers={HTTPException: _http_error},
        lifespan=lifespan,
    )


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 400
    fault = "does not exist" if status == 404 else f"does not accept {request.method}"
    return JSONResponse({"error": f"{request.url.path} {fault}: see /docs"}, status)
