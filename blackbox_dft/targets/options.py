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
    float16: bool = False
    """Whether an ONNX model is brought to half precision."""
    batch: int | None = None
    """Images a call carries."""
    workers: int | None = None
    """Calls side by side."""
    cluster: str = ""
    """Where they run, each in an actor of its own: ``local`` or the address of a Ray cluster; else in this process."""
    profile: str = "v2"
    """Of a URL: how it is spoken to; v2, a profile of the package, or a TOML file."""
    input: str | None = None
    """Of a V2 server that does not describe its model: name of the input."""
    datatype: str | None = None
    """Of such a server: FP32, FP16, FP64 or UINT8."""
    headers: tuple[str, ...] = ()
    """``"Name: value"``; secrets by reference, ``{env:NAME}`` or ``{file:PATH}``."""
    cert: str | None = None
    """PEM file with the client's certificate and key."""
    rate: str | None = None
    """Requests that may leave: ``10/s``, ``600/m``."""
    timeout: float = 60.0
    """Seconds until an answer must be whole."""
    patience: float = 600.0
    """Seconds of trying again without a success before giving up."""
    insecure: bool = False
    """Whether secrets may go over plain http."""
