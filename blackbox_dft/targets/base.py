"""Protocols of a target, the black box that is queried: images in, scores out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

from blackbox_dft._utils.types import Array, ImageBytes, Images, Scores
from blackbox_dft.targets.input_format import InputFormat
from blackbox_dft.targets.options import TargetOptions

if TYPE_CHECKING:
    from onnx import ModelProto


class Target(Protocol):
    """A black box that scores images.

    ``make_target`` constructs it. A run then reads the attributes, calls ``describe`` before the first query, and
    ``scores`` from up to ``workers`` threads at once. The ``with`` block of the code that made the target ends after
    the last call has returned. All but ``scores`` is called in one thread.

    Scores are raw: probabilities, logits, one sigmoid, a one-hot row or a class index;
    ``blackbox_dft.objectives.outputs`` interprets them. A subclass inherits a context manager that does nothing.
    """

    name: str
    """As the user gave it."""
    fingerprint: str
    """Hex digest of everything that determines the scores: bytes of files, output, normalisation ..."""
    classes: tuple[str, ...] | None
    """Names of the K scores, in order; ``None`` if the target does not name them."""
    image_size: tuple[int, int] | None
    """(height, width) of the images it takes; ``None`` if it takes any."""
    batch: int
    """Images that a call of ``scores`` should carry."""
    workers: int
    """Calls of ``scores`` that should run at once."""

    def scores(self, images: ImageBytes | Images) -> Scores:
        """Scores ``(N, K)`` float32 of ``images (N, H, W, 3)`` RGB, uint8 or float32 in [0, 1]; N is at least 1.

        Rows are in the order of the images. The images must not be modified. An image for which the model has no score
        (it finds no face, say) has a row of NaN, or of zeros if K > 1.

        Raises:
            TargetError: the model failed, or returned something other than scores of the expected shape.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """What ``bbdft inspect`` prints: inputs, outputs, classes, provider in use ...; JSON-ready.

        The command line reads ``provider`` (a text), ``provider_note`` (a text, ``None`` or missing) and ``notes`` (a
        list of what was assumed).
        """
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


@runtime_checkable
class ExplainsNoScore(Protocol):
    """A ``Target`` that can say why its responses held no score. A run asks when it stops because of that."""

    def explain_no_score(self) -> str | None:
        """What the latest responses without a score held, and the option or profile key that mends it: the second half
        of a sentence, "its labels are Left and Right: give --model-classes Left,Right"; ``None`` if nothing is known.
        """
        ...


@runtime_checkable
class SeveralOutputs(Protocol):
    """A ``Target`` whose scores ``(N, K)`` end in the numbers of further outputs, such as an age beside a gender."""

    head_widths: tuple[int, ...]
    """How many numbers an image each of them has, in the order of the columns."""


@runtime_checkable
class ConcurrentTarget(Protocol):
    """A ``Target`` that takes many requests at once without a thread for each, such as a URL.

    The HTTP backend calls ``prepare`` from a few threads at once, which change images and encode them, and calls its
    result in the thread of the search, after the ledger has recorded the request. The concurrency search reads
    ``retries`` and ``throttled`` in that thread after every response.
    """

    workers: int
    """Requests at once if no number is given and none has been measured."""
    max_workers: int
    """The most requests at once; equal to ``workers`` if the user gave the number."""

    def prepare(self, images: ImageBytes | Images) -> Callable[[], Future[Scores]]:
        """Encodes a request for ``images (N, H, W, 3)``; calling the result sends it and does not block.

        The future gives what ``scores`` returns, or raises what ``scores`` raises; ``LostAnswer`` if the request was
        sent and no usable response arrived.
        """
        ...

    @property
    def retries(self) -> int:
        """How many requests were sent again so far because the server had not served them."""
        ...

    @property
    def throttled(self) -> int:
        """How many responses so far demanded to wait or to send less (429, ``Retry-After``)."""
        ...


@runtime_checkable
class FileTarget(Protocol):
    """A ``ConcurrentTarget`` that may take an image's file as it is, so that a service decodes it itself.

    The HTTP backend calls ``prepare_file`` as it calls ``prepare``.
    """

    def prepare_file(self, data: bytes, kind: str) -> Callable[[], Future[Scores]] | None:
        """As ``prepare``, for the bytes of one ``png`` or ``jpeg`` file; None if the target takes pixels only."""
        ...


@runtime_checkable
class AutotunableTarget(Protocol):
    """A ``Target`` whose call plan can be tuned: how many calls run at once, with how many threads each.

    A run calls ``set_call_plan`` in its own thread while no call of ``scores`` is under way: once if the plan is
    recorded, several times while the autotuner measures plans. A graph of ``open_graph`` is opened again
    afterwards.
    """

    @property
    def call_plan_is_open(self) -> bool:
        """Whether neither the user nor the model fixes the plan, so that it can be tuned."""
        ...

    def set_call_plan(self, workers: int, threads: int) -> None:
        """From now on, ``workers`` calls at once, of ``threads`` threads each; sets the attribute ``workers``."""
        ...


@runtime_checkable
class GraphTarget(Protocol):
    """A ``Target`` that is an ONNX graph run in this process, so that the change can be written in front of it.

    ``FusedPath`` calls ``graph`` and then ``open_graph`` in the thread that constructs it, and ``open_graph`` again
    after each ``set_call_plan``. It calls the function that ``open_graph`` returned from up to ``workers`` threads at
    once.
    """

    path: Path
    input_format: InputFormat
    provider: str
    """``cpu``, ``cuda`` or ``tensorrt``."""
    files: tuple[Path, ...]
    """All files of the model, ``path`` first."""
    max_batch: int | None
    """The most images of a call, if the user fixed it."""

    @property
    def resolved_options(self) -> TargetOptions:
        """Options with which the files of the model, without others beside them, make the same target."""
        ...

    def scores(self, images: ImageBytes | Images) -> Scores:
        """As of every ``Target``."""
        ...

    def graph(self) -> ModelProto:
        """The model with its weights, a new copy at each call; in half precision if the user chose that."""
        ...

    def float16_error(self, images: ImageBytes) -> float | None:
        """The largest difference to the scores of the original model on ``images (N, H, W, 3)``.

        ``None`` if the original model runs, in neither half precision nor TensorRT. Called once, before the first query
        of a run.
        """
        ...

    def place(self, array: Array) -> Any:
        """``array`` on the model's device, to be a constant of any number of graphs.

        A subclass inherits that of a CPU, which reads the array where it lies.
        """
        return array

    def open_graph(
        self, model: bytes, *, keep_quantizers: bool, constants: Mapping[str, Any]
    ) -> Callable[[Mapping[str, Array], int], Scores]:
        """Opens a graph that ends in this model; the result maps (other inputs by name, N) to scores ``(N, K)``.

        Args:
            model: bytes of the ONNX file.
            keep_quantizers: run quantizing operators as they stand, instead of fusing them into a quantized model.
            constants: inputs that are the same in every call, by name, as ``place`` returned them.
        """
        ...


def missing_of_graph(target: Target) -> list[str]:
    """What a target that has a ``graph`` and ``open_graph`` lacks of a ``GraphTarget``; empty for one that has neither.

    >>> class Unfinished:
    ...     graph = open_graph = scores = print
    >>> missing_of_graph(Unfinished())[-2:]
    ['provider', 'resolved_options']
    """
    if not (hasattr(target, "graph") and hasattr(target, "open_graph")):
        return []
    needed = {*GraphTarget.__annotations__, *vars(GraphTarget)}
    return sorted(name for name in needed if not name.startswith("_") and not hasattr(target, name))
