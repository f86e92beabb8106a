"""Runs of a comparison in parallel worker processes, for a target on this machine."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from blackbox_dft.comparison.grid import GridRun
from blackbox_dft.comparison.learning_curve import learning_curve
from blackbox_dft.errors import TargetError
from blackbox_dft.run.config import Config
from blackbox_dft.run.experiment import Experiment

REPORT_SECONDS = 0.2
"""Between two progress reports of a worker."""


def side_by_side(
    config: Config,
    runs: Sequence[GridRun],
    budgets: Sequence[int],
    cap: Sequence[int],
    out: Path,
    batch: int,
    *,
    processes: int,
    scored: Callable[[int, int], None],
    done: Callable[[GridRun], None],
) -> None:
    """Computes the ``learning_curve`` of all ``runs`` in ``processes`` worker processes.

    Args:
        config: of the comparison; every worker opens its own experiment from it.
        runs: those to compute, in this order.
        budgets, cap, out, batch: as of ``learning_curve``.
        processes: the number of workers.
        scored: called here with the images scored and those of them paid for.
        done: called here with each finished run.

    Raises:
        BlackboxError: of the first run that failed; the others are stopped, and continue from their ledgers next time.
    """
    # Spawned, as the threads of a model's runtime do not survive a fork.
    context = multiprocessing.get_context("spawn")
    waiting = list(reversed(runs))
    workers: dict[Connection, SpawnProcess] = {}
    at: dict[Connection, GridRun] = {}
    try:
        for _ in range(min(processes, len(runs))):
            ours, theirs = context.Pipe()
            worker = context.Process(target=_work, args=(theirs, config, tuple(budgets), tuple(cap), out, batch))
            worker.start()
            theirs.close()
            workers[ours] = worker
        while workers:
            for connection in wait(list(workers)):
                assert isinstance(connection, Connection)
                try:
                    word, value = connection.recv()
                except EOFError:
                    worker = workers[connection]
                    worker.join()
                    where = at.get(connection, "its start")
                    raise TargetError(
                        f"a process died at {where} (exit code {worker.exitcode}; out of memory?): "
                        "give the same command with fewer --processes"
                    ) from None
                if word == "failed":
                    raise value
                if word == "scored":
                    scored(*value)
                    continue
                if connection in at:
                    done(at.pop(connection))
                if waiting:
                    at[connection] = waiting.pop()
                    connection.send(at[connection])
                else:
                    connection.send(None)
                    workers.pop(connection).join()
                    connection.close()
    finally:
        # Safe at any moment: the model is on this machine, and a ledger survives a kill.
        for worker in workers.values():
            worker.terminate()
        for worker in workers.values():
            worker.join()


def _work(
    connection: Connection, config: Config, budgets: Sequence[int], cap: Sequence[int], out: Path, batch: int
) -> None:
    # Ctrl-C reaches all processes of a terminal; the parent ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    try:
        import cv2

        cv2.setNumThreads(1)
        options = config.target_options
        # The processes share the cores between them.
        experiment = Experiment(replace(config, target_options=replace(options, workers=options.workers or 1)))
        with experiment.opened():
            connection.send(("ready", None))
            while (run := connection.recv()) is not None:
                reporter = _ProgressReporter(connection)
                learning_curve(experiment, run, budgets, cap, out, batch, reporter)
                reporter.flush()
                connection.send(("ready", None))
    except (EOFError, BrokenPipeError):
        return
    except BaseException as error:
        _send_error(connection, error)


def _exit_with_parent() -> None:
    """Ends this process when its parent ends, also by a kill."""
    parent = multiprocessing.parent_process()
    assert parent
    wait([parent.sentinel])
    os._exit(1)


class _ProgressReporter:
    """Adds up images scored and sends the sum now and then, so that the parent is not woken for every batch."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._images = self._paid = 0
        self._last = time.monotonic()

    def __call__(self, images: int, paid: int) -> None:
        self._images += images
        self._paid += paid
        if time.monotonic() - self._last > REPORT_SECONDS:
            self.flush()

    def flush(self) -> None:
        self._connection.send(("scored", (self._images, self._paid)))
        self._images = self._paid = 0
        self._last = time.monotonic()


def _send_error(connection: Connection, error: BaseException) -> None:
    failure: Any = error
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        # Errors of a user's own class may not be picklable.
        failure = TargetError(f"{type(error).__name__}: {error}")
    with suppress(OSError):
        connection.send(("failed", failure))
