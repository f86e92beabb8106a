"""Worker spec: how a Ray actor makes a backend that scores as the one in this process does, to the bit."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from blackbox_dft._utils.types import Array, ImageBytes
from blackbox_dft.errors import InputError
from blackbox_dft.fusion.fused_path import FusedPath
from blackbox_dft.images.encoding import Encoding
from blackbox_dft.scoring.backends.array import ArrayBackend
from blackbox_dft.scoring.backends.base import ScoreFunction
from blackbox_dft.scoring.backends.fused import FusedBackend
from blackbox_dft.spaces.base import Space
from blackbox_dft.targets import make_target
from blackbox_dft.targets.base import AutotunableTarget, GraphTarget
from blackbox_dft.targets.options import TargetOptions
from blackbox_dft.version import __version__


@dataclass(frozen=True, eq=False)
class WorkerSpec:
    """All that an actor needs, except the images; picklable."""

    name: str
    """Of the target."""
    options: TargetOptions
    fingerprint: str
    """Of the target in this process."""
    files: Mapping[str, Array]
    """Bytes of the model's files by path relative to the model, the model first; empty if the target is no file."""
    space: Space
    encoding: Encoding
    fused: bool
    threads: int
    """Of a call to the model."""
    folder: str
    """Where the module of a Python function may be found."""
    version: str = __version__

    @classmethod
    def of(cls, backend: ArrayBackend, options: TargetOptions, *, fused: bool, threads: int) -> WorkerSpec:
        """The spec of ``backend``, whose target was made with ``options``."""
        target = backend.target
        paths = target.files if isinstance(target, GraphTarget) else ()
        return cls(
            name=target.name,
            options=target.resolved_options if isinstance(target, GraphTarget) else options,
            fingerprint=target.fingerprint,
            files={str(path.relative_to(paths[0].parent)): np.fromfile(path, np.uint8) for path in paths},
            space=backend.space,
            encoding=backend.encoding,
            fused=fused,
            threads=threads,
            folder=str(Path.cwd()),
        )

    @property
    def nbytes(self) -> int:
        """Bytes of all files."""
        return sum(data.nbytes for data in self.files.values())

    def __call__(self, images: ImageBytes) -> ScoreFunction:
        """Makes the score function for a pool of ``images (N, H, W, 3)``; runs on the actor.

        Raises:
            InputError: the package, the model or what it needs differs there.
        """
        import cv2

        if self.version != __version__:
            raise InputError(
                f"the node has blackbox-dft {__version__}, but the run was started with {self.version}: "
                f"install {self.version} there."
            )
        # The other cores belong to other actors.
        cv2.setNumThreads(self.threads)
        if self.folder not in sys.path and Path(self.folder).is_dir():
            sys.path.insert(0, self.folder)
        # Once a session is made, no file is read any more.
        with tempfile.TemporaryDirectory(prefix="bbdft-") as folder:
            places = [Path(folder) / name for name in self.files]
            for place, data in zip(places, self.files.values(), strict=True):
                place.parent.mkdir(parents=True, exist_ok=True)
                data.tofile(place)
            target = make_target(str(places[0]) if places else self.name, self.options)
            if target.fingerprint != self.fingerprint:
                raise InputError(
                    f"{self.name} on the node differs from the one the run was started with: copy it there."
                )
            target.name = self.name
            if self.threads > 1 and isinstance(target, AutotunableTarget):
                target.set_call_plan(1, self.threads)
            array = ArrayBackend(images, self.space, target, self.encoding)
            if not self.fused:
                return array.scores
            assert isinstance(target, GraphTarget)
            return FusedBackend(array, FusedPath(images, self.space, target, self.encoding)).scores
