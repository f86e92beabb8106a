"""Scores for a service: a target in this process, or one behind a URL with retries, deadlines and back-pressure."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from blackbox_dft._utils.types import Array, ImageBytes, Images, Scores
from blackbox_dft.deploy.serve.batching import Batcher
from blackbox_dft.deploy.serve.failures import ServiceError
from blackbox_dft.deploy.serve.limits import ImageBudget, Limits
from blackbox_dft.deploy.serve.metrics import Metrics
from blackbox_dft.errors import LostAnswer, NotFiniteScores
from blackbox_dft.objectives.repeats import merge_repeats
from blackbox_dft.targets.base import ConcurrentTarget, Target
from blackbox_dft.targets.http.rate_limit import RateLimit
from blackbox_dft.targets.http.transport import LateError, NotServedError

Views = Sequence[ImageBytes | Images]
"""Images ``(N, H, W, 3)`` under each of V changes."""
RETRY_SHARE, MAX_RETRIES_SAVED = 0.2, 20.0
"""Retries that each request to the target earns, and the most that may be saved: a target that fails all the time is
not sent much more than it is sent anyway."""
MAX_TRIES_NOT_FINITE = 2
"""Scores that are not a number this often are what the model has for the image."""
MIN_BACKOFF, MAX_BACKOFF = 0.05, 5.0
"""Seconds."""


class Scoring(Protocol):
    """Scores images for a service. ``prepare`` is called in threads, ``scores`` in the event loop."""

    def prepare(self, views: Views) -> list[list[Prepared]]:
        """Requests for each of V views."""
        ...

    async def scores(self, prepared: list[list[Prepared]], until: float) -> list[Scores]:
        """Scores ``(N, K)`` of each view, before the time ``until`` of the event loop.

        Raises:
            ServiceError: there are none; says why.
        """
        ...


@dataclass(frozen=True, eq=False)
class Prepared:
    """A request that is ready to be sent, as often as wanted."""

    count: int
    """Images."""
    images: Array | None = None
    """For a target in this process."""
    send: Callable[[], Future[Scores]] | None = None
    """For others."""


class LocalScoring:
    """Scores by a target in this process; what several clients send at about the same time goes into one batch.

    Args:
        target: an ONNX file or a function.
        metrics: what is counted.
        budget: images that may be scored.
        max_batch: images of a call.
        max_wait: seconds that an image waits for others.
    """

    def __init__(
        self,
        target: Target,
        metrics: Metrics,
        budget: ImageBudget,
        *,
        max_batch: int,
        max_wait: float,
        repeats: int = 1,
    ) -> None:
        self._metrics, self._budget, self._repeats = metrics, budget, repeats
        self._batcher = Batcher(
            lambda images: {"scores": target.scores(images)},
            max_batch=max_batch,
            max_wait=max_wait,
            workers=target.workers,
        )

    def prepare(self, views: Views) -> list[list[Prepared]]:
        """All views in one."""
        return [[Prepared(len(views[0]), np.concatenate(views))]]

    async def scores(self, prepared: list[list[Prepared]], until: float) -> list[Scores]:
        """Waits for a batch with these images."""
        ((request,),) = prepared
        assert request.images is not None
        found = [await self._once(request.images, until) for _ in range(self._repeats)]
        merged = found[0] if len(found) == 1 else merge_repeats(np.stack(found))
        return np.split(merged, len(merged) // request.count)

    async def _once(self, images: Array, until: float) -> Scores:
        if not self._budget.take(len(images)):
            raise _spent()
        started = time.perf_counter()
        try:
            async with asyncio.timeout_at(until):
                scores: Scores = (await self._batcher(images))["scores"]
        except TimeoutError as error:
            raise ServiceError(504, "the model did not score the image in time: try again later") from error
        except Exception as error:
            self._metrics.add("bbdft_upstream_errors_total", kind="refused")
            raise ServiceError(502, "the model failed on this image", detail=str(error)) from error
        self._metrics.observe("bbdft_upstream_seconds", time.perf_counter() - started)
        self._metrics.add("bbdft_upstream_images_total", len(images), result="scored")
        return scores


class RemoteScoring:
    """Scores by a target that takes many requests at once, such as a URL.

    A request that was not served, or whose response got lost, is sent again as long as the client waits, the tries
    are not used up, and retries are a small share of all requests. What the target demands to wait, all clients
    wait; those that would wait too long are refused with 429 at once.

    Args:
        target: its own retries should be off (``patience`` 0), and its rate limit too.
        metrics: what is counted.
        budget: images that may be sent.
        limits: how often an image is sent at most.
        concurrency: requests to the target at once.
        rate: of requests to the target.
        repeats: times that every image is scored.
    """

    def __init__(
        self,
        target: Target,
        metrics: Metrics,
        budget: ImageBudget,
        limits: Limits,
        *,
        concurrency: int,
        rate: RateLimit | None = None,
        repeats: int = 1,
    ) -> None:
        if not isinstance(target, ConcurrentTarget):
            raise TypeError(f"{target.name} does not take several requests at once")
        self._prepare, self._batch = target.prepare, max(1, target.batch)
        self._metrics, self._budget, self._tries, self._repeats = metrics, budget, limits.tries, repeats
        self._rate, self._free = rate, asyncio.Semaphore(concurrency)
        self._retries = MAX_RETRIES_SAVED
        self._paused_until, self._limited = 0.0, 0
        self._sent: set[asyncio.Future[Scores]] = set()

    def prepare(self, views: Views) -> list[list[Prepared]]:
        """Requests of as many images as the target takes at once."""
        starts = range(0, len(views[0]), self._batch)
        pieces = [[view[start : start + self._batch] for start in starts] for view in views]
        return [[Prepared(len(piece), send=self._prepare(piece)) for piece in each] for each in pieces]

    async def scores(self, prepared: list[list[Prepared]], until: float) -> list[Scores]:
        """Sends all requests at once, within the concurrency."""
        requests = [request for _ in range(self._repeats) for view in prepared for request in view]
        if len(requests) == 1:
            return [await self._one(requests[0], until)]
        found = await asyncio.gather(*(self._one(request, until) for request in requests))
        per_view = len(prepared[0])
        views = [np.concatenate(found[start : start + per_view]) for start in range(0, len(found), per_view)]
        if self._repeats == 1:
            return views
        return [merge_repeats(np.stack(views[view :: len(prepared)])) for view in range(len(prepared))]

    async def _one(self, request: Prepared, until: float) -> Scores:
        """Scores of one request, which is sent again if that may help."""
        self._retries = min(MAX_RETRIES_SAVED, self._retries + RETRY_SHARE)
        tries = 0
        while True:
            tries += 1
            await self._turn(request.count, until)
            try:
                scores = await self._attempt(request, until)
                self._limited = 0
                return scores
            except NotFiniteScores as error:
                if tries >= MAX_TRIES_NOT_FINITE or not self._retry(tries, until):
                    return np.asarray(error.scores, np.float32)
            except LateError as error:
                if not self._retry(tries, until):
                    raise ServiceError(
                        504, "the target did not respond in time: try again later", detail=str(error)
                    ) from error
            except LostAnswer as error:
                if not self._retry(tries, until):
                    raise ServiceError(
                        502, "the response of the target cannot be read: try again", detail=str(error)
                    ) from error
            except NotServedError as error:
                if error.status == 429 or error.delay is not None:
                    # To be refused costs nothing, so it is no try; ``_turn`` waits as long as the client does.
                    self._pause(error.delay)
                    tries -= 1
                    continue
                if not self._retry(tries, until):
                    raise _not_served(error) from error
            except ServiceError:
                raise
            except Exception as error:
                raise ServiceError(502, "the target refused the image", detail=str(error)) from error
            await asyncio.sleep(self._backoff(tries))

    def _retry(self, tries: int, until: float) -> bool:
        """Whether a request that was sent ``tries`` times is sent again."""
        late = asyncio.get_running_loop().time() + self._backoff(tries) >= until
        if tries >= self._tries or self._retries < 1 or late:
            return False
        self._retries -= 1
        self._metrics.add("bbdft_upstream_retries_total")
        return True

    def _backoff(self, tries: int) -> float:
        return min(MAX_BACKOFF, MIN_BACKOFF * 2.0**tries) * random.uniform(0.5, 1.0)

    def _pause(self, delay: float | None) -> None:
        """Nothing is sent for as long as the target demands, or longer each time if it keeps refusing."""
        self._limited = min(self._limited + 1, 16)
        seconds = max(delay or 0.0, min(MAX_BACKOFF, MIN_BACKOFF * 2.0 ** (self._limited // 4)))
        self._paused_until = max(self._paused_until, asyncio.get_running_loop().time() + seconds)

    async def _turn(self, count: int, until: float) -> None:
        """Waits until ``count`` images may be sent; a place among the requests under way is taken then.

        Raises:
            ServiceError: that would be too late, or the budget is spent.
        """
        self._refuse_if_late(until, max(self._pause_left, self._rate.ahead if self._rate else 0.0))
        if self._free.locked():
            try:
                async with asyncio.timeout_at(until):
                    await self._free.acquire()
            except TimeoutError as error:
                raise ServiceError(
                    429, "too many requests wait for the target: try again later", retry_after=1
                ) from error
        else:
            await self._free.acquire()
        try:
            while (wait := self._pause_left) > 0:
                self._refuse_if_late(until, wait)
                await asyncio.sleep(wait)
            if self._rate:
                self._refuse_if_late(until, self._rate.ahead)
                await asyncio.sleep(self._rate.reserve())
            # What is sent now would be paid for, and come too late.
            self._refuse_if_late(until, 0)
            if not self._budget.take(count):
                raise _spent()
        except BaseException:
            self._free.release()
            raise

    @property
    def _pause_left(self) -> float:
        return self._paused_until - asyncio.get_running_loop().time()

    def _refuse_if_late(self, until: float, wait: float) -> None:
        if asyncio.get_running_loop().time() + wait >= until:
            raise ServiceError(429, "the target takes no more requests now: try again later", retry_after=wait)

    async def _attempt(self, request: Prepared, until: float) -> Scores:
        """Sends a request once; what comes after the client has gone is counted all the same."""
        loop, started = asyncio.get_running_loop(), time.perf_counter()
        assert request.send
        try:
            sent = asyncio.wrap_future(request.send())
        except BaseException:
            self._free.release()
            self._budget.give_back(request.count)
            raise
        self._sent.add(sent)

        def ended(future: asyncio.Future[Scores]) -> None:
            self._sent.discard(future)
            self._free.release()
            self._count(future.exception(), request.count, time.perf_counter() - started)

        sent.add_done_callback(ended)
        done, _ = await asyncio.wait({sent}, timeout=until - loop.time())
        if not done:
            raise ServiceError(504, "the target did not respond in time: try again later")
        return sent.result()

    def _count(self, error: BaseException | None, images: int, seconds: float) -> None:
        metrics = self._metrics
        metrics.observe("bbdft_upstream_seconds", seconds)
        if error is None or isinstance(error, NotFiniteScores):
            metrics.add("bbdft_upstream_images_total", images, result="scored")
        elif isinstance(error, LostAnswer):
            metrics.add("bbdft_upstream_images_total", images, result="lost")
            metrics.add("bbdft_upstream_errors_total", kind="late" if isinstance(error, LateError) else "unreadable")
        else:
            self._budget.give_back(images)
            limited = isinstance(error, NotServedError) and error.status == 429
            kind = "limited" if limited else "unserved" if isinstance(error, NotServedError) else "refused"
            metrics.add("bbdft_upstream_errors_total", kind=kind)


def _not_served(error: NotServedError) -> ServiceError:
    if not error.status:
        return ServiceError(503, "the target cannot be reached: try again later", retry_after=5, detail=str(error))
    status = 503 if error.status == 503 else 502
    return ServiceError(
        status, f"the target did not serve the image (status {error.status}): try again later", detail=str(error)
    )


def _spent() -> ServiceError:
    return ServiceError(503, "the budget of this service is spent: start it again with a larger --budget")
