"""Fused path: scores images of a pool under z by one ONNX graph of the change and the model."""

from __future__ import annotations

from functools import partial

import numpy as np

from blackbox_dft._utils.timing import timed
from blackbox_dft._utils.turns import turn
from blackbox_dft._utils.types import Array, Floats, ImageBytes, Ints, Scores
from blackbox_dft.errors import InputError
from blackbox_dft.fusion.merge import is_exact_in_graph
from blackbox_dft.fusion.resident_images import ResidentImages
from blackbox_dft.fusion.scoring_graph import IMAGES, INDICES, POOL, ScoringGraph, Z, fuse_scorer, is_outside
from blackbox_dft.images.encoding import Encoding
from blackbox_dft.spaces.base import Space
from blackbox_dft.spaces.blocks import changed_images
from blackbox_dft.targets.base import GraphTarget, Target, missing_of_graph
from blackbox_dft.targets.onnx.runtime_errors import reason

MAX_PATH_DIFFERENCE = 1e-2
"""How far apart the scores of both paths may be on unchanged images, relative to the largest score."""


class FusedPath:
    """Scores the images of a pool by one graph of the change and the model.

    The pool is copied to the model's device once; each call sends indices and z, and returns scores. If the pool does
    not fit on a GPU, its first images stay there and the others are sent with each call; calls at once then copy and
    compute at the same time. May be called from ``target.workers`` threads at once.

    Args:
        pool: images ``(P, H, W, 3)``.
        space: of the change, for images of that shape.
        target: the model at the end of the graph.
        encoding: of the images that the target receives; not JPEG.
        memory: bytes that images may take on a GPU; by default half of what is free there.
        images: those on the device already, shared with the graphs of other spaces; ``memory`` has no effect then.

    Raises:
        InputError: the change cannot be written in front of the model.

    >>> from blackbox_dft import TargetOptions, make_space, make_target
    >>> from blackbox_dft.demo import assets
    >>> target = make_target(str(assets() / "digits.onnx"), TargetOptions(provider="cpu"))
    >>> space = make_space("affine+color", (32, 32, 3))
    >>> path = FusedPath(np.zeros((5, 32, 32, 3), np.uint8), space, target, Encoding())
    >>> path(np.array([0, 4]), space.initial()).shape
    (2, 10)
    """

    def __init__(
        self,
        pool: ImageBytes,
        space: Space,
        target: GraphTarget,
        encoding: Encoding,
        memory: int | None = None,
        images: ResidentImages | None = None,
    ) -> None:
        self._pool = pool
        self._fixed_batch = target.input_format.batch
        height, width, depth = pool.shape[1:]
        self.on_cpu = cpu = target.provider == "cpu"
        images = images or ResidentImages(pool, target, memory)
        self.resident = images.count
        """How many images stay on the model's device, the first ones."""
        self.images_per_second: float | None = None
        """Roughly, if it was measured: of calls on one image or two, as many at once as the target has workers."""
        self._target = target
        outside = cpu and is_outside(space)
        self._sends_levels = outside and encoding.levels
        if outside and not (encoding.levels and is_exact_in_graph(target.input_format)):
            # Nothing is left for a graph to do.
            self._outer: Space | None = space
            self._inner_size, self._outer_size, self._open = 0, space.size, {}
            self.reopen()
            return

        def fuse(resident: bool) -> ScoringGraph:
            shape = (int(height), int(width), int(depth))
            return fuse_scorer(
                space,
                shape,
                target.graph(),
                target.path,
                target.input_format,
                levels=encoding.levels,
                cpu=cpu,
                pooled=resident,
            )

        # One graph for images on the device and one for images that are sent; usually only one of them is needed.
        counts = {True: self.resident, False: len(pool) - self.resident}
        graphs = {resident: fuse(resident) for resident, count in counts.items() if count}
        graph = next(iter(graphs.values()))
        self._outer, self._inner_size = graph.outer, graph.inner_size
        self._outer_size = space.size - graph.inner_size
        pooled = {POOL: images.placed()} if graph.outer is None and self.resident else {}
        self._open = {
            resident: partial(
                target.open_graph,
                graph.model,
                keep_quantizers=graph.keep_quantizers,
                constants=pooled if resident else {},
            )
            for resident, graph in graphs.items()
        }
        self.reopen()

    @property
    def has_outer_part(self) -> bool:
        """Whether a part of the change is applied outside the graph, in the calling thread."""
        return self._outer is not None

    def reopen(self) -> None:
        """Opens the graph again, after ``target.set_call_plan``; no call may be under way."""
        self._sessions = {resident: open_graph() for resident, open_graph in self._open.items()}

    def __call__(self, indices: Ints, z: Floats) -> Scores:
        """Scores ``(N, K)`` of images ``indices (N,)`` under one z ``(k,)`` or each under its own ``(N, k)``."""
        z = np.atleast_2d(z)
        indices = np.ascontiguousarray(indices, np.int64)
        if not self._sessions:
            assert self._outer is not None
            with turn(self._pool):
                changed = changed_images(self._outer, self._pool[indices], z, levels=self._sends_levels)
            return self._target.scores(changed)
        if False not in self._sessions:
            return self._in_batches(indices, z, resident=True)
        is_resident = indices < self.resident
        positions = {resident: np.flatnonzero(is_resident == resident) for resident in self._sessions}
        parts = [
            self._in_batches(indices[at], z[at] if len(z) > 1 else z, resident=resident)
            for resident, at in positions.items()
            if len(at)
        ]
        return np.concatenate(parts)[np.argsort(np.concatenate(list(positions.values())))]

    def _in_batches(self, indices: Ints, z: Floats, *, resident: bool) -> Scores:
        """Scores of images that are all ``resident``, or all not, in calls of the model's batch if it is fixed."""
        batch = self._fixed_batch
        if batch is None:
            return self._scores(indices, z, resident)
        scores = []
        for start in range(0, len(indices), batch):
            # A fixed batch is filled up with copies of the last image, whose scores are dropped.
            rows = np.minimum(np.arange(start, start + batch), len(indices) - 1)
            own = z[rows] if len(z) > 1 else z
            scores.append(self._scores(indices[rows], own, resident)[: len(indices) - start])
        return np.concatenate(scores)

    def _scores(self, indices: Ints, z: Floats, resident: bool) -> Scores:
        inputs: dict[str, Array]
        if self._outer is not None:
            own = z[:, : self._outer_size]
            with turn(self._pool):
                changed = changed_images(self._outer, self._pool[indices], own, levels=self._sends_levels)
            inputs = {IMAGES: changed}
        else:
            inputs = {INDICES: indices} if resident else {IMAGES: self._pool[indices]}
        if self._inner_size:
            inputs[Z] = np.ascontiguousarray(z[:, self._outer_size :], np.float32)
        return self._sessions[resident](inputs, len(indices))


def fused_path(
    pool: ImageBytes, space: Space, target: Target, encoding: Encoding, images: ResidentImages | None = None
) -> FusedPath | str:
    """The fused path of a run over ``pool (P, H, W, 3)``, or the reason to take the array path.

    Scores two unchanged images on both paths, to check that the graph agrees with the model. ``images`` are those of
    the pool on the device already, if other spaces have put them there.
    """
    if not isinstance(target, GraphTarget):
        if missing := missing_of_graph(target):
            return f"the target has no {' and no '.join(missing)}, without which it is no GraphTarget"
        return "only a model in an ONNX file can be fused with the change"
    if encoding.kind == "jpeg":
        return "JPEG compression cannot be part of a graph"
    try:
        path = FusedPath(pool, space, target, encoding, images=images)
        sample = np.arange(min(2, len(pool), target.max_batch or 2))
        array_scores = target.scores(encoding.encode_bytes(pool[sample]))
        fused_scores, seconds = timed(lambda: path(sample, space.initial()))
        # Two images say nothing of the speed of a GPU.
        if path.on_cpu:
            path.images_per_second = target.workers * len(sample) / max(seconds, 1e-9)
    except InputError as error:
        return str(error)
    except Exception as error:
        # ONNX Runtime has no common error for graphs that it does not support.
        return f"the fused graph cannot be run ({reason(error)})"
    largest = max(1.0, float(np.abs(array_scores).max()))
    if not np.allclose(fused_scores, array_scores, rtol=0, atol=MAX_PATH_DIFFERENCE * largest):
        return "the fused graph and the model disagree on unchanged images"
    return path
