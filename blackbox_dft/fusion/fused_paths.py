"""Fused paths of several spaces over one pool and one model: one copy of the images, one session a space."""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import cached_property
from weakref import WeakValueDictionary

from blackbox_dft._utils.types import ImageBytes
from blackbox_dft.fusion.fused_path import FusedPath, fused_path
from blackbox_dft.fusion.resident_images import ResidentImages
from blackbox_dft.images.encoding import Encoding
from blackbox_dft.spaces.base import Space
from blackbox_dft.targets.base import GraphTarget, Target

KEPT, KEPT_ON_A_GPU = 4, 1
"""Paths that stay open though nothing uses them now: a comparison comes back to its spaces, seed by seed. On a GPU,
whose memory is short, it does the runs of a space together."""


class FusedPaths:
    """Opens the path of a space when it is first asked for; may be called from any number of threads.

    Args:
        pool: images ``(P, H, W, 3)``.
        target: the model at the end of all graphs.
        encoding: of the images that the target receives.

    >>> import numpy as np
    >>> from blackbox_dft import TargetOptions, make_space, make_target
    >>> from blackbox_dft.demo import assets
    >>> target = make_target(str(assets() / "digits.onnx"), TargetOptions(provider="cpu"))
    >>> paths = FusedPaths(np.zeros((5, 32, 32, 3), np.uint8), target, Encoding())
    >>> paths.of(make_space("dct:4", (32, 32, 3))) is paths.of(make_space("dct:4", (32, 32, 3)))
    True
    """

    def __init__(self, pool: ImageBytes, target: Target, encoding: Encoding) -> None:
        self._pool, self._target, self._encoding = pool, target, encoding
        on_gpu = isinstance(target, GraphTarget) and target.provider != "cpu"
        self._most = KEPT_ON_A_GPU if on_gpu else KEPT
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, FusedPath | str] = OrderedDict()
        self._open: WeakValueDictionary[str, FusedPath] = WeakValueDictionary()

    def of(self, space: Space) -> FusedPath | str:
        """The path of ``space``, the same for all spaces of this spec, or the reason to take the array path."""
        with self._lock:
            path = self._kept.pop(space.spec, None) or self._open.get(space.spec)
            if path is None:
                path = fused_path(self._pool, space, self._target, self._encoding, self._images)
            if isinstance(path, FusedPath):
                self._open[space.spec] = path
            self._kept[space.spec] = path
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return path

    def reopen(self) -> None:
        """Opens all graphs again, after ``target.set_call_plan``; no call may be under way."""
        with self._lock:
            for path in list(self._open.values()):
                path.reopen()

    @cached_property
    def _images(self) -> ResidentImages | None:
        return ResidentImages(self._pool, self._target) if isinstance(self._target, GraphTarget) else None
