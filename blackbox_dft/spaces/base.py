"""``Space``: the Protocol of image changes parameterised by a short vector z."""

from collections.abc import Callable
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.types import Floats, ImageBytes, Images
from blackbox_dft.spaces.onnx_builder import OnnxBuilder
from blackbox_dft.spaces.scratch import Scratch

Change: TypeAlias = Callable[[ImageBytes | Images, slice], Images]
"""Changes some images ``(n, H, W, C)``, bytes or floats in [0, 1], which are those rows of a batch.

The result belongs to the caller until the next call, which may overwrite it; the images given stay as they are.
"""


class Space(Protocol):
    """A family of image changes, one for each ``z (k,)``, for images of one shape ``(H, W, C)``.

    z is scaled so that 1 is a sensible step in each coordinate.

    Spaces are immutable and can be pickled. ``make_space`` makes one at the start of a run. The search reads ``size``,
    ``lower``, ``upper`` and ``initial`` before the first query; then scoring calls ``apply`` for every request, from
    several threads or processes at once. The fused path and ``export`` call ``graph`` once. ``spec`` and ``names`` go
    to files and reports. No value is None.
    """

    @property
    def spec(self) -> str:
        """Canonical text of the space (``"dct:8"``); ``make_space`` makes the same space from it."""

    @property
    def size(self) -> int:
        """Number of coordinates, k."""

    @property
    def names(self) -> tuple[str, ...]:
        """One name per coordinate, for reports (``"zoom"``, ``"luma 0,1"``)."""

    @property
    def lower(self) -> Floats:
        """Lower bounds ``(k,)``, to which ``apply`` clips z; ``-inf`` if epsilon bounds the images instead."""

    @property
    def upper(self) -> Floats:
        """Upper bounds ``(k,)``; ``inf`` if epsilon bounds the images instead."""

    def initial(self) -> Floats:
        """The identity ``(k,)``: ``apply`` returns images unchanged, to the bit."""
        ...

    def apply(self, images: Images, z: Floats) -> Images:
        """Changes images ``(N, H, W, C)``, float32 in [0, 1], by one ``z (k,)`` or each by its row of ``z (N, k)``.

        Returns a new array, float32 in [0, 1]; the input stays as it is. The result for an image does not depend on
        the other images of the batch, to the bit.
        """
        ...

    def graph(self, graph: OnnxBuilder, planes: str, z: str) -> str:
        """Adds the same change as ONNX nodes (opset 17) to ``graph``.

        Takes the names of the tensors ``planes (N, C, H, W)`` and ``z``, ``(1, k)`` or ``(N, k)``; returns the name of
        the changed planes.
        """
        ...


@runtime_checkable
class Additive(Protocol):
    """A space whose perturbation can be measured without an image, for the distance term of the search."""

    def distance(self, z: Floats) -> Floats:
        """Mean squared perturbation ``(M,)`` under each of ``z (M, k)``, for pixels in [0, 1]; 0 at the identity."""
        ...


@runtime_checkable
class SupportsLongSteps(Protocol):
    """A space that knows changes which often gain much, but lie further away than a search soon gets."""

    def long_steps(self) -> Floats:
        """Steps from the identity ``(M, k)``, most promising first; a search tries them before it begins."""
        ...


@runtime_checkable
class SupportsBlocks(Protocol):
    """A space that prepares a change of a batch once, and then makes it on a few images at a time.

    A few images stay in the processor's cache from one step to the next, and in memory that is used again.
    """

    def change_by(self, z: Floats, scratch: Scratch) -> Change:
        """The change by ``z (M, k)``, one row for all images or one for each; for one thread and one batch.

        The first images that it is given are the most that it will be given at once. Equals ``apply`` of the same
        images as floats, to the bit.
        """
        ...


class ZeroIdentity(Space):
    """Base of spaces whose identity is the zero vector."""

    @override
    def initial(self) -> Floats:
        return np.zeros(self.size)


class Unbounded(ZeroIdentity):
    """Base of spaces without bounds on z, because epsilon bounds the images."""

    @property
    @override
    def lower(self) -> Floats:
        return np.full(self.size, -np.inf)

    @property
    @override
    def upper(self) -> Floats:
        return np.full(self.size, np.inf)
