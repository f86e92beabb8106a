"""Sending requests so that faults either heal or end in one sentence; a thin layer over async httpx.

What heals is tried again in place, with jittered exponential backoff and as ``Retry-After`` says: connections refused
or not made, and the answers 408, 425, 429, 500, 502, 503 and 504, by which a server says that it did not do its work.
What was sent and got no usable answer (reset, time-out, half an answer) raises ``LostAnswer``, since somebody may have
been charged: the ledger decides whether the images are sent again. Everything else ends the run.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from blackbox_dft.errors import LostAnswer, TargetError
from blackbox_dft.targets.http.messages import HttpRequest, HttpResponse, clip, load_certificate, retry_after, unpacked
from blackbox_dft.targets.http.rate_limit import RateLimit

T = TypeVar("T")
HEALING = (408, 425, 429, 500, 502, 503, 504)
LARGEST = 64 * 2**20
"""Bytes of the largest answer that is read."""
LONGEST_WAIT = 60.0
"""Seconds of the longest pause that backoff makes; ``Retry-After`` may ask for more, up to what patience is left."""


class RefusedError(TargetError):
    """The server answered that it will not do this."""


class _RetryableError(Exception):
    """The request was not served; it may be sent again after a while."""

    def __init__(self, what: str, after: float | None = None) -> None:
        super().__init__(what)
        self.after = after


class Transport:
    """An event loop in a thread of its own, with a connection pool; ``send`` may be called from many threads.

    Args:
        secrets: values that no message may show.
        timeout: seconds from sending a request to the end of its answer.
        patience: seconds of trying again without a single success before giving up.
        cert: PEM file with the client's certificate and its key.

    Raises:
        InputError: it cannot be read.
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
    ) -> None:
        self.timeout, self.patience, self.secrets = timeout, patience, secrets
        self.rate = RateLimit.parse(rate) if rate else None
        self.resent = 0
        """Requests sent again after they had not been served."""
        self.slowed = 0
        """Answers that asked to wait (``Retry-After``) or to come less often (429)."""
        trusted = httpx.create_ssl_context()
        if cert is not None:
            load_certificate(trusted, cert)
        self._healthy = time.monotonic()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="http", daemon=True)
        self._thread.start()
        self._client = self._run(self._open(connections, trusted))

    async def _open(self, connections: int, trusted: ssl.SSLContext) -> httpx.AsyncClient:
        try:
            import h2  # noqa: F401

            http2 = True
        except ImportError:
            http2 = False
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        # Redirects are not followed: they could carry secrets elsewhere, or turn a POST into a GET.
        return httpx.AsyncClient(
            http2=http2,
            verify=trusted,
            limits=limits,
            timeout=self.timeout,
            follow_redirects=False,
            headers={"accept-encoding": "gzip"},
        )

    def send(self, request: HttpRequest) -> HttpResponse:
        """Sends it until it is served.

        Raises:
            LostAnswer: it was sent and no usable answer came back.
            TargetError: it will not heal, or has not within the patience.
        """
        return self.post(request, lambda answer: answer).result()

    def post(self, request: HttpRequest, read: Callable[[HttpResponse], T]) -> Future[T]:
        """``send`` without waiting; ``read`` turns the answer into what is asked for, in the loop's thread.

        What was sent cannot be taken back: the future cannot be cancelled.
        """
        given: Future[T] = Future()
        given.set_running_or_notify_cancel()
        self._loop.call_soon_threadsafe(self._begin, request, read, given)
        return given

    def _begin(self, request: HttpRequest, read: Callable[[HttpResponse], T], given: Future[T]) -> None:
        async def serve() -> None:
            try:
                answer = await self._until_served(request)
                found = self._cleaned(read, answer)
            except BaseException as error:
                given.set_exception(error)
            else:
                given.set_result(found)

        task = self._loop.create_task(serve())
        # The loop itself holds tasks weakly.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _cleaned(self, read: Callable[[HttpResponse], T], answer: HttpResponse) -> T:
        """``read(answer)``; what it has to say of it shows no secrets."""
        try:
            return read(answer)
        except LostAnswer as error:
            raise LostAnswer(self.clean(str(error))) from None
        except TargetError as error:
            raise TargetError(self.clean(str(error))) from None

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _until_served(self, request: HttpRequest) -> HttpResponse:
        # After a quiet time, waiting starts with this request.
        self._healthy = max(self._healthy, time.monotonic() - self.patience / 2)
        try:
            answer = await self._once(request)
        except _RetryableError as error:
            answer = await self._again(request, error)
        self._healthy = time.monotonic()
        return answer

    async def _again(self, request: HttpRequest, first: _RetryableError) -> HttpResponse:
        """Goes on after a ``first`` attempt that failed; most requests never come here."""
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
            before_sleep=self._count,
        )
        try:
            return await retrying(attempt)
        except _RetryableError as error:
            raise TargetError(
                f"{self._host(request)} did not serve for {self.patience:.0f} s (last: {self.clean(str(error))}); "
                "try later, or give it longer with --patience"
            ) from error

    _backoff = wait_random_exponential(multiplier=0.25, max=LONGEST_WAIT)

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.after if isinstance(error, _RetryableError) else None
        return float(self._backoff(state)) if asked is None else asked

    def _stop(self, state: RetryCallState) -> bool:
        waited = time.monotonic() - self._healthy
        return waited + (state.upcoming_sleep or 0) > self.patience

    def _count(self, state: RetryCallState) -> None:
        self.resent += 1

    async def _once(self, request: HttpRequest) -> HttpResponse:
        if self.rate:
            await self.rate.turn()
        try:
            async with asyncio.timeout(self.timeout):
                return await self._exchange(request)
        except TimeoutError as error:
            raise LostAnswer(f"{self._host(request)} did not answer within {self.timeout:g} s") from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            if "CERTIFICATE" in str(error).upper():
                raise TargetError(
                    f"{self._host(request)}: its TLS certificate cannot be trusted ({self.clean(str(error))}); "
                    "if it is your own, set SSL_CERT_FILE to its authority"
                ) from error
            if "WRONG_VERSION_NUMBER" in str(error):
                raise TargetError(f"{self._host(request)} does not speak TLS: is it http:// there?") from error
            raise _RetryableError(f"no connection: {error}") from error
        except httpx.UnsupportedProtocol as error:
            raise TargetError(f"{request.url}: {error}") from error
        except httpx.HTTPError as error:
            what = str(error) or type(error).__name__
            raise LostAnswer(f"{self._host(request)} broke off ({self.clean(what)})") from error

    async def _exchange(self, request: HttpRequest) -> HttpResponse:
        sent = self._client.build_request(
            request.method,
            _parsed(request.url),
            headers=dict(request.headers),
            content=request.content,
            files=dict(request.parts) if request.parts else None,
            data=dict(request.fields) if request.fields else None,
        )
        response = await self._client.send(sent, stream=True)
        try:
            body = await self._body(response, request)
        finally:
            await response.aclose()
        if response.is_success:
            return HttpResponse(dict(response.headers), body)
        if response.status_code in HEALING:
            self.slowed += response.status_code == 429 or "retry-after" in response.headers
            what = f"{response.status_code} {response.reason_phrase}"
            raise _RetryableError(what, retry_after(response.headers.get("retry-after")))
        if response.is_redirect:
            place = urlsplit(response.headers.get("location", ""))
            to = place._replace(query="", fragment="").geturl()
            raise TargetError(f"{self._host(request)} sends elsewhere ({self.clean(to)}): give that URL as TARGET")
        said = self.clean(clip(body))
        raise RefusedError(f"{self._host(request)} refused: {response.status_code} {response.reason_phrase} ({said})")

    async def _body(self, response: httpx.Response, request: HttpRequest) -> bytes:
        pieces, size = [], 0
        # Unpacked here and not by httpx, which would unpack a bomb before its size is seen.
        async for piece in response.aiter_raw():
            size += len(piece)
            if size > LARGEST:
                raise self._too_large(request)
            pieces.append(piece)
        body = b"".join(pieces)
        try:
            body = unpacked(body, response.headers.get("content-encoding", ""), LARGEST)
        except ValueError as error:
            raise LostAnswer(f"{self._host(request)} answered {self.clean(str(error))}") from error
        if len(body) > LARGEST:
            raise self._too_large(request)
        return body

    def _too_large(self, request: HttpRequest) -> TargetError:
        return TargetError(f"{self._host(request)} answered more than {LARGEST >> 20} MiB: is it a model's URL?")

    def _host(self, request: HttpRequest) -> str:
        parts = urlsplit(request.url)
        return self.clean(f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}")

    def clean(self, text: str) -> str:
        """``text`` without the secrets, on one line."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return " ".join(text.split())

    def close(self) -> None:
        """Closes connections and ends the thread."""
        if self._loop.is_closed():
            return
        self._run(self._client.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


@lru_cache(maxsize=16)
def _parsed(url: str) -> httpx.URL:
    return httpx.URL(url)
