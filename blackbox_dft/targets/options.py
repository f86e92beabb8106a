"""Options of a target: what the user may have to say of a model that its file or server does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from blackbox_dft._utils.options import option, validate

Layout = Literal["auto", "nchw", "nhwc"]
Channels = Literal["auto", "rgb", "bgr", "grey"]
Range = Literal["auto", "0..1", "0..255", "-1..1"]
Provider = Literal["auto", "cpu", "cuda", "tensorrt"]
Datatype = Literal["FP32", "FP16", "FP64", "UINT8"]


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise ValueError(f"{text!r} names a class twice or leaves one empty: write a,b,c")
    return names


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ValueError(f"{text!r} is not a list of numbers: write 0.485,0.456,0.406") from error


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    if not height.isdigit() or not (width or height).isdigit() or not int(height) or not int(width or height):
        raise ValueError(f"{text!r} is not a size: write HEIGHTxWIDTH, such as 112x112")
    return int(height), int(width or height)


def _cluster(text: str) -> str:
    return "" if text == "none" else text


@dataclass(frozen=True)
class TargetOptions:
    """What to assume of a target, and how to call it; the help of each field is that of ``bbdft optimize --help``.

    All are optional: what is left out is inferred, and ``bbdft inspect`` shows what was.

    >>> TargetOptions(channels="bgr", mean=(0.5,), size=(112, 112)).layout
    'auto'
    """

    output: str | None = option(
        None,
        help="Which output of the model holds the scores; 'all' lets the output map learn from the others too.",
        metavar="NAME",
        fingerprint=True,
        group="model input",
    )
    classes: tuple[str, ...] | None = option(
        None,
        help="Names of the scores, in order.",
        flags=("--model-classes",),
        metavar="A,B,C",
        parse=_names,
        fingerprint=True,
        group="model input",
    )
    layout: Layout = option("auto", help="Axes of the model's input.", fingerprint=True, group="model input")
    channels: Channels = option(
        "auto",
        help="Order of the model's input channels.",
        flags=("--channel-order",),
        fingerprint=True,
        group="model input",
    )
    range: Range = option(
        "auto", help="Values of a pixel that the model expects.", fingerprint=True, group="model input"
    )
    mean: tuple[float, ...] | None = option(
        None,
        help="Subtracted from pixels in [0, 1].",
        metavar="R,G,B",
        parse=_numbers,
        fingerprint=True,
        group="model input",
    )
    """A number for each channel, or one for all; ``std`` alike."""
    std: tuple[float, ...] | None = option(
        None, help="Divides them after that.", metavar="R,G,B", parse=_numbers, fingerprint=True, group="model input"
    )
    size: tuple[int, int] | None = option(
        None,
        help="Image size, for a model that takes any.",
        metavar="HxW",
        parse=_size,
        separator="x",
        fingerprint=True,
        group="model input",
    )
    provider: Provider = option("auto", help="What the model runs on.", fingerprint=False, group="where it runs")
    float16: bool = option(
        False, help="Run an ONNX model in half precision: for GPUs.", fingerprint=True, group="where it runs"
    )
    # A run keeps the batch it was started with in a record of its own.
    batch: int | None = option(None, help="Images in a request.", minimum=1, fingerprint=False, group="where it runs")
    workers: int | None = option(
        None,
        help="Requests, or actors, side by side.",
        flags=("--concurrency", "--workers"),
        minimum=1,
        maximum=1024,
        fingerprint=False,
        group="where it runs",
    )
    profile: str = option("v2", help="How a URL is spoken to; or FILE.toml.", fingerprint=True, group="service")
    input: str | None = option(
        None,
        help="Input of a V2 model that does not describe itself.",
        metavar="NAME",
        fingerprint=True,
        group="service",
    )
    datatype: Datatype | None = option(None, help="Its type.", fingerprint=True, group="service")
    headers: tuple[str, ...] = option(
        (),
        help="Secrets as {env:VARIABLE}.",
        flags=("--header",),
        metavar="NAME: VALUE",
        fingerprint=False,
        group="service",
    )
    cert: str | None = option(
        None, help="Client certificate and its key.", metavar="FILE.pem", fingerprint=False, group="service"
    )
    rate: str | None = option(
        None, help="Requests that may leave in a second (/m, /h).", metavar="10/s", fingerprint=False, group="service"
    )
    timeout: float = option(60.0, help="Seconds.", minimum=0.01, fingerprint=False, group="service")
    patience: float = option(
        600.0,
        help="Seconds of trying again without a success before giving up.",
        minimum=0,
        fingerprint=False,
        group="service",
    )
    insecure: bool = option(False, help="Let secrets go over plain http.", fingerprint=False, group="service")
    cluster: str = option(
        "",
        help="Run the model on --workers actors of a Ray cluster; local: one begun here; none: in this process.",
        metavar="ADDRESS|local",
        parse=_cluster,
        fingerprint=False,
        group="where it runs",
    )

    def __post_init__(self) -> None:
        """Checks every option.

        Raises:
            OptionError: an InputError that names the option and what it must be.
        """
        validate(self)
