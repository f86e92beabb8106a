"""Changes of batches, a few images at a time, so that each step finds them in the processor's cache.

An image of 112x112 has 150 kB as floats. If each step of a change went through a whole batch, it would read and write
the batch from and to memory, and take new memory from the system, which costs more than most of the steps.
"""

from __future__ import annotations

from functools import cache
from typing import Literal, cast, overload

import numpy as np

from blackbox_dft._utils.types import Array, Floats, ImageBytes, Images
from blackbox_dft.images.encoding import to_bytes, to_floats
from blackbox_dft.spaces.base import Change, Space, SupportsBlocks
from blackbox_dft.spaces.scratch import Scratch, scratch_of_thread

BLOCK_BYTES = 2**19
"""Of the images of a block as floats, unless a single one has more: half of a small second-level cache."""


def change_of(space: Space, z: Floats, scratch: Scratch) -> Change:
    """The change by ``z (k,)`` or ``(M, k)``; spaces that do not support blocks are asked for a few images each time.

    >>> from blackbox_dft.spaces import make_space
    >>> change = change_of(make_space("color", (2, 2, 3)), np.zeros(6), Scratch())
    >>> round(float(change(np.full((1, 2, 2, 3), 51, np.uint8), slice(0, 1)).max()), 6)
    0.2
    """
    z = np.atleast_2d(z)
    if _supports_blocks(type(space)):
        return cast(SupportsBlocks, space).change_by(z, scratch)

    def change(images: ImageBytes | Images, rows: slice) -> Images:
        return space.apply(to_floats(images), z[rows] if len(z) > 1 else z[0])

    return change


def rows_of(values: Array, rows: slice, count: int) -> Array:
    """The ``count`` entries of ``values (M, ...)`` for some rows of a batch, M of them or one for all.

    >>> rows_of(np.array([5]), slice(2, 4), 2).tolist(), rows_of(np.arange(9), slice(2, 4), 2).tolist()
    ([5, 5], [2, 3])
    """
    return values[rows] if len(values) > 1 else np.broadcast_to(values, (count, *values.shape[1:]))


@overload
def changed_images(space: Space, images: ImageBytes | Images, z: Floats, *, levels: Literal[True]) -> ImageBytes: ...
@overload
def changed_images(space: Space, images: ImageBytes | Images, z: Floats, *, levels: Literal[False]) -> Images: ...
@overload
def changed_images(space: Space, images: ImageBytes | Images, z: Floats, *, levels: bool) -> ImageBytes | Images: ...
def changed_images(space: Space, images: ImageBytes | Images, z: Floats, *, levels: bool) -> ImageBytes | Images:
    """``images (N, H, W, C)`` under ``z (k,)`` or ``(N, k)``: bytes if ``levels``, else floats.

    Equals ``space.apply(to_floats(images), z)``, or ``to_bytes`` of it, to the bit.

    >>> from blackbox_dft.spaces import make_space
    >>> changed_images(make_space("color", (1, 1, 3)), np.full((1, 1, 1, 3), 51, np.uint8), np.eye(6)[1], levels=True)
    array([[[[64, 64, 64]]]], dtype=uint8)
    """
    out = np.empty(images.shape, np.uint8 if levels else np.float32)
    step = max(1, BLOCK_BYTES // max(1, 4 * images[:1].size))
    with scratch_of_thread() as scratch:
        change = change_of(space, z, scratch)
        for start in range(0, len(images), step):
            rows = slice(start, start + step)
            changed = change(images[rows], rows)
            if levels:
                to_bytes(changed, out[rows])
            else:
                np.copyto(out[rows], changed)
    return out


@cache
def _supports_blocks(kind: type[Space]) -> bool:
    # Asked of a Protocol for every batch, this would take as long as a step of the change.
    return issubclass(kind, SupportsBlocks)
