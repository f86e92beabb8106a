"""Where images are changed and scored: as arrays, by one fused graph, on a Ray cluster, or behind a URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blackbox_dft._utils.types import ImageBytes
from blackbox_dft.data.photos import Photos
from blackbox_dft.fusion.fused_path import FusedPath
from blackbox_dft.images.encoding import Encoding
from blackbox_dft.scoring.backends.array import ArrayBackend
from blackbox_dft.scoring.backends.base import Backend
from blackbox_dft.scoring.backends.fused import FusedBackend
from blackbox_dft.scoring.backends.http import HttpBackend
from blackbox_dft.scoring.backends.views import ViewBackend
from blackbox_dft.spaces.base import Space
from blackbox_dft.spaces.viewed import Viewed
from blackbox_dft.targets.base import ConcurrentTarget, Target
from blackbox_dft.targets.options import TargetOptions

if TYPE_CHECKING:
    from blackbox_dft.scoring.backends.ray_cluster import Cluster

__all__ = ["Backend", "make_backend"]


def make_backend(
    images: ImageBytes | Photos,
    space: Space,
    target: Target,
    encoding: Encoding,
    *,
    path: FusedPath | None = None,
    cluster: Cluster | None = None,
    options: TargetOptions | None = None,
    threads: int = 1,
    views: Viewed | None = None,
) -> Backend:
    """The backend for a pool of ``images (N, H, W, 3)``, or of photos, one a request.

    Args:
        path: the fused path, if there is one.
        cluster: the Ray cluster that scores instead of this process.
        options: what the target was made with; only a cluster needs them, to make the same target there.
        threads: of a call on the cluster.
        views: the space of views, if images are scored under several; its changes are made as arrays.
    """
    if views:
        fused = FusedBackend(ArrayBackend(images, space, target, encoding), path) if path else None
        viewed = make_backend(images, views, target, encoding, cluster=cluster, options=options, threads=threads)
        return ViewBackend(viewed, space.size, fused)
    array = ArrayBackend(images, space, target, encoding)
    if cluster:
        from blackbox_dft.scoring.backends.ray import RayBackend

        return RayBackend.of(cluster, array, options or TargetOptions(), fused=path is not None, threads=threads)
    if isinstance(target, ConcurrentTarget):
        return HttpBackend(array, target)
    return FusedBackend(array, path) if path else array
