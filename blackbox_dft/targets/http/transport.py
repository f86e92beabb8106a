"""Sending requests so that faults either heal or end in one sentence; a thin layer over async httpx.

What heals is tried again in place, with jittered exponential backoff and as ``Retry-After`` says: connections refused
or not made, and the answers 408, 425, 429, 500, 502, 503 and 504, by which a server says that it did not do its work.
What was sent and got no usable answer (reset, time-out, half an answer) raises ``LostAnswer``, since somebody may have
been charged: the ledger decides whether the images are sent again. Everything else ends the run.
"""

from __future__ import annotations

import asyncio
import email.utils
import json
import threading
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from blackbox_dft.errors import InputError, LostAnswer, TargetError

T = TypeVar("T")
HEALING = (408, 425, 429, 500, 502, 503, 504)
LARGEST = 64 * 2**20
"""Bytes of the largest answer that is read."""
LONGEST_WAIT = 60.0
"""Seconds of the longest pause that backoff makes; ``Retry-After`` may ask for more, up to what patience is left."""


class RefusedError(TargetError):
    """The server answered that it will not do this."""


class _TryAgainError(Exception):
    """The request was not served; it may be sent again after a while."""

    def __init__(self, what: str, after: float | None = None) -> None:
        super().__init__(what)
        self.after = after


@dataclass(frozen=True)
class Sent:
    """One request: everything but the host."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None = None
    parts: Mapping[str, tuple[str, bytes, str]] | None = None
    """Files of a multipart form."""
    fields: Mapping[str, str] | None = None
    """Other fields of the form."""


@dataclass(frozen=True)
class Answer:
    """A response with status 2xx."""

    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            LostAnswer: it is none, or nested too deep to be an answer.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise LostAnswer(f"the server's answer is no JSON ({_clip(self.body)})") from error


class Rate:
    """Spaces requests so that no second (or minute, or hour) holds more than it may."""

    def __init__(self, count: float, seconds: float) -> None:
        self.gap = seconds / count
        self._next = 0.0

    @classmethod
    def parse(cls, text: str) -> Rate:
        """``10/s``, ``600/m`` or ``5000/h``, requests."""
        number, slash, unit = text.partition("/")
        seconds = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}.get(unit)
        try:
            count = float(number)
        except ValueError:
            count = 0.0
        if not slash or seconds is None or not 0 < count < float("inf"):
            raise InputError(f"--rate {text!r} cannot be read: write 10/s, 600/m or 5000/h.")
        return cls(count, seconds)

    async def turn(self) -> None:
        """Waits until one more request may leave."""
        now = time.monotonic()
        at = max(now, self._next)
        self._next = at + self.gap
        await asyncio.sleep(at - now)


class Transport:
    """An event loop in a thread of its own, with a connection pool; ``send`` may be called from many threads.

    Args:
        secrets: values that no message may show.
        timeout: seconds from sending a request to the end of its answer.
        patience: seconds of trying again without a single success before giving up.
    """

    def __init__(
        self,
        *,
        connections: int,
        timeout: float,
        patience: float,
        rate: str | None = None,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self.timeout, self.patience, self.secrets = timeout, patience, secrets
        self.rate = Rate.parse(rate) if rate else None
        self.resent = 0
        """Requests sent again after they had not been served."""
        self.slowed = 0
        """Answers that asked to wait (``Retry-After``) or to come less often (429)."""
        self._healthy = time.monotonic()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="http", daemon=True)
        self._thread.start()
        self._client = self._run(self._open(connections))

    async def _open(self, connections: int) -> httpx.AsyncClient:
        try:
            import h2  # noqa: F401

            http2 = True
        except ImportError:
            http2 = False
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        # Redirects are not followed: they could carry secrets elsewhere, or turn a POST into a GET.
        return httpx.AsyncClient(http2=http2, limits=limits, timeout=self.timeout, follow_redirects=False)

    def send(self, request: Sent) -> Answer:
        """Sends it until it is served.

        Raises:
            LostAnswer: it was sent and no usable answer came back.
            TargetError: it will not heal, or has not within the patience.
        """
        return self._run(self._until_served(request))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _until_served(self, request: Sent) -> Answer:
        # After a quiet time, waiting starts with this request.
        self._healthy = max(self._healthy, time.monotonic() - self.patience / 2)
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_TryAgainError),
            wait=self._wait,
            stop=self._stop,
            reraise=True,
            before_sleep=self._count,
        )
        try:
            answer: Answer = await retrying(self._once, request)
        except _TryAgainError as error:
            raise TargetError(
                f"{self._host(request)} did not serve for {self.patience:.0f} s (last: {self.clean(str(error))}); "
                "try later, or give it longer with --patience"
            ) from error
        self._healthy = time.monotonic()
        return answer

    _backoff = wait_random_exponential(multiplier=0.25, max=LONGEST_WAIT)

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.after if isinstance(error, _TryAgainError) else None
        return float(self._backoff(state)) if asked is None else asked

    def _stop(self, state: RetryCallState) -> bool:
        waited = time.monotonic() - self._healthy
        return waited + (state.upcoming_sleep or 0) > self.patience

    def _count(self, state: RetryCallState) -> None:
        self.resent += 1

    async def _once(self, request: Sent) -> Answer:
        if self.rate:
            await self.rate.turn()
        try:
            async with asyncio.timeout(self.timeout):
                return await self._exchange(request)
        except TimeoutError as error:
            raise LostAnswer(f"{self._host(request)} did not answer within {self.timeout:g} s") from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            if "CERTIFICATE" in str(error).upper() or "SSL" in str(error).upper():
                raise TargetError(
                    f"{self._host(request)}: its TLS certificate cannot be trusted ({self.clean(str(error))}); "
                    "if it is your own, set SSL_CERT_FILE to its authority"
                ) from error
            raise _TryAgainError(f"no connection: {error}") from error
        except httpx.UnsupportedProtocol as error:
            raise TargetError(f"{request.url}: {error}") from error
        except httpx.HTTPError as error:
            what = str(error) or type(error).__name__
            raise LostAnswer(f"{self._host(request)} broke off ({self.clean(what)})") from error

    async def _exchange(self, request: Sent) -> Answer:
        sent = self._client.build_request(
            request.method,
            request.url,
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
            return Answer(dict(response.headers), body)
        if response.status_code in HEALING:
            self.slowed += response.status_code == 429 or "retry-after" in response.headers
            what = f"{response.status_code} {response.reason_phrase}"
            raise _TryAgainError(what, _retry_after(response.headers.get("retry-after")))
        if response.is_redirect:
            place = urlsplit(response.headers.get("location", ""))
            to = place._replace(query="", fragment="").geturl()
            raise TargetError(f"{self._host(request)} sends elsewhere ({self.clean(to)}): give that URL as TARGET")
        said = self.clean(_clip(body))
        raise RefusedError(f"{self._host(request)} refused: {response.status_code} {response.reason_phrase} ({said})")

    async def _body(self, response: httpx.Response, request: Sent) -> bytes:
        pieces, size = [], 0
        async for piece in response.aiter_bytes():
            size += len(piece)
            if size > LARGEST:
                raise TargetError(f"{self._host(request)} answered more than {LARGEST >> 20} MiB: is it a model's URL?")
            pieces.append(piece)
        return b"".join(pieces)

    def _host(self, request: Sent) -> str:
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


def _retry_after(text: str | None) -> float | None:
    """Seconds, from either form of the header (RFC 9110, 10.2.3)."""
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _clip(body: bytes) -> str:
    text = body[:300].decode("utf-8", "replace").strip()
    return text or "no text"
