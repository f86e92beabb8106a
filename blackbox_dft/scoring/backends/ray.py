"""Models on the actors of a Ray cluster: indices and z go there, scores come back.

Every actor has a model of its own and reads all images from its node's object store, where they are once a node. What
an actor does not answer, as it died or its node did, another is asked; what takes far longer than the others is asked
of an idle actor too, and the first answer counts. Nobody is charged for either, so the ledger sees a request once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager, suppress
from functools import partial
from math import inf
from statistics import median
from time import monotonic, perf_counter
from typing import Any, Protocol

import numpy as np

from blackbox_dft._utils.types import Floats, ImageBytes, Ints, Scores
from blackbox_dft.errors import BlackboxError, InputError, TargetError
from blackbox_dft.scoring.backends.ray_cluster import Cluster
from blackbox_dft.targets.base import Ask

DEPTH = 2
"""Requests an actor has at once: while it answers one, the next is there already."""
TRIES = 5
"""How often the same request is sent when the actors that have it die, and an actor begun."""
SLOW = 4.0
"""A request that takes so many times the median of the latest is asked of an idle actor too,"""
LEAST = 1.0
"""after no fewer seconds than this,"""
KNOWN = 10
"""once so many have been answered."""
LOOK = 0.5
"""Seconds between looks at a request."""
MEMORY = 200
"""Latest requests whose seconds are known."""


class Make(Protocol):
    """What makes, on an actor, what scores images ``indices (N,)`` of a pool under ``z (k,)`` or ``(N, k)``."""

    @property
    def nbytes(self) -> int:
        """Bytes of the files it brings along."""

    def __call__(self, images: ImageBytes) -> Ask:
        """Makes it."""


class _Holder:
    """An actor."""

    def ready(self, make: Make, images: ImageBytes) -> None:
        """Makes what it asks."""
        self._ask = make(images)

    def scores(self, indices: Ints, z: Floats) -> Scores:
        """What that answers."""
        return self._ask(indices, z)


class Crew:
    """Actors that all answer alike; to be called from as many threads at once as it takes ``calls``.

    Args:
        images: all images of the run, ``(N, H, W, 3)``.
        name: of the target, for those who read errors.
        cpus: of an actor.
        gpus: of an actor.
        patience: seconds in which at least one actor has to be there.
    """

    def __init__(
        self,
        cluster: Cluster,
        make: Make,
        images: ImageBytes,
        *,
        name: str,
        cpus: int = 1,
        gpus: int = 0,
        patience: float = 600.0,
    ) -> None:
        self.cluster, self.name, self.patience = cluster, name, patience
        self.calls = DEPTH * cluster.workers
        self._make, self._images = make, images
        self._cpus, self._gpus = cpus, gpus
        self._begin = threading.Lock()
        self._kind: Any = None
        self._refs: list[Any] = []
        # Of actors that are ready, requests each has. Whoever changes it says so.
        self._load: dict[Any, int] = {}
        self._changed = threading.Condition()
        self._failure: BlackboxError | None = None
        self._closed = False
        self._seconds: deque[float] = deque(maxlen=MEMORY)

    @property
    def ready(self) -> int:
        """Actors that are there."""
        with self._changed:
            return len(self._load)

    def __call__(self, indices: Ints, z: Floats) -> Scores:
        """Scores ``(N, K)`` from whichever actor is free.

        Raises:
            InputError: an actor cannot be made: the model, the package or the provider is not to be had there.
            TargetError: the model failed, or actors died again and again, or none came.
        """
        self._start()
        for _ in range(TRIES):
            with self._failures():
                if (answer := self._answer(indices, z)) is not None:
                    return answer
        raise TargetError(
            f"{TRIES} actors of {self.cluster.address} died one after the other when asked to score the same "
            f"{len(indices)} images by {self.name}: out of memory?"
        )

    def close(self) -> None:
        """Lets the actors go."""
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
                self._kind = ray.remote(num_cpus=self._cpus, num_gpus=self._gpus)(_Holder)
            for _ in range(self.cluster.workers):
                self._hire()

    def _hire(self, instead: Any = None) -> None:
        """Takes one more actor in, once it is ready, in the place of one that died."""
        threading.Thread(target=self._join, args=(instead,), daemon=True).start()

    def _join(self, instead: Any) -> None:
        import ray

        if instead is not None:
            # One that is only out of reach would keep its CPUs.
            _end(instead)
        failure: BlackboxError | None = None
        for _ in range(TRIES):
            actor = self._kind.remote()
            try:
                with self._failures():
                    ray.get(actor.ready.remote(*self._refs))
                failure = None
                break
            except ray.exceptions.RayActorError:
                failure = TargetError(f"{TRIES} actors of {self.cluster.address} died opening {self.name}: too large?")
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
        """The actor with least to do, once there is one that takes more."""
        until = monotonic() + self.patience
        with self._changed:
            while True:
                if self._failure:
                    raise self._failure
                if (actor := self._least(DEPTH)) is not None:
                    self._load[actor] += 1
                    return actor
                if self._load:
                    until = monotonic() + self.patience
                if not self._changed.wait(until - monotonic()) and monotonic() >= until:
                    raise TargetError(self._none_came())

    def _idle(self) -> Any:
        """An actor that nobody else has use for, if there is one."""
        with self._changed:
            actor = self._least(1)
            if actor is not None:
                self._load[actor] += 1
            return actor

    def _least(self, below: int) -> Any:
        actor = min(self._load, key=self._load.__getitem__, default=None)
        return actor if actor is not None and self._load[actor] < below else None

    def _free(self, actor: Any, answer: Future[Scores]) -> None:
        """The actor has one request less; where it died, another takes its place."""
        import ray

        dead = isinstance(answer.exception(), ray.exceptions.RayActorError)
        with self._changed:
            # Of the two requests of one that died, the first tells.
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
        """The first answer; nothing where all who were asked died."""
        import ray

        waiting = {self._ask(self._take(), indices, z)}
        began = perf_counter()
        while waiting:
            # Of two there is no third.
            done, waiting = wait(waiting, None if len(waiting) > 1 else LOOK, FIRST_COMPLETED)
            for answer in done:
                with suppress(ray.exceptions.RayActorError):
                    # Where it came from, the array cannot be written to.
                    scores = np.array(answer.result())
                    with self._changed:
                        self._seconds.append(perf_counter() - began)
                    return scores
            slow = not done and perf_counter() - began > self._slow()
            if slow and (other := self._idle()) is not None:
                waiting.add(self._ask(other, indices, z))
        return None

    def _ask(self, actor: Any, indices: Ints, z: Floats) -> Future[Scores]:
        answer: Future[Scores] = actor.scores.remote(indices, z).future()
        answer.add_done_callback(partial(self._free, actor))
        return answer

    def _slow(self) -> float:
        """Seconds until a request is slow; infinity while that is not known."""
        with self._changed:
            return max(LEAST, SLOW * median(self._seconds)) if len(self._seconds) >= KNOWN else inf

    # -- what goes wrong ----------------------------------------------------------------------------------------------

    def _none_came(self) -> str:
        import ray

        has = ray.cluster_resources()
        what = "GPU" if self._gpus else "CPU"
        return (
            f"{self.cluster.address} had no actor within {self.patience:g} s: each takes {self._cpus} CPU"
            f"{f' and {self._gpus} GPU' if self._gpus else ''}, and it has {has.get(what, 0):g} {what}s in all: "
            "free some, or give --patience more."
        )

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Ray's errors as this package's; the death of an actor is for the caller to mend."""
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
            raise TargetError(f"Ray at {self.cluster.address} failed ({_first(error)}): see to it.") from error


def _end(actor: Any) -> None:
    import ray

    with suppress(Exception):
        ray.kill(actor)


def _first(error: object) -> str:
    return str(error).strip().partition("\n")[0].rstrip(". ")
