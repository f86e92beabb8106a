"""Images as callers have them (arrays, lists, Pillow images) as one batch of bytes, or of floats in [0, 1]."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from blackbox_dft._utils.types import Array, ImageBytes, Images
from blackbox_dft.errors import InputError
from blackbox_dft.images.encoding import to_floats
from blackbox_dft.images.formats import BadImageError, from_pillow

if TYPE_CHECKING:
    from PIL import Image

TOLERANCE = 0.5 / 255
"""Floats may lie this far outside [0, 1]: half a level, as arithmetic and resampling leave it."""


def as_batch(images: object) -> ImageBytes | Images:
    """An array, a Pillow image or a list of either, as ``(N, H, W, C)``: uint8, or float32 in [0, 1].

    A single image becomes a batch of one. Whole numbers are levels from 0 to 255; floats lie in [0, 1], and no other
    range is guessed, as a dark image of another would look the same. Pillow images are turned upright.

    >>> as_batch(np.array([[[[0, 51, 255]]]])).dtype, as_batch([np.array([[[0, 0.2, 1]]])]).dtype
    (dtype('uint8'), dtype('float32'))

    Raises:
        InputError: the images have several sizes, or their numbers have another range or type.
    """
    if not isinstance(images, list | tuple) or not any(
        _is_pillow(image) or hasattr(image, "shape") for image in images
    ):
        batch = _one(images)
        return batch[None] if batch.ndim == 3 else batch
    singles = [_one(image) for image in images]
    shapes = sorted({single.shape for single in singles})
    if len(shapes) > 1:
        raise InputError(f"the images have several shapes, such as {shapes[0]} and {shapes[1]}: resize them first.")
    if len({single.dtype for single in singles}) > 1:
        singles = [to_floats(single) for single in singles]
    stacked: Array = np.stack(singles)
    return stacked


def _is_image(image: object) -> bool:
    return _is_pillow(image) or hasattr(image, "shape")


def _is_pillow(image: object) -> bool:
    # Pillow is not imported: who has such an image has done so.
    return hasattr(image, "getbands") and hasattr(image, "convert")


def _one(image: object) -> ImageBytes | Images:
    """One image or a batch as uint8, or float32 in [0, 1]."""
    if _is_pillow(image):
        from PIL import ImageOps

        try:
            return from_pillow(ImageOps.exif_transpose(cast("Image.Image", image)))
        except BadImageError as error:
            raise InputError(f"a Pillow image {error}: convert it to RGB.") from error
    try:
        array: Array = np.asarray(image)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"images are not an array ({error}): give uint8 (N, H, W, 3), RGB.") from error
    kind = array.dtype.kind
    if array.dtype == np.uint8:
        return array
    if kind not in "iuf":
        raise InputError(f"images are {array.dtype}, not numbers: give uint8, or floats in [0, 1].")
    low, high = float(array.min(initial=0)), float(array.max(initial=0))
    if kind in "iu" and low >= 0 and high <= 255:
        return array.astype(np.uint8)
    if np.isnan(low):
        raise InputError("images hold NaN, which is no colour: fill it in, or drop the image.")
    if kind == "f" and low >= -TOLERANCE and high <= 1 + TOLERANCE:
        return array.astype(np.float32).clip(0, 1)
    what = f"images are {array.dtype} from {low:g} to {high:g}"
    if kind == "f" and low >= 0 and 1 < high <= 255:
        raise InputError(f"{what}, and may be levels: give them as uint8, or divided by 255.")
    raise InputError(f"{what}: give uint8, or floats in [0, 1].")
