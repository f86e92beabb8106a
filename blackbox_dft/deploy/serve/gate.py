"""The gate of a service, in front of all routes: key, queue, metrics, log, and failures as JSON."""

from __future__ import annotations

import hmac
import logging
import re
import sys
import time
import traceback
import uuid
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blackbox_dft._utils.json_lines import JsonLines
from blackbox_dft.deploy.serve.failures import ServiceError
from blackbox_dft.deploy.serve.metrics import Metrics

LOG = logging.getLogger("bbdft.serve")
OPEN_PATHS = ("/health", "/ready", "/v2/health/live", "/v2/health/ready", "/docs", "/openapi.json")
"""They need no key: they tell nothing of images, and are what an orchestrator and a person look at first."""
REQUEST_ID = re.compile(r"[\w.-]{1,128}")


class Gate:
    """ASGI middleware around the app of a service.

    Args:
        app: with the routes; it raises ``ServiceError``.
        metrics: where requests are counted.
        key: that clients must give, as ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``; none if it is empty.
        queue: requests for results at once, those that wait included; more are refused with 429.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, *, key: str = "", queue: int = 256) -> None:
        self._app, self._metrics, self._key, self._queue = app, metrics, key.encode(), queue
        self._working = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request through, or answers it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, headers = time.perf_counter(), Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        path, status, begun = _kind(scope["path"]), 0, False

        async def sending(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        failure: dict[str, Any] = {}
        self._metrics.add("bbdft_requests_in_progress")
        self._working += path != "other"
        try:
            self._check(scope, headers, path)
            await self._app(scope, receive, sending)
        except ClientDisconnect:
            status, failure = status or 499, {"error": "the client has gone"}
        except ServiceError as error:
            failure = {"error": error.sentence} | ({"detail": error.detail} if error.detail else {})
            await error.response()(scope, receive, sending)
        except Exception as error:
            failure = {"error": repr(error), "trace": traceback.format_exc(limit=-6)}
            if begun:
                raise
            sentence = "the server failed on this request: see its log"
            await ServiceError(500, sentence).response()(scope, receive, sending)
        finally:
            self._working -= path != "other"
            self._metrics.add("bbdft_requests_in_progress", -1)
            seconds = time.perf_counter() - started
            self._metrics.request(path, status, seconds)
            level = logging.ERROR if status >= 500 else logging.WARNING if failure else logging.INFO
            if LOG.isEnabledFor(level):
                client = (scope.get("client") or ("",))[0]
                about = {"method": scope["method"], "path": scope["path"], "status": status, "client": client}
                LOG.log(
                    level,
                    "request",
                    extra={"about": {**about, "ms": round(1000 * seconds, 2), "id": request_id, **failure}},
                )

    def _check(self, scope: Scope, headers: Headers, path: str) -> None:
        if self._key and scope["path"] not in OPEN_PATHS:
            scheme, _, bearer = headers.get("authorization", "").partition(" ")
            own = bearer.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
            if not hmac.compare_digest(own.encode(), self._key):
                raise ServiceError(401, "the key is missing or wrong: send 'Authorization: Bearer KEY'")
        if path != "other" and self._working > self._queue:
            raise ServiceError(429, "too many requests are being worked on: try again later", retry_after=1)


def _kind(path: str) -> str:
    return "predict" if path == "/predict" else "infer" if path.endswith("/infer") else "other"


def log_to_stderr(*, quiet: bool) -> None:
    """Has the service, and uvicorn's errors, logged as lines of JSON; with ``quiet`` only what is 500 or worse."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name, level in (("bbdft.serve", logging.INFO), ("uvicorn.error", logging.ERROR)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.ERROR if quiet else level)
