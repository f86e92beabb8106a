"""The contract of a space: what may change in an image, as a function of a short vector z."""

from typing import Protocol, runtime_checkable

from blackbox_dft._utils.types import Floats, Images
from blackbox_dft.spaces.onnx_builder import OnnxBuilder


class Space(Protocol):
    """A family of image changes, one for each ``z (k,)``; made for images of one shape ``(H, W, C)``.

    ``z`` is scaled so that 1 is a sensible step in each coordinate. Spaces are values: no call changes one.
    """

    @property
    def spec(self) -> str:
        """Canonical text of the space (``"dct:8"``); ``make_space`` reads it back."""

    @property
    def size(self) -> int:
        """Number of coordinates, k."""

    @property
    def names(self) -> tuple[str, ...]:
        """One name a coordinate, for reports (``"zoom"``, ``"luma 0,1"``)."""

    @property
    def lower(self) -> Floats:
        """Least values ``(k,)``, which ``apply`` clips z to; ``-inf`` where epsilon bounds the image instead."""

    @property
    def upper(self) -> Floats:
        """Greatest values ``(k,)``."""

    def initial(self) -> Floats:
        """The identity ``(k,)``: images come out unchanged, to the bit."""
        ...

    def apply(self, images: Images, z: Floats) -> Images:
        """Images ``(N, H, W, C)`` float32 in [0, 1], changed by ``z (k,)`` or each by its own row of ``z (N, k)``.

        Returns a new array, float32 in [0, 1]; the input is left alone.
        """
        ...

    def graph(self, graph: OnnxBuilder, planes: str, z: str) -> str:
        """The same change as ONNX nodes: tensor names in (``planes (N,C,H,W)``, ``z (1,k)`` or ``(N,k)``), name out."""
        ...


@runtime_checkable
class Additive(Protocol):
    """A space whose changes have a size that no image is needed to tell."""

    def distance(self, z: Floats) -> Floats:
        """Mean squared perturbation ``(M,)`` under each of ``z (M, k)``, pixels in [0, 1]; 0 at the identity."""
        ...
