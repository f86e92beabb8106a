"""The processes of a service: one socket, one or several worker processes, and their end without lost responses."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing import connection
from types import FrameType
from typing import Any, TypeAlias

import numpy as np
import uvicorn
from starlette.types import ASGIApp

from blackbox_dft._utils.types import Floats
from blackbox_dft.deploy.serve.gate import LOG, log_to_stderr
from blackbox_dft.deploy.serve.limits import ImageBudget
from blackbox_dft.deploy.serve.metrics import LINES
from blackbox_dft.errors import BlackboxError, InputError, TargetError

BACKLOG = 2048
"""Connections that wait to be taken."""
MIN_LIFE, MAX_SHORT_LIVES = 5.0, 3
"""Seconds that a worker should live; after so many shorter lives in a row the service gives up."""
EXTRA_GRACE = 5.0
"""Seconds, beyond the deadline of a request, after which a worker that should end is killed."""


@dataclass(frozen=True)
class Shared:
    """What the worker processes share: counters and the budget."""

    workers: int
    numbers: Any
    left: Any = None

    @classmethod
    def make(cls, workers: int, budget: int | None) -> Shared:
        """For so many workers, which may send ``budget`` images in all."""
        context = multiprocessing.get_context("spawn")
        left = None if budget is None else context.Value("q", budget)
        return cls(workers, context.RawArray("d", workers * len(LINES)), left)

    @property
    def rows(self) -> Floats:
        """What ``Metrics`` takes."""
        return np.frombuffer(self.numbers, np.float64).reshape(self.workers, len(LINES))

    @property
    def budget(self) -> ImageBudget:
        """Of all workers."""
        return ImageBudget(self.left)


MakeApp: TypeAlias = Callable[[Shared, int], AbstractContextManager[ASGIApp]]
"""Opens the app of the worker of a number; ``run_workers`` needs one that can be pickled."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections, on port ``port`` or, if it is 0, a free one.

    Raises:
        InputError: the address is in use or does not exist.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With TCP named here, asyncio turns off Nagle's algorithm, which would cost 40 ms a response.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise InputError(f"cannot listen on {host}:{port} ({error.strerror}): give another --port, or 0.") from error
    return listener


def run_app(app: ASGIApp, listener: socket.socket, grace: float) -> None:
    """Serves until SIGTERM or SIGINT; then running requests have ``grace`` seconds to end."""
    settings = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=int(grace + EXTRA_GRACE),
    )
    # Uvicorn raises the signals that ended it again, to the handlers of before: to be asked to end is no failure.
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        uvicorn.Server(settings).run(sockets=[listener])
    finally:
        signal.signal(signal.SIGTERM, before)


def run_workers(
    make_app: MakeApp, shared: Shared, listener: socket.socket, grace: float, ready: Callable[[], None], *, quiet: bool
) -> None:
    """Serves by several processes until SIGTERM or SIGINT; one that dies is started again.

    Args:
        make_app: what each of them serves.
        shared: for as many processes as are wanted.
        listener: their socket.
        grace: seconds that running requests have at the end.
        ready: called once all of them serve.
        quiet: whether only errors are logged.

    Raises:
        BlackboxError: the first worker cannot start; or workers die again and again.
    """
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    workers: dict[int, _Worker] = {}
    short_lives = 0
    try:
        for number in range(shared.workers):
            workers[number] = _Worker(make_app, shared, number, listener, grace, quiet=quiet)
        for worker in workers.values():
            worker.wait_until_ready()
        ready()
        while not stopping:
            connection.wait([worker.process.sentinel for worker in workers.values()], timeout=0.5)
            for number, worker in workers.items():
                if stopping or worker.process.exitcode is None:
                    continue
                short_lives = short_lives + 1 if worker.age < MIN_LIFE else 0
                LOG.error("worker ended", extra={"about": {"worker": number, "exit": worker.process.exitcode}})
                if short_lives >= MAX_SHORT_LIVES:
                    raise TargetError("the worker processes of the service end again and again: see its log")
                workers[number] = _Worker(make_app, shared, number, listener, grace, quiet=quiet)
    finally:
        _end([worker.process for worker in workers.values()], grace + 2 * EXTRA_GRACE)
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(processes: list[Any], patience: float) -> None:
    for process in processes:
        process.terminate()
    until = time.monotonic() + patience
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
        if process.exitcode is None:
            process.kill()
            process.join()


class _Worker:
    """A worker process."""

    def __init__(
        self, make_app: MakeApp, shared: Shared, number: int, listener: socket.socket, grace: float, *, quiet: bool
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._started = time.monotonic()
        self.process = context.Process(
            target=_work, args=(make_app, shared, number, listener, grace, quiet, theirs), name=f"worker {number}"
        )
        self.process.start()
        theirs.close()

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._started

    def wait_until_ready(self) -> None:
        """Waits until it serves.

        Raises:
            BlackboxError: it cannot.
        """
        try:
            failure = self._pipe.recv()
        except EOFError as error:
            raise TargetError("a worker process of the service died before it served: see its log") from error
        if failure is not None:
            raise failure


def _work(
    make_app: MakeApp, shared: Shared, number: int, listener: socket.socket, grace: float, quiet: bool, pipe: Any
) -> None:
    log_to_stderr(quiet=quiet)
    logging.captureWarnings(True)
    try:
        with make_app(shared, number) as app:
            pipe.send(None)
            run_app(app, listener, grace)
    except BlackboxError as error:
        pipe.send(type(error)(str(error)))
    except KeyboardInterrupt:
        pass
