"""The connection to a Ray cluster, or a cluster begun on this machine."""

from __future__ import annotations

import os
import socket
from importlib.util import find_spec
from typing import Any

from blackbox_dft._utils.cpu import cores
from blackbox_dft.errors import InputError

REACH = 5.0
"""Seconds in which an address has to answer."""
BEGINS = 3
"""How often a local cluster is begun, where it takes Ray too long."""
ROOM = 128 * 2**20
"""Bytes of a local object store beside the images and the model."""


class Cluster:
    """A Ray cluster: ``local``, which is begun here and ends with ``close``, or the address of one that runs.

    A process that is connected to Ray already stays connected as it is.

    Args:
        address: ``local``, ``auto`` (the one this machine is part of) or ``HOST:PORT``.
        workers: actors; for ``local``, one for each core unless said.

    Raises:
        InputError: Ray is not installed, nothing answers there, or nobody said how many actors.
    """

    def __init__(self, address: str, workers: int | None = None) -> None:
        if find_spec("ray") is None:
            raise InputError("--cluster needs Ray, which is not installed: pip install 'blackbox-dft[ray]'.")
        if workers is None and address != "local":
            raise InputError(f"--cluster {address} needs --workers N: on how many of its CPUs or GPUs the model runs.")
        self.address = address
        self.workers = workers or cores()
        self._began = False
        if address != "local":
            self._reach()
            self.connect()

    def _reach(self) -> None:
        # Ray itself tries for minutes, and then ends the process.
        if self.address == "auto":
            return
        host, _, port = self.address.removeprefix("ray://").rpartition(":")
        if not host or not port.isdigit():
            raise InputError(f"--cluster {self.address} is no address: give local, auto or HOST:PORT.")
        try:
            socket.create_connection((host.strip("[]"), int(port)), REACH).close()
        except (OSError, OverflowError) as error:
            raise InputError(f"--cluster {self.address} cannot be reached ({error}): is Ray running there?") from error

    def connect(self, room: int = 0, cpus: int = 1) -> None:
        """Connects, unless that is done; a local cluster gets room for so many bytes, and so many CPUs an actor.

        Raises:
            InputError: Ray does not start or answer; the sentence says why.
        """
        # Nothing is sent to anybody but the cluster, and on a busy machine Ray's own processes get their time.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_agent_register_timeout_ms", "100000")
        # Ray's actors would be content with what other programs leave.
        os.environ.setdefault("RAY_worker_niceness", "0")
        import ray

        if ray.is_initialized():
            return
        own: dict[str, Any] = {}
        if self.address == "local":
            own = {
                "num_cpus": max(cores(), self.workers * cpus),
                "object_store_memory": room + ROOM,
                "include_dashboard": False,
            }
        for left in reversed(range(BEGINS if own else 1)):
            try:
                ray.init(address=self.address, log_to_driver=False, logging_level="ERROR", **own)
                break
            except (Exception, SystemExit) as error:
                ray.shutdown()
                if left:
                    continue
                first = str(error).strip().partition("\n")[0].partition(". ")[0].rstrip(".")
                mend = "leave it out." if own else "is Ray running there?"
                raise InputError(f"--cluster {self.address} cannot be used ({first}): {mend}") from error
        self._began = True

    def close(self) -> None:
        """Ends what ``connect`` began."""
        import ray

        if self._began:
            self._began = False
            ray.shutdown()
