"""Requests that arrive together travel through the model together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from blackbox_dft._utils.types import Array


@dataclass
class _Waiting:
    images: Array
    answer: asyncio.Future[dict[str, Array]]


class Batcher:
    """Joins inputs along the batch axis, runs them in threads, and hands each request its own rows.

    Args:
        run: the model: one input array to named outputs, rows in its order; called from ``workers`` threads.
        most: images of a joined batch.
        wait: seconds a request may wait for company, while a worker is free.
    """

    def __init__(self, run: Callable[[Array], dict[str, Array]], *, most: int, wait: float, workers: int) -> None:
        self.run, self.most, self.wait = run, most, wait
        self.batches = self.images = 0
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._free = asyncio.Semaphore(workers)
        self._threads = ThreadPoolExecutor(workers, "model")
        self._tasks: set[asyncio.Task[None]] = set()
        self._collector: asyncio.Task[None] | None = None

    async def __call__(self, images: Array) -> dict[str, Array]:
        """Outputs for ``images (n, ...)``, each ``(n, ...)``."""
        if self._collector is None:
            self._collector = asyncio.create_task(self._collect())
        waiting = _Waiting(images, asyncio.get_running_loop().create_future())
        await self._queue.put(waiting)
        return await waiting.answer

    async def _collect(self) -> None:
        held: _Waiting | None = None
        while True:
            group = [held or await self._queue.get()]
            held = None
            # A worker first: while all are busy, company comes by itself.
            await self._free.acquire()
            size = len(group[0].images)
            deadline = asyncio.get_running_loop().time() + self.wait
            while size < self.most:
                left = deadline - asyncio.get_running_loop().time()
                try:
                    other = self._queue.get_nowait() if left <= 0 else await asyncio.wait_for(self._queue.get(), left)
                except (asyncio.QueueEmpty, TimeoutError):
                    break
                if size + len(other.images) > self.most or other.images.shape[1:] != group[0].images.shape[1:]:
                    held = other
                    break
                group.append(other)
                size += len(other.images)
            task = asyncio.create_task(self._serve(group))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, group: list[_Waiting]) -> None:
        try:
            joined = group[0].images if len(group) == 1 else np.concatenate([one.images for one in group])
            outputs = await asyncio.get_running_loop().run_in_executor(self._threads, self.run, joined)
            self.batches += 1
            self.images += len(joined)
            start = 0
            for one in group:
                end = start + len(one.images)
                if not one.answer.done():
                    one.answer.set_result({name: rows[start:end] for name, rows in outputs.items()})
                start = end
        except Exception as error:
            for one in group:
                if not one.answer.done():
                    one.answer.set_exception(error)
        finally:
            self._free.release()
