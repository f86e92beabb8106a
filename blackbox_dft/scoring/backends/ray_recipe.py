"""How a process elsewhere makes an asker that answers as the one here does."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blackbox_dft._utils.types import Array, ImageBytes
from blackbox_dft.errors import InputError
from blackbox_dft.fusion.fused_path import FusedPath
from blackbox_dft.images.encoding import Encoding
from blackbox_dft.spaces.base import Space
from blackbox_dft.targets import make_target
from blackbox_dft.targets.base import Arrangeable, Graphic
from blackbox_dft.targets.options import TargetOptions
from blackbox_dft.version import __version__

if TYPE_CHECKING:
    from blackbox_dft.scoring.backends.ray import Crew
    from blackbox_dft.scoring.backends.ray_cluster import Cluster
from blackbox_dft.scoring.backends.array import Asker


@dataclass(frozen=True, eq=False)
class Recipe:
    """How a process elsewhere makes an ``Asker`` that answers as the one here does, to the bit."""

    name: str
    """Of the target."""
    options: TargetOptions
    fingerprint: str
    """Of the target here."""
    files: Mapping[str, Array]
    """Bytes of the model's files, the model first, by their places beside it; none where it is no file."""
    space: Space
    encoding: Encoding
    fused: bool
    threads: int
    """Of a call to the model."""
    folder: str
    """Where Python functions may be found."""
    version: str = __version__

    @classmethod
    def of(cls, asker: Asker, options: TargetOptions, threads: int) -> Recipe:
        """That of ``asker``, whose target was made with ``options``."""
        target = asker.target
        paths = target.files if isinstance(target, Graphic) else ()
        return cls(
            name=target.name,
            options=options,
            fingerprint=target.fingerprint,
            files={str(path.relative_to(paths[0].parent)): np.fromfile(path, np.uint8) for path in paths},
            space=asker.space,
            encoding=asker.encoding,
            fused=asker.fused is not None,
            threads=threads,
            folder=str(Path.cwd()),
        )

    @property
    def nbytes(self) -> int:
        """Of all files."""
        return sum(data.nbytes for data in self.files.values())

    def __call__(self, images: ImageBytes) -> Asker:
        """Makes it for a pool of ``images (N, H, W, 3)``.

        Raises:
            InputError: the package, the model or what it needs is not the same there.
        """
        import cv2

        if self.version != __version__:
            raise InputError(f"blackbox-dft is {__version__}, and {self.version} began the run: install that.")
        # Other actors have the other cores.
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
                raise InputError(f"{self.name} is not the same as where the run was begun: bring it there.")
            target.name = self.name
            if self.threads > 1 and isinstance(target, Arrangeable):
                target.arrange(1, self.threads)
            path = None
            if self.fused:
                assert isinstance(target, Graphic)
                path = FusedPath(images, self.space, target, self.encoding)
        return Asker(images, self.space, target, self.encoding, path)


def cluster_of(name: str, options: TargetOptions) -> Cluster | None:
    """The cluster that the target called ``name`` is to run on; nothing where that is here.

    Raises:
        InputError: it is not to be had, or the target runs elsewhere anyway.
    """
    if not options.cluster:
        return None
    if "://" in name:
        raise InputError(f"--cluster is for models that run here, and {name} runs elsewhere: leave it out.")
    from blackbox_dft.scoring.backends.ray_cluster import Cluster

    return Cluster(options.cluster, options.workers)


def crew_of(cluster: Cluster, asker: Asker, options: TargetOptions, threads: int) -> Crew:
    """What answers as ``asker`` does, on the actors of ``cluster``, with so many threads a call."""
    from blackbox_dft.scoring.backends.ray import Crew

    # What a node happens to have must not decide which device answers.
    options = replace(options, cluster="", provider="cpu" if options.provider == "auto" else options.provider)
    return Crew(
        cluster,
        Recipe.of(asker, options, threads),
        asker.images,
        name=asker.target.name,
        cpus=threads,
        gpus=int(options.provider != "cpu"),
        patience=options.patience,
    )
