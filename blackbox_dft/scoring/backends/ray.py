"""Ray backend: indices and z go to the actors of a Ray cluster, scores come back.

Every actor has a model of its own and reads all images from its node's object store, which holds them once a node. If
an actor or its node dies, another actor gets the request; a request that takes far longer than the others goes to an
idle actor too, and the first response counts. Neither costs money, so the ledger sees a request once.
"""

from __future__ import annotations

import pickle
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from math import inf
from statistics import median
from time import monotonic, perf_counter
from typing import Any, Protocol

import numpy as np

from blackbox_dft._utils.types import Floats, ImageBytes, Ints, Scores
from blackbox_dft.errors import BlackboxError, InputError, TargetError
from blackbox_dft.scoring.backends.array import ArrayBackend
from blackbox_dft.scoring.backends.base import CallThreads, ScoreFunction, Send
from blackbox_dft.scoring.backends.ray_cluster import Cluster
from blackbox_dft.scoring.backends.ray_worker_spec import WorkerSpec
from blackbox_dft.targets.options import TargetOptions

REQUESTS_PER_ACTOR = 2
"""While an actor scores one request, the next is there already."""
MAX_TRIES = 5
"""How many times a request is sent if the actors that have it die, and an actor is started."""
SLOW_FACTOR = 4.0
"""A request is slow if it takes more than this many times the median of the latest,"""
MIN_SLOW_SECONDS = 1.0
"""and at least this many seconds,"""
MIN_RESPONSES = 10
"""once this many responses have arrived."""
POLL_SECONDS = 0.5
"""How often a request is checked for being slow."""
REMEMBERED_TIMES = 200
"""How many of the latest requests the median is taken over."""


class MakeScore(Protocol):
    """Makes, on an actor, the function that scores a pool of images; a ``WorkerSpec`` is one."""

    @property
    def nbytes(self) -> int:
        """Bytes of the files it carries."""

    def __call__(self, images: ImageBytes) -> ScoreFunction:
        """The function for ``images (N, H, W, 3)``."""


class RayBackend:
    """Scores on a worker pool; a thread waits for each request under way."""

    def __init__(self, pool: WorkerPool) -> None:
        self.pool = pool
        self._threads = CallThreads(pool.calls)
        self.concurrency = self._threads.count

    @classmethod
    def of(
        cls, cluster: Cluster, array: ArrayBackend, options: TargetOptions, *, fused: bool, threads: int
    ) -> RayBackend:
        """Actors of ``cluster`` that score as ``array``, or the fused backend on top of it, does in this process."""
        # Which device scores must not depend on what a node happens to have.
        options = replace(options, cluster="", provider="cpu" if options.provider == "auto" else options.provider)
        spec = WorkerSpec.of(array, options, fused=fused, threads=threads)
        gpus = int(options.provider != "cpu")
        # A run of photos that keep their sizes takes no cluster.
        assert isinstance(array.images, np.ndarray)
        name, patience = array.target.name, options.patience
        return cls(WorkerPool(cluster, spec, array.images, name=name, cpus=threads, gpus=gpus, patience=patience))

    def prepare(self, indices: Ints, z: Floats) -> Future[Send]:
        """A call to the pool, in a thread of its own."""
        return self._threads.prepare(self.pool.scores, indices, z)

    def close(self) -> None:
        """Waits for running calls and stops the actors."""
        self._threads.close()
        self.pool.close()


class _Worker:
    """An actor."""

    def ready(self, make: MakeScore, images: ImageBytes) -> None:
        self._score = make(images)

    def scores(self, request: bytes) -> bytes:
        indices, z = pickle.loads(request)
        return pickle.dumps(self._score(indices, z), pickle.HIGHEST_PROTOCOL)


class WorkerPool:
    """Actors that all score alike; ``scores`` may be called from ``calls`` threads at once.

    Args:
        images: all images of the run, ``(N, H, W, 3)``.
        name: of the target, for error messages.
        cpus: of an actor.
        gpus: of an actor.
        patience: seconds within which at least one actor has to start.
    """

    def __init__(
        self,
        cluster: Cluster,
        make: MakeScore,
        images: ImageBytes,
        *,
        name: str,
        cpus: int = 1,
        gpus: int = 0,
        patience: float = 600.0,
    ) -> None:
        self.cluster, self.name, self.patience = cluster, name, patience
        self.calls = REQUESTS_PER_ACTOR * cluster.workers
        self._make, self._images = make, images
        self._cpus, self._gpus = cpus, gpus
        self._begin = threading.Lock()
        self._kind: Any = None
        self._refs: list[Any] = []
        # Requests of each actor that is ready. Every change notifies ``_changed``.
        self._load: dict[Any, int] = {}
        self._changed = threading.Condition()
        self._failure: BlackboxError | None = None
        self._closed = False
        self._seconds: deque[float] = deque(maxlen=REMEMBERED_TIMES)

    @property
    def ready(self) -> int:
        """Actors that have started."""
        with self._changed:
            return len(self._load)

    def scores(self, indices: Ints, z: Floats) -> Scores:
        """Scores ``(N, K)`` from the actor with the fewest requests.

        Raises:
            InputError: an actor cannot be made: the node lacks the model, the package or the provider.
            TargetError: the model failed, or actors died again and again, or none started.
        """
        self._start()
        for _ in range(MAX_TRIES):
            with self._failures():
                if (answer := self._answer(indices, z)) is not None:
                    return answer
        raise TargetError(
            f"{MAX_TRIES} actors of {self.cluster.address} died one after the other while scoring the same "
            f"{len(indices)} images by {self.name}: out of memory?"
        )

    def close(self) -> None:
        """Stops the actors."""
        with self._changed:
            self._closed = True
            actors, self._load = list(self._load), {}
        for actor in actors:
            _end(actor)

    # -- actors -------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        with self._begin:
            if self._kind:
                return
            import ray

            self.cluster.connect(self._images.nbytes + self._make.nbytes, self._cpus)
            with self._failures():
                # A file mapped into memory is copied too: it is not on the other nodes.
                self._refs = [ray.put(self._make), ray.put(np.ascontiguousarray(self._images).view(np.ndarray))]
                self._kind = ray.remote(num_cpus=self._cpus, num_gpus=self._gpus)(_Worker)
            for _ in range(self.cluster.workers):
                self._hire()

    def _hire(self, instead: Any = None) -> None:
        """Starts one more actor in the background, in the place of one that died."""
        threading.Thread(target=self._join, args=(instead,), daemon=True).start()

    def _join(self, instead: Any) -> None:
        import ray

        if instead is not None:
            # An actor that is only out of reach would keep its CPUs.
            _end(instead)
        failure: BlackboxError | None = None
        for _ in range(MAX_TRIES):
            actor = self._kind.remote()
            try:
                with self._failures():
                    ray.get(actor.ready.remote(*self._refs))
                failure = None
                break
            except ray.exceptions.RayActorError:
                failure = TargetError(
                    f"{MAX_TRIES} actors of {self.cluster.address} died opening {self.name}: too large?"
                )
            except BlackboxError as error:
                failure = error
                break
        with self._changed:
            self._failure = self._failure or failure
            if not failure and not self._closed:
                self._load[actor] = 0
            self._changed.notify_all()
        if failure or self._closed:
            _end(actor)

    def _take(self) -> Any:
        """The actor with the fewest requests, once there is one that takes more."""
        until = monotonic() + self.patience
        with self._changed:
            while True:
                if self._failure:
                    raise self._failure
                if (actor := self._least(REQUESTS_PER_ACTOR)) is not None:
                    self._load[actor] += 1
                    return actor
                if self._load:
                    until = monotonic() + self.patience
                if not self._changed.wait(until - monotonic()) and monotonic() >= until:
                    raise TargetError(self._none_started())

    def _idle(self) -> Any:
        """An actor without requests, or ``None``."""
        with self._changed:
            actor = self._least(1)
            if actor is not None:
                self._load[actor] += 1
            return actor

    def _least(self, below: int) -> Any:
        actor = min(self._load, key=self._load.__getitem__, default=None)
        return actor if actor is not None and self._load[actor] < below else None

    def _free(self, actor: Any, answer: Future[bytes]) -> None:
        """The actor has one request less; if it died, another is started in its place."""
        import ray

        dead = isinstance(answer.exception(), ray.exceptions.RayActorError)
        with self._changed:
            # If it died with two requests, the first of them removed it.
            if actor not in self._load:
                return
            self._load[actor] -= 1
            if dead:
                del self._load[actor]
            self._changed.notify_all()
        if dead:
            # Not in this thread, which is Ray's own.
            self._hire(actor)

    # -- requests -----------------------------------------------------------------------------------------------------

    def _answer(self, indices: Ints, z: Floats) -> Scores | None:
        """The first response; ``None`` if all actors that got the request died."""
        import ray

        # Ray takes bytes as they are, which for a request and its response is 0.25 ms of processor time less, of 1.2.
        request = pickle.dumps((indices, z), pickle.HIGHEST_PROTOCOL)
        waiting = {self._send(self._take(), request)}
        began = perf_counter()
        while waiting:
            # A request goes to two actors at most.
            done, waiting = wait(waiting, None if len(waiting) > 1 else POLL_SECONDS, FIRST_COMPLETED)
            for answer in done:
                with suppress(ray.exceptions.RayActorError):
                    scores: Scores = pickle.loads(answer.result())
                    with self._changed:
                        self._seconds.append(perf_counter() - began)
                    return scores
            slow = not done and perf_counter() - began > self._slow()
            if slow and (other := self._idle()) is not None:
                waiting.add(self._send(other, request))
        return None

    def _send(self, actor: Any, request: bytes) -> Future[bytes]:
        answer: Future[bytes] = actor.scores.remote(request).future()
        answer.add_done_callback(partial(self._free, actor))
        return answer

    def _slow(self) -> float:
        """Seconds after which a request is slow; infinity while too few times are known."""
        with self._changed:
            if len(self._seconds) < MIN_RESPONSES:
                return inf
            return max(MIN_SLOW_SECONDS, SLOW_FACTOR * median(self._seconds))

    # -- failures -----------------------------------------------------------------------------------------------------

    def _none_started(self) -> str:
        import ray

        has = ray.cluster_resources()
        what = "GPU" if self._gpus else "CPU"
        return (
            f"{self.cluster.address} started no actor within {self.patience:g} s: each takes {self._cpus} CPU"
            f"{f' and {self._gpus} GPU' if self._gpus else ''}, and it has {has.get(what, 0):g} {what}s in all: "
            "free some, or give --patience more."
        )

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Turns Ray's errors into this package's; a dead actor is for the caller to handle."""
        import ray

        try:
            yield
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, BlackboxError):
                raise cause from None
            raise TargetError(f"{self.name} on an actor raised {type(cause).__name__}: {_first(cause)}.") from error
        except (BlackboxError, ray.exceptions.RayActorError):
            raise
        except ray.exceptions.ObjectStoreFullError as error:
            raise InputError(
                f"the images take {self._images.nbytes / 2**30:.1f} GiB, more than the object store of "
                f"{self.cluster.address} has room for: give Ray more (--object-store-memory)."
            ) from error
        except Exception as error:
            raise TargetError(f"Ray at {self.cluster.address} failed ({_first(error)}): check the cluster.") from error


def _end(actor: Any) -> None:
    import ray

    with suppress(Exception):
        ray.kill(actor)


def _first(error: object) -> str:
    return str(error).strip().partition("\n")[0].rstrip(". ")
