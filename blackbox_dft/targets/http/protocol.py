"""Wire protocol: how images become a request and a response becomes scores, which differs between servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from blackbox_dft._utils.types import ImageBytes, Images, Scores
from blackbox_dft.errors import LostAnswer, NotFiniteScores
from blackbox_dft.targets.http.messages import HttpRequest, HttpResponse
from blackbox_dft.targets.http.transport import Transport
from blackbox_dft.targets.options import TargetOptions


@dataclass(frozen=True)
class ServerInfo:
    """What a server says about its model before the first image."""

    classes: tuple[str, ...] | None
    """Names of the scores; ``None`` if the server does not name them."""
    image_size: tuple[int, int] | None
    """(height, width); ``None`` if the model takes any."""
    batch: int
    """Images of a request."""
    description: dict[str, Any]
    """Entries for ``Target.describe``; JSON-ready."""
    notes: tuple[str, ...] = ()
    """What was assumed, in sentences for the user."""


class WireProtocol(Protocol):
    """The requests and responses of one server.

    ``HttpTarget`` calls ``discover`` once, when it is made, and reads ``identity`` after it. ``request`` is then called
    from several threads at once, and ``scores`` in the thread of the transport's event loop, one at a time.
    """

    @property
    def identity(self) -> str:
        """A text of everything that determines the scores, without secrets; the fingerprint is its digest."""
        ...

    def discover(self, transport: Transport, options: TargetOptions) -> ServerInfo:
        """Requests the model's metadata, if the server offers any; ``transport.send`` blocks until a response.

        Raises:
            InputError: the options do not suit the server, or leave something open.
            TargetError: the server refuses, or does not respond.
        """
        ...

    def request(self, images: ImageBytes | Images) -> HttpRequest:
        """The request for ``images (N, H, W, 3)`` RGB, uint8 or float32 in [0, 1]; N is at most ``ServerInfo.batch``
        unless the user gave a batch of their own.
        """
        ...

    def file_request(self, data: bytes, kind: str) -> HttpRequest | None:
        """The request for one image as its ``png`` or ``jpeg`` file is; None if requests hold no files."""
        return None

    def scores(self, response: HttpResponse, count: int) -> Scores:
        """Scores ``(count, K)`` in the response to a request with ``count`` images.

        Raises:
            LostAnswer: the response does not contain scores of ``count`` images; the request is sent again.
            TargetError: the response says that another request would fail too.
            InputError: responses of this form cannot be read with these options.
        """
        ...

    def explain_no_score(self) -> str | None:
        """What the latest responses without a score held, and what mends it; ``None`` if nothing is known.

        Called from the thread of the run, after ``scores``.
        """
        ...


def check_scores(scores: Any, count: int) -> Scores:
    """``scores`` as float32 ``(count, K)``.

    Raises:
        LostAnswer: another number of rows, or values that are not numbers.
        NotFiniteScores: NaN or infinite values; it holds the scores.

    >>> check_scores([[0.25, 0.75]], 1)
    array([[0.25, 0.75]], dtype=float32)
    """
    try:
        array = np.asarray(scores, np.float32)
    except (ValueError, TypeError) as error:
        raise LostAnswer(
            "the server's response contains scores that are not numbers, or rows of unequal length"
        ) from error
    if array.ndim == 0 or len(array) != count or not array.size:
        raise LostAnswer(f"the server returned shape {array.shape} for {count} images")
    array = array.reshape(count, -1)
    if not np.isfinite(array).all():
        raise NotFiniteScores("the server returned scores that are NaN or infinite", array)
    return array
