"""Resident images: those of a pool that stay on a model's device, one copy for all graphs over them."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from blackbox_dft._utils.types import ImageBytes
from blackbox_dft.targets.base import GraphTarget
from blackbox_dft.targets.onnx.providers import image_memory


class ResidentImages:
    """The first images of a pool, as many as fit; copied to the device when they are first needed.

    How many fit is measured once, when nothing is on the device yet, so that all graphs agree on it.

    Args:
        pool: images ``(P, H, W, 3)``.
        target: whose device it is.
        memory: bytes that images may take on a GPU; by default half of what is free there.

    >>> from blackbox_dft import TargetOptions, make_target
    >>> from blackbox_dft.demo import assets
    >>> target = make_target(str(assets() / "digits.onnx"), TargetOptions(provider="cpu"))
    >>> ResidentImages(np.zeros((5, 32, 32, 3), np.uint8), target, memory=7000).count
    2
    """

    def __init__(self, pool: ImageBytes, target: GraphTarget, memory: int | None = None) -> None:
        if memory is None and target.provider != "cpu":
            memory = image_memory()
        self.pool = pool
        self.count = len(pool) if memory is None else min(len(pool), memory // pool[0].nbytes)
        """How many images stay on the device, the first ones."""
        self._target = target
        self._lock = threading.Lock()
        self._placed: Any = None

    def placed(self) -> Any:
        """The images as a constant of ``GraphTarget.open_graph``."""
        with self._lock:
            if self._placed is None:
                self._placed = self._target.place(np.ascontiguousarray(self.pool[: self.count]))
            return self._placed
