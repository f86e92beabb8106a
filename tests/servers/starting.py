"""Starts a third-party server, waits until it serves, and stops it with all its processes."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import httpx

HERE = Path(__file__).parent
PYTHONS = "BBDFT_SERVER_PYTHONS"
"""Variable with further Pythons to look for servers in: their pins do not suit each other or the project's packages."""


class NoServerError(Exception):
    """The server did not start; the message says why."""


@cache
def python_with(package: str) -> str:
    """The first Python that can import ``package`` and ONNX Runtime: this one, or one of ``BBDFT_SERVER_PYTHONS``.

    Raises:
        NoServerError: none of them can; with the error of each.
    """
    errors = []
    for python in [sys.executable, *filter(None, os.environ.get(PYTHONS, "").split(os.pathsep))]:
        done = subprocess.run(
            [python, "-c", f"import {package}, onnxruntime"], capture_output=True, text=True, timeout=60
        )
        if done.returncode == 0:
            return python
        last = done.stderr.strip().splitlines()[-1:] or [f"it ended with {done.returncode}"]
        if last[0] not in errors:
            errors += last
    raise NoServerError(f"{'; '.join(errors)} (other Pythons to look in: {PYTHONS})")


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that are free now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextmanager
def started(command: Sequence[object], folder: Path, ready: str, *, seconds: float = 60) -> Iterator[None]:
    """Runs ``command`` in ``folder`` until the block ends; it serves once ``ready``, a URL, responds with 200.

    Raises:
        NoServerError: it ended, or did not serve in time; with the last error of its log.
    """
    path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
    log = folder / "server.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            list(map(str, command)),
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            # A group of its own, so that what it starts ends with it.
            start_new_session=True,
        )
    try:
        _wait(process, ready, time.monotonic() + seconds, log)
        yield
    finally:
        # As Ctrl-C does: each then stops the processes that it started.
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", ready: str, until: float, log: Path) -> None:
    while time.monotonic() < until:
        if process.poll() is not None:
            raise NoServerError(f"it ended with {process.returncode}: {_last_error(log)}")
        with suppress(httpx.HTTPError):
            if httpx.get(ready, timeout=2).status_code == 200:
                return
        time.sleep(0.1)
    raise NoServerError(f"it does not serve: {_last_error(log)}")


def _last_error(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line]
    return (errors or lines or ["its log is empty"])[-1][:300]
