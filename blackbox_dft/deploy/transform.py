"""A tuning as a transform of single images: arrays, Pillow images and tensors come back as what they were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from blackbox_dft._utils.types import Array, ImageBytes
from blackbox_dft.errors import InputError
from blackbox_dft.images.batches import as_batch
from blackbox_dft.images.encoding import to_bytes, to_floats
from blackbox_dft.images.fitting import Fitting


class Change(Protocol):
    """A change of images of one size; a ``Tuning`` is one."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the images, (H, W, 3)."""
        ...

    @property
    def fitting(self) -> Fitting:
        """How images of other sizes are brought to that."""
        ...

    def __call__(self, images: object) -> ImageBytes:
        """Changes ``images (N, H, W, 3)``."""
        ...


@dataclass(frozen=True)
class ImageTransform:
    """Changes one image as the tuning does; made by ``Tuning.as_transform``.

    A Pillow image comes back as one; an array ``(H, W, 3)`` as uint8 if it was that, else as float32 in [0, 1]; a torch
    tensor ``(3, H, W)`` likewise as a tensor. Images of another size become the tuning's, as in the run. Of several
    views, it is the first. It can be pickled, for the workers of a loader, and takes keyword arguments that it does not
    need, as ``albumentations.Lambda`` gives them.

    >>> from blackbox_dft import Tuning
    >>> transform = ImageTransform(Tuning("color", np.array([0.5, 0, 0, 0, 0, 0]), (8, 8, 3)))
    >>> transform(np.full((8, 8, 3), 100, np.uint8)).dtype
    dtype('uint8')
    """

    tuning: Change

    def __call__(self, image: Any, **unused: Any) -> Any:
        """The changed image.

        Raises:
            InputError: it is no single RGB image, or holds numbers of unknown range.
        """
        if _is_tensor(image):
            import torch

            changed = self._changed(image.detach().cpu().numpy().transpose(1, 2, 0))
            return torch.from_numpy(np.ascontiguousarray(changed.transpose(2, 0, 1))).to(image.device)
        changed = self._changed(image)
        if hasattr(image, "getbands"):
            from PIL import Image

            return Image.fromarray(changed)
        return changed

    def _changed(self, image: Any) -> Array:
        batch = as_batch(image)
        if batch.ndim != 4 or len(batch) != 1 or batch.shape[3] != 3:
            raise InputError(f"a transform takes one image (H, W, 3), not {np.shape(image)}: give them one by one.")
        size = self.tuning.shape[:2]
        if batch.shape[1:3] != size or not self.tuning.fitting.keeps_all:
            pixels = self.tuning.fitting(to_bytes(batch)[0], size)
            batch = pixels[None] if batch.dtype == np.uint8 else to_floats(pixels[None])
        changed = self.tuning(batch)[0]
        return changed if batch.dtype == np.uint8 else to_floats(changed)

    def __repr__(self) -> str:
        return f"{self.tuning!r}.as_transform()"


def _is_tensor(image: Any) -> bool:
    return hasattr(image, "detach") and hasattr(image, "cpu")
