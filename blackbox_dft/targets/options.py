"""What a user may have to say of a target that it does not say itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Layout = Literal["auto", "nchw", "nhwc"]
Channels = Literal["auto", "rgb", "bgr", "grey"]
Range = Literal["auto", "0..1", "0..255", "-1..1"]


@dataclass(frozen=True)
class TargetOptions:
    """All optional: what is left out is inferred, and ``bbdft inspect`` shows what was."""

    output: str | None = None
    """Which output holds the scores."""
    classes: tuple[str, ...] | None = None
    """Names of the scores, in order."""
    layout: Layout = "auto"
    channels: Channels = "auto"
    """Order of the input's channels."""
    range: Range = "auto"
    """Values of a pixel that the model expects."""
    mean: tuple[float, ...] | None = None
    """Subtracted from pixels in [0, 1], a number a channel or one for all."""
    std: tuple[float, ...] | None = None
    """Divides them after that."""
    size: tuple[int, int] | None = None
    """Height and width, for a model that takes any."""
    provider: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``tensorrt``."""
    batch: int | None = None
    """Images a call carries."""
    workers: int | None = None
    """Calls side by side."""
