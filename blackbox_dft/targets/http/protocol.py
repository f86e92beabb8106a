"""How images become a request and an answer becomes scores: the two things in which servers differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from blackbox_dft._utils.types import ImageBytes, Images, Scores
from blackbox_dft.errors import LostAnswer
from blackbox_dft.targets.http.messages import HttpRequest, HttpResponse
from blackbox_dft.targets.http.transport import Transport
from blackbox_dft.targets.options import TargetOptions


@dataclass(frozen=True)
class ServerInfo:
    """What is known of a server before the first image."""

    classes: tuple[str, ...] | None
    image_size: tuple[int, int] | None
    batch: int
    """Images of a request, at most."""
    about: dict[str, Any]
    """For ``describe``."""
    notes: tuple[str, ...] = ()


class WireProtocol(Protocol):
    """A protocol, ready to be spoken to one server."""

    @property
    def identity(self) -> str:
        """Text of all that determines the scores, without secrets."""

    def meet(self, transport: Transport, options: TargetOptions) -> ServerInfo:
        """Asks the server what it is, where it can say so."""

    def request(self, images: ImageBytes | Images) -> HttpRequest:
        """Images ``(N, H, W, 3)`` as a request."""

    def scores(self, answer: HttpResponse, count: int) -> Scores:
        """The answer to ``count`` images as ``(count, K)``.

        Raises:
            LostAnswer: it does not hold scores for so many images.
        """


def checked(scores: Any, count: int) -> Scores:
    """``scores`` as float32 ``(count, K)``.

    Raises:
        LostAnswer: another number of rows, or values that are not finite numbers.
    """
    try:
        array = np.asarray(scores, np.float32)
    except (ValueError, TypeError) as error:
        raise LostAnswer("the server's answer holds scores that are no numbers, or rows of unequal length") from error
    if array.ndim == 0 or len(array) != count or not array.size:
        raise LostAnswer(f"the server answered shape {array.shape} for {count} images")
    if not np.isfinite(array).all():
        raise LostAnswer("the server answered scores that are NaN or infinite")
    return array.reshape(count, -1)
