"""The contract of a target: what may be asked. Images in, scores out, nothing else is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, runtime_checkable

from blackbox_dft._utils.types import Array, Floats, ImageBytes, Images, Ints, Scores
from blackbox_dft.targets.input_format import InputFormat

if TYPE_CHECKING:
    from onnx import ModelProto

Ask: TypeAlias = Callable[[Ints, Floats], Scores]
"""Scores ``(N, K)`` of images ``indices (N,)`` of a pool under ``z (k,)`` or ``(N, k)``."""


class Target(Protocol):
    """A black box that scores images.

    ``scores`` may be called from ``workers`` threads at once. What it answers is raw: probabilities, logits, one
    sigmoid, a one-hot or a class index; ``blackbox_dft.objectives.outputs`` reads them.
    """

    name: str
    """As the user named it."""
    fingerprint: str
    """Hex digest of everything that determines the scores (file bytes, output, normalisation ...)."""
    classes: tuple[str, ...] | None
    """Names of the K scores, where known."""
    image_size: tuple[int, int] | None
    """(height, width) the model takes; ``None`` when it takes any."""
    batch: int
    """Images a call should carry."""
    workers: int
    """Calls that should run side by side."""

    def scores(self, images: ImageBytes | Images) -> Scores:
        """``(N, H, W, C)`` uint8, or float32 in [0, 1], to ``(N, K)`` float32, rows in the order of the images.

        Raises:
            TargetError: the model failed, or answered something that is not finite scores of the expected shape.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """What ``bbdft inspect`` prints: inputs, outputs, classes, layout, provider in use; JSON-ready."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@runtime_checkable
class ConcurrentTarget(Protocol):
    """A target that takes any number of requests at once, up to ``most``, and which is best is not known."""

    workers: int
    """Requests at once where nothing is known."""
    most: int

    def ready(self, images: ImageBytes | Images) -> Callable[[], Future[Scores]]:
        """``scores`` in two steps: the request made up, in any thread; and what sends it, which does not wait."""

    @property
    def resent(self) -> int:
        """Requests sent again so far, as they had not been served."""

    @property
    def slowed(self) -> int:
        """How often the server has said to wait or to come less often, so far."""


@runtime_checkable
class AutotunableTarget(Protocol):
    """A target that can be called many times at once, or with many threads a call, and which is best is not known."""

    @property
    def unsaid(self) -> bool:
        """Whether nobody, the model included, said how to call it."""

    def arrange(self, workers: int, threads: int) -> None:
        """From now on, so many calls side by side, of so many threads each; no call may be under way."""
        ...


@runtime_checkable
class GraphTarget(Protocol):
    """A target that is an ONNX graph of this machine: what changes the images can be written in front of it."""

    path: Path
    form: InputFormat
    provider: str
    """``cpu``, ``cuda`` or ``tensorrt``."""
    files: tuple[Path, ...]
    """All it is read from, ``path`` first."""

    def graph(self) -> ModelProto:
        """The model that answers, read anew each time; in half precision where that was asked for."""
        ...

    def coarsened(self, images: ImageBytes) -> float | None:
        """The most that scores of ``images (N, H, W, 3)`` are from the file's own; nothing where that is what runs."""
        ...

    def open(
        self, model: bytes, *, literal: bool, held: Mapping[str, Array]
    ) -> Callable[[Mapping[str, Array], int], Scores]:
        """What scores by a graph that ends in this model, given what the graph takes and how many images that is.

        Args:
            model: the file's bytes.
            literal: quantising operators in it are meant as they stand, and not to be made part of a quantised model.
            held: inputs that are the same in every call; they are brought to where the model runs once.
        """
        ...
