"""HTTP transport: sends requests with retries and a rate limit; a thin layer over async httpx.

Requests that were not served are retried here, with jittered exponential backoff and after ``Retry-After``: connections
that failed, and the status codes 408, 425, 429, 500, 502, 503 and 504, with which a server reports that it did not do
its work. A request that was sent and got no usable response (reset, time-out, half a response) raises ``LostAnswer``,
as it may have been charged: the ledger decides whether the images are sent again. Everything else ends the run.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import lru_cache, partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from blackbox_dft.errors import BlackboxError, InputError, LostAnswer, NotFiniteScores, TargetError
from blackbox_dft.targets.http.exchange import Exchange
from blackbox_dft.targets.http.messages import (
    HttpRequest,
    HttpResponse,
    clip,
    decompress,
    load_certificate,
    mask,
    retry_after,
)
from blackbox_dft.targets.http.rate_limit import RateLimit

LOG = logging.getLogger(__name__)

T = TypeVar("T")
RETRIED_STATUS_CODES = (408, 425, 429, 500, 502, 503, 504)
MAX_RESPONSE_BYTES = 64 * 2**20
"""Size of the largest response that is read."""
MAX_POOL = 16
"""Connections of a pool. For each request, httpcore looks at all connections of its pool, and for each of them that is
idle at all again; with 64 in one pool, that took longer than the rest of a request."""
MAX_BACKOFF_SECONDS = 60.0
"""The longest pause of the backoff; ``Retry-After`` may demand a longer one, within the patience."""
SILENT_SECONDS = 5.0
"""How long a server may not serve before a warning says so: a user who waits for ten minutes wants to know why."""


STATUS_HINTS = {
    401: "is its key right (--header 'Authorization: Bearer {env:VARIABLE}')?",
    403: "is its key right (--header 'Authorization: Bearer {env:VARIABLE}')?",
    404: "are the URL and --profile right?",
    405: "are the URL and --profile right?",
    413: "give a smaller --batch",
    400: "'bbdft inspect URL --show' prints request and response",
    415: "'bbdft inspect URL --show' prints request and response: does --profile suit the service?",
    422: "'bbdft inspect URL --show' prints request and response: does --profile suit the service?",
}
"""What may mend a refusal, by status code."""


class RefusedError(TargetError):
    """The server responded with a status code that a retry would not change."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status


class NotServedError(TargetError):
    """The server did not serve a request, and so did not charge it, however often it was sent.

    Args:
        sentence: the message.
        status: of the last response; 0 if there was no connection.
        delay: seconds that the server demands to wait, if it does.
    """

    def __init__(self, sentence: str, status: int = 0, delay: float | None = None) -> None:
        super().__init__(sentence)
        self.status, self.delay = status, delay


class LateError(LostAnswer):
    """A request was sent, and its response did not come in time."""


class _RetryableError(Exception):
    """The request was not served; it may be sent again after ``delay`` seconds."""

    def __init__(self, reason: str, delay: float | None = None, *, status: int = 0) -> None:
        super().__init__(reason)
        self.delay, self.status = delay, status


class Transport:
    """An event loop in a thread of its own, with connection pools; ``send`` may be called from many threads.

    Args:
        connections: the most connections at once.
        timeout: seconds from sending a request to the end of its response.
        patience: seconds of retries without a single success before an error.
        rate: of requests, such as ``10/s``; see ``RateLimit``.
        secrets: values that no error message may show.
        cert: PEM file with the client's certificate and its key.
        observe: called in the event loop's thread with each request and its response, whatever its status.

    Raises:
        InputError: the rate or the certificate cannot be read.

    >>> transport = Transport(connections=1, timeout=1, patience=0, secrets=("abc",))
    >>> transport.clean("the key abc is wrong")
    'the key *** is wrong'
    >>> transport.close()
    """

    def __init__(
        self,
        *,
        connections: int,
        timeout: float,
        patience: float,
        rate: str | None = None,
        secrets: tuple[str, ...] = (),
        cert: str | None = None,
        observe: Callable[[Exchange], None] | None = None,
    ) -> None:
        self.timeout, self.patience, self.secrets = timeout, patience, secrets
        self._observe = observe
        self.rate = RateLimit.parse(rate) if rate else None
        self.retries = 0
        """Requests sent again because they had not been served."""
        self.throttled = 0
        """Responses that demanded to wait (``Retry-After``) or to send less (429)."""
        tls = httpx.create_ssl_context()
        if cert is not None:
            load_certificate(tls, cert)
        self._served: set[str] = set()
        self._last_success = time.monotonic()
        self._unserved_since: float | None = None
        """When the first request of those was not served that have had no success since."""
        self._warned = False
        """Whether a warning said so."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="http", daemon=True)
        self._thread.start()
        pools = -(-connections // MAX_POOL)
        self._pools = [self._run(self._open(-(-connections // pools), tls)) for _ in range(pools)]
        self._busy = [0] * pools

    async def _open(self, connections: int, tls: ssl.SSLContext) -> httpx.AsyncClient:
        try:
            import h2  # noqa: F401

            http2 = True
        except ImportError:
            http2 = False
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        # Redirects are not followed: they could carry secrets elsewhere, or turn a POST into a GET.
        return httpx.AsyncClient(
            http2=http2,
            verify=tls,
            limits=limits,
            timeout=self.timeout,
            follow_redirects=False,
            headers={"accept-encoding": "gzip"},
        )

    def send(self, request: HttpRequest) -> HttpResponse:
        """Sends ``request`` until it is served; blocks.

        Raises:
            LostAnswer: it was sent and no usable response arrived.
            TargetError: a retry cannot help, or no retry succeeded within the patience.
        """
        return self.submit(request, lambda response: response).result()

    def submit(self, request: HttpRequest, read: Callable[[HttpResponse], T]) -> Future[T]:
        """Sends ``request`` as ``send`` does, without blocking; the future gives what ``read`` makes of the response.

        ``read`` runs in the thread of the event loop. A request that was sent cannot be taken back, so the future
        cannot be cancelled.
        """
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        self._loop.call_soon_threadsafe(self._start, request, read, future)
        return future

    def _start(self, request: HttpRequest, read: Callable[[HttpResponse], T], future: Future[T]) -> None:
        async def serve() -> None:
            try:
                response = await self._until_served(request)
                result = self._without_secrets(read, response)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        task = self._loop.create_task(serve())
        # The event loop itself has only weak references to tasks.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _without_secrets(self, read: Callable[[HttpResponse], T], response: HttpResponse) -> T:
        """``read(response)``, with error messages that show no secrets."""
        try:
            return read(response)
        except NotFiniteScores:
            raise  # It quotes nothing.
        except LostAnswer as error:
            raise LostAnswer(self.clean(str(error))) from None
        except BlackboxError as error:
            kind = InputError if isinstance(error, InputError) else TargetError
            raise kind(self.clean(str(error))) from None

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _until_served(self, request: HttpRequest) -> HttpResponse:
        # After a pause without requests, at least half of the patience is left.
        self._last_success = max(self._last_success, time.monotonic() - self.patience / 2)
        try:
            response = await self._once(request)
        except _RetryableError as error:
            response = await self._retry(request, error)
        self._last_success = time.monotonic()
        self._unserved_since, self._warned = None, False
        self._served.add(request.url)
        return response

    async def _retry(self, request: HttpRequest, first: _RetryableError) -> HttpResponse:
        """Retries after the ``first`` attempt failed; apart, as tenacity is slow and most requests need no retry."""
        failed = [first]

        async def attempt() -> HttpResponse:
            if failed:
                raise failed.pop()
            return await self._once(request)

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_RetryableError),
            wait=self._wait,
            stop=self._stop,
            reraise=True,
            before_sleep=partial(self._count_retry, request),
        )
        try:
            return await retrying(attempt)
        except _RetryableError as error:
            raise NotServedError(
                f"{self._host(request)} did not serve{f' for {self.patience:.0f} s' if self.patience else ''} "
                f"(last: {self.clean(str(error))}); {self._mend(request, error)}",
                error.status,
                error.delay,
            ) from error

    def _mend(self, request: HttpRequest, error: _RetryableError) -> str:
        if error.status and request.url not in self._served:
            return (
                "it has served nothing yet: see what 'bbdft inspect URL --show' prints, and whether --profile, --batch "
                "and --size are right; or try later"
            )
        return "try later, or give it longer with --patience"

    _backoff = wait_random_exponential(multiplier=0.25, max=MAX_BACKOFF_SECONDS)

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        delay = error.delay if isinstance(error, _RetryableError) else None
        return float(self._backoff(state)) if delay is None else delay

    def _stop(self, state: RetryCallState) -> bool:
        waited = time.monotonic() - self._last_success
        return waited + (state.upcoming_sleep or 0) > self.patience

    def _count_retry(self, request: HttpRequest, state: RetryCallState) -> None:
        self.retries += 1
        error = state.outcome.exception() if state.outcome else None
        reason = self.clean(str(error))
        LOG.info("not served (%s): again in %.1f s", reason, state.upcoming_sleep)
        now = time.monotonic()
        self._unserved_since = self._unserved_since or now
        if not self._warned and now + state.upcoming_sleep - self._unserved_since >= SILENT_SECONDS:
            self._warned = True
            patience, host = f"{self.patience:.0f} s without a success (--patience)", self._host(request)
            LOG.warning("%s does not serve (%s): it is tried again, until %s", host, reason, patience)

    async def _once(self, request: HttpRequest) -> HttpResponse:
        if self.rate:
            await self.rate.wait()
        try:
            async with asyncio.timeout(self.timeout):
                return await self._exchange(request)
        except TimeoutError as error:
            raise LateError(f"{self._host(request)} did not respond within {self.timeout:g} s") from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            if "CERTIFICATE" in str(error).upper():
                raise TargetError(
                    f"{self._host(request)}: its TLS certificate cannot be trusted ({self.clean(str(error))}); "
                    "if it is your own, set SSL_CERT_FILE to its authority"
                ) from error
            if "WRONG_VERSION_NUMBER" in str(error):
                raise TargetError(
                    f"{self._host(request)} does not use TLS: does its URL start with http://?"
                ) from error
            raise _RetryableError(f"no connection: {error}") from error
        except httpx.UnsupportedProtocol as error:
            raise TargetError(f"{request.url}: {error}") from error
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise LostAnswer(f"{self._host(request)} broke off ({self.clean(reason)})") from error

    async def _exchange(self, request: HttpRequest) -> HttpResponse:
        pool = min(range(len(self._pools)), key=self._busy.__getitem__)
        self._busy[pool] += 1
        try:
            return await self._exchange_by(self._pools[pool], request)
        finally:
            self._busy[pool] -= 1

    async def _exchange_by(self, client: httpx.AsyncClient, request: HttpRequest) -> HttpResponse:
        built = client.build_request(
            request.method,
            _parsed(request.url),
            headers=dict(request.headers),
            content=request.content,
            files=dict(request.parts) if request.parts else None,
            data=dict(request.fields) if request.fields else None,
        )
        response = await client.send(built, stream=True)
        try:
            body = await self._body(response, request)
        finally:
            await response.aclose()
        if self._observe:
            self._observe(Exchange(built, response, body))
        if response.is_success:
            return HttpResponse(dict(response.headers), body, response.status_code, self.secrets)
        status = f"{response.status_code} {response.reason_phrase}"
        if response.status_code in RETRIED_STATUS_CODES:
            self.throttled += response.status_code == 429 or "retry-after" in response.headers
            delay = retry_after(response.headers.get("retry-after"))
            raise _RetryableError(f"{status} ({clip(body, self.secrets)})", delay, status=response.status_code)
        if response.is_redirect:
            location = urlsplit(response.headers.get("location", ""))
            url = location._replace(query="", fragment="").geturl()
            if response.status_code == 303:
                raise TargetError(
                    f"{self._host(request)} returns its results elsewhere, at {self.clean(url)}: take a service that "
                    "returns scores in the response, or a Python function that fetches them, as module:function"
                )
            raise TargetError(f"{self._host(request)} redirects to {self.clean(url)}: give that URL as TARGET")
        hint = STATUS_HINTS.get(response.status_code)
        if response.status_code in (400, 422) and b"batch" in body.lower():
            hint = f"if it takes fewer images at once, give a smaller --batch; {hint}"
        sentence = f"{self._host(request)} refused: {status} ({clip(body, self.secrets)})"
        raise RefusedError(f"{sentence}; {hint}" if hint else sentence, response.status_code)

    async def _body(self, response: httpx.Response, request: HttpRequest) -> bytes:
        pieces, size = [], 0
        # httpx would decompress a bomb before its size can be checked.
        async for piece in response.aiter_raw():
            size += len(piece)
            if size > MAX_RESPONSE_BYTES:
                raise self._too_large(request)
            pieces.append(piece)
        body = b"".join(pieces)
        try:
            body = decompress(body, response.headers.get("content-encoding", ""), MAX_RESPONSE_BYTES)
        except ValueError as error:
            raise LostAnswer(f"{self._host(request)} sent a response {self.clean(str(error))}") from error
        if len(body) > MAX_RESPONSE_BYTES:
            raise self._too_large(request)
        return body

    def _too_large(self, request: HttpRequest) -> TargetError:
        return TargetError(f"{self._host(request)} sent more than {MAX_RESPONSE_BYTES >> 20} MiB: is it a model's URL?")

    def _host(self, request: HttpRequest) -> str:
        parts = urlsplit(request.url)
        return self.clean(f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}")

    def clean(self, text: str) -> str:
        """``text`` with secrets replaced by ``***``, on one line."""
        return " ".join(mask(text, self.secrets).split())

    def close(self) -> None:
        """Closes the connections and ends the thread of the event loop; may be called twice."""
        if self._loop.is_closed():
            return
        for client in self._pools:
            self._run(client.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


@lru_cache(maxsize=16)
def _parsed(url: str) -> httpx.URL:
    return httpx.URL(url)
