"""The fused path: images of a pool and z go into one graph, and scores come out; or why there is none."""

from __future__ import annotations

from functools import partial

import numpy as np

from blackbox_dft._utils.types import Array, Floats, ImageBytes, Ints, Scores
from blackbox_dft.errors import InputError
from blackbox_dft.fusion.scoring_graph import IMAGES, INDICES, POOL, ScoringGraph, Z, fuse_scorer
from blackbox_dft.images.encoding import Encoding, to_bytes, to_floats
from blackbox_dft.spaces.base import Space
from blackbox_dft.targets.base import GraphTarget, Target
from blackbox_dft.targets.onnx import providers

CLOSE = 1e-2
"""How far apart, relative to the largest, scores of unchanged images may be that both paths give."""


class FusedPath:
    """Scores of a pool's images by one graph of the change and the model.

    Called from as many threads at once as the target takes. The pool is handed over once and stays where the model is;
    only indices and z go there, and scores come back. Where all of it has no room there, its first images stay and the
    others are sent with each call; calls at once then copy and compute at the same time.

    Args:
        pool: images ``(N, H, W, 3)``.
        target: what the graph ends in.
        room: bytes that images may take on a GPU; what ``providers.room`` finds unless given.

    Raises:
        InputError: the change cannot be written in front of the model.
    """

    def __init__(
        self, pool: ImageBytes, space: Space, target: GraphTarget, encoding: Encoding, room: int | None = None
    ) -> None:
        self._pool = pool
        self._form = target.form
        height, width, depth = pool.shape[1:]
        cpu = target.provider == "cpu"
        if room is None and not cpu:
            room = providers.room()
        self.resident = len(pool) if room is None else min(len(pool), room // pool[0].nbytes)
        """How many images have room where the model is, the first ones."""

        def joint(stay: bool) -> ScoringGraph:
            shape = (int(height), int(width), int(depth))
            proto, levels = target.graph(), encoding.levels
            return fuse_scorer(space, shape, proto, target.path, target.form, levels=levels, cpu=cpu, pooled=stay)

        # For images that stay, and for those that are sent; mostly there are none of the others.
        counts = {True: self.resident, False: len(pool) - self.resident}
        fusions = {stay: joint(stay) for stay, count in counts.items() if count}
        fusion = next(iter(fusions.values()))
        self._ahead, self._inside, self._rounds = fusion.ahead, fusion.inside, fusion.rounds
        self._outside = space.size - fusion.inside
        pooled = {} if fusion.ahead is not None else {POOL: np.ascontiguousarray(pool[: self.resident])}
        self._open = {
            stay: partial(target.open, made.model, literal=made.literal, held=pooled if stay else {})
            for stay, made in fusions.items()
        }
        self.reopen()

    @property
    def ahead(self) -> bool:
        """Whether a part of the change is made outside the graph, by whoever calls."""
        return self._ahead is not None

    def reopen(self) -> None:
        """After the target was arranged otherwise."""
        self._runs = {stay: make() for stay, make in self._open.items()}

    def __call__(self, indices: Ints, z: Floats) -> Scores:
        """Scores ``(N, K)`` of images ``indices (N,)`` under one z ``(k,)`` or each under its own ``(N, k)``."""
        z = np.atleast_2d(z)
        indices = np.ascontiguousarray(indices, np.int64)
        if False not in self._runs:
            return self._whole(indices, z, stay=True)
        here = indices < self.resident
        places = {stay: np.flatnonzero(here == stay) for stay in self._runs}
        parts = [
            self._whole(indices[at], z[at] if len(z) > 1 else z, stay=stay) for stay, at in places.items() if len(at)
        ]
        return np.concatenate(parts)[np.argsort(np.concatenate(list(places.values())))]

    def _whole(self, indices: Ints, z: Floats, *, stay: bool) -> Scores:
        """Scores of images that all stay where the model is, or all do not."""
        fixed = self._form.batch
        if fixed is None:
            return self._scores(indices, z, stay)
        out = []
        for start in range(0, len(indices), fixed):
            # A model of fixed batch is fed copies of the last image, whose scores are dropped.
            taken = np.minimum(np.arange(start, start + fixed), len(indices) - 1)
            own = z[taken] if len(z) > 1 else z
            out.append(self._scores(indices[taken], own, stay)[: len(indices) - start])
        return np.concatenate(out)

    def _scores(self, indices: Ints, z: Floats, stay: bool) -> Scores:
        fed: dict[str, Array]
        if self._ahead is not None:
            changed = self._ahead.apply(to_floats(self._pool[indices]), z[:, : self._outside])
            fed = {IMAGES: to_bytes(changed) if self._rounds else changed}
        else:
            fed = {INDICES: indices} if stay else {IMAGES: self._pool[indices]}
        if self._inside:
            fed[Z] = np.ascontiguousarray(z[:, self._outside :], np.float32)
        return self._runs[stay](fed, len(indices))


def fused_path(pool: ImageBytes, space: Space, target: Target, encoding: Encoding) -> FusedPath | str:
    """The fused path of a run over ``pool (N, H, W, 3)``, or why the array path has to be taken."""
    if not isinstance(target, GraphTarget):
        return "only a model in an ONNX file can be joined with the change"
    if encoding.kind == "jpeg":
        return "JPEG is no part of a graph"
    try:
        path = FusedPath(pool, space, target, encoding)
        some = np.arange(min(2, len(pool)))
        plain = target.scores(encoding.encode_bytes(pool[some]))
        joint = path(some, space.initial())
    except InputError as error:
        return str(error)
    except Exception as error:
        # ONNX Runtime has many words for a graph it does not take.
        return f"the joint graph cannot be run ({str(error).strip().partition(chr(10))[0][:200].rstrip('.')})"
    if not np.allclose(joint, plain, rtol=0, atol=CLOSE * max(1.0, float(np.abs(plain).max()))):
        return "the joint graph answers otherwise than the model, also for unchanged images"
    return path
