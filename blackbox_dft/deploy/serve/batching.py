"""Dynamic batching: requests that arrive at about the same time go through the model in one batch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from blackbox_dft._utils.types import Array


@dataclass
class _QueuedRequest:
    images: Array
    outputs: asyncio.Future[dict[str, Array]]


class Batcher:
    """Joins inputs along the batch axis, runs them in threads, and returns to each request its own rows.

    Args:
        run: the model: one input array to named outputs, rows in its order; called from ``workers`` threads.
        max_batch: images of a joined batch.
        max_wait: seconds that a request waits for others while a worker is free.
        workers: batches at once.

    >>> batcher = Batcher(lambda images: {"sums": images.sum(axis=1)}, max_batch=8, max_wait=0, workers=1)
    >>> asyncio.run(batcher(np.array([[1, 2], [3, 4]])))
    {'sums': array([3, 7])}
    """

    def __init__(
        self, run: Callable[[Array], dict[str, Array]], *, max_batch: int, max_wait: float, workers: int
    ) -> None:
        self.run, self.max_batch, self.max_wait = run, max_batch, max_wait
        self.batches = self.images = 0
        """How many have been run so far."""
        self._queue: asyncio.Queue[_QueuedRequest] = asyncio.Queue()
        self._free = asyncio.Semaphore(workers)
        self._threads = ThreadPoolExecutor(workers, "model")
        self._tasks: set[asyncio.Task[None]] = set()
        self._collector: asyncio.Task[None] | None = None

    async def __call__(self, images: Array) -> dict[str, Array]:
        """Outputs for ``images (n, ...)``, each ``(n, ...)``."""
        if self._collector is None:
            self._collector = asyncio.create_task(self._collect())
        request = _QueuedRequest(images, asyncio.get_running_loop().create_future())
        await self._queue.put(request)
        return await request.outputs

    async def _collect(self) -> None:
        next_request: _QueuedRequest | None = None
        while True:
            group = [next_request or await self._queue.get()]
            next_request = None
            # Wait for a worker first: while all are busy, more requests arrive anyway.
            await self._free.acquire()
            size = len(group[0].images)
            deadline = asyncio.get_running_loop().time() + self.max_wait
            while size < self.max_batch:
                left = deadline - asyncio.get_running_loop().time()
                try:
                    other = self._queue.get_nowait() if left <= 0 else await asyncio.wait_for(self._queue.get(), left)
                except (asyncio.QueueEmpty, TimeoutError):
                    break
                if size + len(other.images) > self.max_batch or other.images.shape[1:] != group[0].images.shape[1:]:
                    next_request = other
                    break
                group.append(other)
                size += len(other.images)
            task = asyncio.create_task(self._serve(group))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, group: list[_QueuedRequest]) -> None:
        try:
            joined = group[0].images if len(group) == 1 else np.concatenate([one.images for one in group])
            outputs = await asyncio.get_running_loop().run_in_executor(self._threads, self.run, joined)
            self.batches += 1
            self.images += len(joined)
            start = 0
            for one in group:
                end = start + len(one.images)
                if not one.outputs.done():
                    one.outputs.set_result({name: rows[start:end] for name, rows in outputs.items()})
                start = end
        except Exception as error:
            for one in group:
                if not one.outputs.done():
                    one.outputs.set_exception(error)
        finally:
            self._free.release()
