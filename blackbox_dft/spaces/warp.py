"""Affine warp of one image, bilinear and exact, by whatever OpenCV is installed.

OpenCV 5 interpolates at the position asked for. OpenCV 4 rounds it to 1/32 of a pixel, on floats as well, which moves
pixels by up to 6 of 255 levels: ``interpolated`` does the same work there from the four neighbours of each position,
in about four times the time. Both agree to 1e-4 (``benchmarks/accuracy/opencv_versions.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from blackbox_dft._utils.types import Array
from blackbox_dft.errors import InputError

SCALE = np.float32(2**20)
"""Sum of the weights: OpenCV's ``blendLinear`` adds 1e-5 to it before it divides by it."""
MAX_SIDE = 2**15 - 2
"""Pixels: OpenCV 4 holds positions in 16 bits."""


def warp(image: Array, matrix: Array, out: Array, mode: int, beyond: Sequence[float]) -> None:
    """Warps ``image (H, W, C)`` float32 into ``out (H', W', C)``; of OpenCV 4, both have the same shape.

    >>> import cv2
    >>> image = np.arange(4, dtype=np.float32).reshape(1, 4, 1).repeat(2, 0)
    >>> warp(image, np.array([[1, 0, -0.3], [0, 1, 0]]), out := np.empty_like(image), cv2.BORDER_REPLICATE, ())
    >>> out[0, :, 0].round(6)
    array([0. , 0.7, 1.7, 2.7], dtype=float32)

    Args:
        image: contiguous.
        matrix: ``(2, 3)``, from pixels of ``out`` to positions in ``image``, (x, y).
        out: receives the pixels.
        mode: OpenCV's number of the border.
        beyond: colour beyond the image if the border is constant.

    Raises:
        InputError: larger than the installed OpenCV can warp.
    """
    import cv2

    if is_exact():
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cv2.warpAffine(image, matrix, out.shape[1::-1], dst=out, flags=flags, borderMode=mode, borderValue=beyond)
    else:
        out[...] = interpolated(image, matrix, mode, beyond)


def interpolated(image: Array, matrix: Array, mode: int, beyond: Sequence[float]) -> Array:
    """What ``warp`` makes, by parts of OpenCV that are exact in all its versions.

    Raises:
        InputError: more than ``MAX_SIDE`` pixels high or wide.
    """
    import cv2

    height, width = image.shape[:2]
    if max(height, width) > MAX_SIDE:
        raise InputError(
            f"OpenCV {cv2.__version__} warps images of up to {MAX_SIDE:,} pixels a side, not {width:,}x{height:,}: "
            "install opencv-python-headless 5, or make the image smaller."
        )
    x, y = np.arange(width), np.arange(height)[:, None]
    # The upper left neighbour, and the weights of the right and the lower ones.
    corner = np.empty((height, width, 2), np.int16)
    weights = []
    for axis, (a, b, c) in enumerate(matrix):
        at = a * x + (b * y + c)
        floor = np.floor(at)
        # A position this far outside has the same colour wherever it is.
        np.clip(floor, -MAX_SIDE, MAX_SIDE, out=corner[..., axis], casting="unsafe")
        weights.append(((at - floor) * SCALE).astype(np.float32))

    def row() -> Array:
        """Pixels at ``corner`` and right of it, blended."""
        left = cv2.remap(image, corner, None, cv2.INTER_NEAREST, borderMode=mode, borderValue=beyond)
        corner[..., 0] += 1
        right = cv2.remap(image, corner, None, cv2.INTER_NEAREST, borderMode=mode, borderValue=beyond)
        corner[..., 0] -= 1
        return np.asarray(cv2.blendLinear(left, right, SCALE - weights[0], weights[0]))

    upper = row()
    corner[..., 1] += 1
    return np.asarray(cv2.blendLinear(upper, row(), SCALE - weights[1], weights[1])).reshape(image.shape)


@cache
def is_exact() -> bool:
    """Whether the installed OpenCV warps exactly by itself."""
    import cv2

    return int(cv2.__version__.partition(".")[0]) >= 5
