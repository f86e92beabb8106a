"""Spaces for images of several sizes: the same z, relative to each image."""

from __future__ import annotations

from blackbox_dft.errors import InputError
from blackbox_dft.spaces import make_space
from blackbox_dft.spaces.base import Space
from blackbox_dft.spaces.viewed import Viewed

Shape = tuple[int, int, int]
TRIED = ((256, 256, 3), (256, 257, 3))
"""Shapes for which a space must have as many numbers."""


def at_shape(space: Space, shape: Shape, *, levels: bool) -> Space:
    """The space that does to images of ``shape`` what ``space`` does to those of its own shape.

    Zooms, shifts, frequencies and tiles are relative to the image, so z keeps its meaning; borders, colours and epsilon
    do not depend on the size.

    >>> space = make_space("affine+dct:4", (32, 32, 3))
    >>> at_shape(space, (480, 640, 3), levels=True).names == space.names
    True
    """
    if isinstance(space, Viewed):
        return Viewed(at_shape(space.base, shape, levels=levels), shape)
    if getattr(space, "shape", None) == shape:
        return space
    luma = getattr(space, "channels", None) == "luma"
    epsilon = getattr(space, "epsilon", None)
    return make_space(space.spec, shape, epsilon=epsilon, channels="luma" if luma else "rgb", levels=levels)


def is_relative(spec: str) -> bool:
    """Whether the space has as many numbers for images of any size.

    >>> is_relative("affine+color+dct:8"), is_relative("pixel")
    (True, False)

    Raises:
        InputError: no such space.
    """
    one, other = (make_space(spec, shape).size for shape in TRIED)
    return one == other


def require_relative(spec: str) -> None:
    """Checks that a space can be used on images of several sizes.

    Raises:
        InputError: it has a number for each pixel.
    """
    if not is_relative(spec):
        raise InputError(
            f"--space {spec} has numbers for pixels, and with --fit keep images have several sizes: take affine, "
            "color, dct:N or grid:N, or --fit stretch."
        )
