"""Ray cluster: a connection to one, or one that is started on this machine."""

from __future__ import annotations

import logging
import os
import socket
from importlib.util import find_spec
from typing import Any

from blackbox_dft._utils.cpu import cores
from blackbox_dft.errors import InputError
from blackbox_dft.targets.options import TargetOptions

CONNECT_SECONDS = 5.0
"""Within which an address has to accept a connection."""
MAX_STARTS = 3
"""How many times a local cluster is started if that takes Ray too long."""
SPARE_BYTES = 128 * 2**20
"""Of a local object store, beside the images and the model."""


class Cluster:
    """A Ray cluster: ``local``, which is started here and stopped by ``close``, or the address of a running one.

    A process that is connected to Ray already stays connected as it is.

    Args:
        address: ``local``, ``auto`` (the one this machine is part of) or ``HOST:PORT``.
        workers: actors; for ``local``, one a core by default.

    Raises:
        InputError: Ray is not installed, nothing answers at the address, or the number of actors is missing.
    """

    def __init__(self, address: str, workers: int | None = None) -> None:
        if find_spec("ray") is None:
            raise InputError("--cluster needs Ray, which is not installed: pip install 'blackbox-dft[ray]'.")
        if workers is None and address != "local":
            raise InputError(f"--cluster {address} needs --workers N: on how many of its CPUs or GPUs the model runs.")
        self.address = address
        self.workers = workers or cores()
        self._started = False
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
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise InputError(f"--cluster {self.address} cannot be reached ({error}): is Ray running there?") from error

    def connect(self, room: int = 0, cpus: int = 1) -> None:
        """Connects, unless that is done; a local cluster gets ``room`` bytes for objects and ``cpus`` CPUs an actor.

        Raises:
            InputError: Ray does not start or answer; the sentence says why.
        """
        # No usage statistics leave the machine; on a busy machine Ray's own processes need longer to start.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_agent_register_timeout_ms", "100000")
        # By default, actors run at low priority.
        os.environ.setdefault("RAY_worker_niceness", "0")
        import ray

        if ray.is_initialized():
            return
        own: dict[str, Any] = {}
        if self.address == "local":
            own = {
                "num_cpus": max(cores(), self.workers * cpus),
                "object_store_memory": room + SPARE_BYTES,
                "include_dashboard": False,
            }
        # Of its own, too: started a second time after a failure, Ray may log at its usual level.
        logging.getLogger("ray._private.worker").setLevel(logging.ERROR)
        for left in reversed(range(MAX_STARTS if own else 1)):
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
        self._started = True

    def close(self) -> None:
        """Stops the cluster, or the connection, that ``connect`` started."""
        import ray

        if self._started:
            self._started = False
            ray.shutdown()


def open_cluster(target: str, options: TargetOptions) -> Cluster | None:
    """The cluster that ``options`` name for ``target``; ``None`` if the target runs in this process.

    Raises:
        InputError: the cluster cannot be used, or the target is a URL.
    """
    if not options.cluster:
        return None
    if "://" in target:
        raise InputError(f"--cluster is for models that run here, and {target} runs elsewhere: leave it out.")
    return Cluster(options.cluster, options.workers)
