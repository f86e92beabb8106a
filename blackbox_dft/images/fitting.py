"""Fitting: how an image of another size is brought to the model's input size (stretch, centre crop, letterbox)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blackbox_dft._utils.types import ImageBytes
from blackbox_dft.errors import InputError
from blackbox_dft.images.files import resize
from blackbox_dft.images.fit_options import AUTO, KEEP, Filter, check_fit

PADDINGS = {"pad": 0, "pad:grey": 114}
"""Value of the border of a letterbox; 114 is that of the YOLO family."""
EDGE = "pad:edge"
"""A letterbox whose border repeats the image's edge."""


@dataclass(frozen=True)
class Fitting:
    """How images of other sizes are brought to the model's input size; called with an image and a (height, width).

    - ``stretch``: both sides are resized, whatever the aspect.
    - ``crop:SHARE``: the largest centred part with the model's aspect, and of it SHARE of either side; ``crop`` is all.
    - ``pad``, ``pad:grey``, ``pad:edge``: a letterbox: the whole image, with a border that is black, grey, or the edge
      repeated.
    - ``keep``: each image stays at its own size and aspect; one with a side above ``max_side`` is made smaller.
    - ``auto`` is not decided yet: ``load`` takes ``keep`` if there are several sizes, else ``stretch``.

    >>> image = np.arange(8 * 16 * 3, dtype=np.uint8).reshape(8, 16, 3)
    >>> bool((Fitting("crop")(image, (8, 8)) == image[:, 4:12]).all())
    True
    >>> Fitting("pad")(image, (8, 8))[:, 0, 0].tolist()
    [0, 0, 26, 122, 218, 58, 0, 0]
    >>> Fitting("keep", max_side=4)(image, (8, 8)).shape
    (2, 4, 3)
    """

    fit: str = "stretch"
    filter: Filter = "auto"
    """``auto`` averages areas when shrinking and is bilinear when enlarging. Bilinear and bicubic are those of Pillow
    and torchvision, which smooth when they shrink; ``area`` averages areas, and repeats pixels when enlarging."""
    max_side: int | None = None
    """Longest side that ``keep`` lets through."""

    def __post_init__(self) -> None:
        """Checks the fit.

        Raises:
            InputError: there is no such fit.
        """
        try:
            object.__setattr__(self, "fit", check_fit(self.fit))
        except ValueError as error:
            raise InputError(f"--fit {self.fit}: {error}.") from error
        if self.max_side is not None and self.fit not in (AUTO, KEEP):
            raise InputError(f"--max-side is for photos that keep their sizes, and --fit is {self.fit}: leave one out.")

    @property
    def keeps_sizes(self) -> bool:
        """Whether images keep their own sizes, so that they are no array."""
        return self.fit == KEEP

    def own_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The (height, width) that ``keep`` gives an image of ``size``.

        >>> Fitting("keep", max_side=100).own_size((400, 300)), Fitting("keep").own_size((400, 300))
        ((100, 75), (400, 300))
        """
        if self.max_side is None or max(size) <= self.max_side:
            return size
        scale = self.max_side / max(size)
        return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))

    @property
    def keeps_all(self) -> bool:
        """Whether an image that has the model's size stays as it is."""
        return not self.fit.startswith("crop:")

    def __call__(self, image: ImageBytes, size: tuple[int, int]) -> ImageBytes:
        """``image (H, W, 3)`` brought to ``size`` (height, width)."""
        name, _, argument = self.fit.partition(":")
        if name == KEEP:
            height, width = image.shape[:2]
            return resize(image, self.own_size((height, width)), self.filter)
        if name == "crop":
            image = _centre(image, size, float(argument or 1))
        elif name == "pad":
            return self._letterbox(image, size)
        return resize(image, size, self.filter)

    def _letterbox(self, image: ImageBytes, size: tuple[int, int]) -> ImageBytes:
        import cv2

        scale = min(side / own for side, own in zip(size, image.shape[:2], strict=True))
        inner = tuple(max(1, min(side, round(own * scale))) for side, own in zip(size, image.shape[:2], strict=True))
        resized = resize(image, (inner[0], inner[1]), self.filter)
        top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
        borders = top, size[0] - inner[0] - top, left, size[1] - inner[1] - left
        if self.fit == EDGE:
            return np.asarray(cv2.copyMakeBorder(resized, *borders, cv2.BORDER_REPLICATE), np.uint8)
        value = [PADDINGS[self.fit]] * 3
        return np.asarray(cv2.copyMakeBorder(resized, *borders, cv2.BORDER_CONSTANT, value=value), np.uint8)


def _centre(image: ImageBytes, size: tuple[int, int], share: float) -> ImageBytes:
    """The centred part of an image that has the aspect of ``size`` and is ``share`` of the largest such part."""
    scale = share * min(own / side for own, side in zip(image.shape[:2], size, strict=True))
    height, width = (max(1, min(own, round(side * scale))) for own, side in zip(image.shape[:2], size, strict=True))
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]
