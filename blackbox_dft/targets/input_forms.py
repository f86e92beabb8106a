"""Input forms: what a model may want of its images (channel order, range, fit, filter, turns), to be tried out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from blackbox_dft._utils.types import ImageBytes
from blackbox_dft.images.encoding import LUMA_WEIGHTS, Encoding, through_jpeg
from blackbox_dft.images.fit_options import KEEP
from blackbox_dft.images.fitting import EDGE, PADDINGS, Fitting
from blackbox_dft.targets.input_format import InputFormat


class Values(NamedTuple):
    """Values of pixels that models are trained on; mean and std are of pixels in [0, 1], in the order RGB."""

    name: str
    range: str
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


VALUES = (
    Values("0..1", "0..1"),
    Values("0..255", "0..255"),
    Values("-1..1", "-1..1"),  # Inception's: mean and std .5.
    Values("ImageNet's mean and std", "0..1", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    Values("CLIP's mean and std", "0..1", (0.481, 0.458, 0.408), (0.269, 0.261, 0.276)),
    Values("0..255 minus Caffe's means", "0..1", (123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255,)),
)
FIT_WORDS = {"stretch": "stretched", "pad": "letterbox", "crop": "centre crop", "keep": "at its own size"}
FITS = ("stretch", "crop", "crop:0.875", *PADDINGS, EDGE)
NEAR_FITS = {"crop": ("crop:0.9", "crop:0.875"), "crop:0.875": ("crop:0.9", "crop")}
"""Fits that are tried on more images if one beside them does best."""
FILTERS = ("auto", "bilinear", "bicubic", "area")


SERVICE_SIDES = (96, 160, 224, 299, 384, 512)
"""Sides of squares that are tried with a service that takes images of any size."""
USUAL_SIDE = 224
ENCODINGS = ("png", "jpeg:95", "jpeg:75")


@dataclass(frozen=True)
class Form:
    """One form of a model's input: its format, how images are fitted, and what is done to the files' pixels before.

    Of a service, nothing is known of the format: there are the fit, the size and the encoding.

    >>> form = Form(InputFormat("nchw", "bgr", "0..255", None, None, "float32", (8, 8), None), Fitting("crop:.875"))
    >>> form.name, form.options()
    ('BGR, 0..255, centre crop .875', ['--channel-order', 'bgr', '--range', '0..255', '--fit', 'crop:0.875'])
    """

    format: InputFormat | None
    fitting: Fitting = field(default_factory=Fitting)
    turn: int = 0
    """Degrees that images are turned by, clockwise: 0, 90, 180 or 270."""
    mirrored: bool = False
    inverted: bool = False
    grey: bool = False
    size: tuple[int, int] | None = None
    """(height, width) that images are sent in, if it is a part of the form."""
    encoding: str = "png"

    def pixels(self, image: ImageBytes, size: tuple[int, int]) -> ImageBytes:
        """What the target is given of ``image (H, W, 3)``, ``size`` large unless the form says so itself."""
        size = self.size or size
        if self.turn:
            image = np.rot90(image, -self.turn // 90)
        if self.mirrored:
            image = image[:, ::-1]
        if self.inverted:
            image = 255 - image
        if self.grey:
            luma = (image @ np.array(LUMA_WEIGHTS, np.float32)).round().astype(np.uint8)
            image = np.repeat(luma[..., None], 3, axis=2)
        fitted = np.ascontiguousarray(self.fitting(np.ascontiguousarray(image), size))
        quality = Encoding.parse(self.encoding).quality
        return through_jpeg(fitted[None], quality)[0] if quality else fitted

    @property
    def changes(self) -> tuple[str, ...]:
        """What has to be done to the files themselves, in words, as there is no option for it."""
        parts = [(self.turn, f"turned by {self.turn} degrees clockwise"), (self.mirrored, "mirrored")]
        parts += [(self.inverted, "inverted"), (self.grey, "grey")]
        return tuple(words for given, words in parts if given)

    @property
    def values(self) -> str:
        """The range of pixels, or the known or given mean and std, in words."""
        form = self.format
        if form is None:
            return ""
        if form.mean is None and form.std is None:
            return form.range
        for known in VALUES:
            if known.mean and with_values(form, known) == form:
                return known.name
        means, stds = (",".join(f"{value:.3g}" for value in values or ()) for values in (form.mean, form.std))
        return f"mean {means or '0'} and std {stds or '1'}"

    @property
    def name(self) -> str:
        """The form in words."""
        channels = self.format.channels if self.format else ""
        order = channels if channels == "grey" else channels.upper()
        fit, _, share = self.fitting.fit.partition(":")
        words = FIT_WORDS[fit]
        argument = share.removeprefix("0") if fit == "crop" else {"edge": "with the edge repeated"}.get(share, share)
        resized = "" if self.fitting.filter == "auto" else self.fitting.filter
        size = "" if self.size is None or fit == "keep" else f"{self.size[0]}x{self.size[1]}"
        encoded = "" if self.encoding == "png" else self.encoding
        named = (order, self.values, f"{words} {argument}".strip(), size, resized, encoded, *self.changes)
        return ", ".join(filter(None, named))

    def options(self) -> list[str]:
        """The words of a command line that give it, without defaults of how images are fitted."""
        form, words = self.format, []
        if form and form.channels != "grey":
            words += ["--channel-order", form.channels]
        if form and form.dtype != "uint8":
            if form.mean is None and form.std is None:
                words += ["--range", form.range]
            else:
                means, stds = form.mean or (0.0,), form.std or (1.0,)
                # Numbers above 2 are read as in units of 0..255.
                unit = 255 if max(stds) < 0.01 else 1
                for flag, values in (("--mean", means), ("--std", stds)):
                    words += [flag, ",".join(f"{value * unit:.6g}" for value in values)]
        if self.fitting.fit != "stretch":
            words += ["--fit", self.fitting.fit]
        if self.fitting.filter != "auto":
            words += ["--filter", self.fitting.filter]
        if self.size is not None and not self.fitting.keeps_sizes:
            words += ["--size", f"{self.size[0]}x{self.size[1]}"]
        if self.encoding != "png":
            words += ["--encoding", self.encoding]
        return words

    def to_json(self) -> dict[str, Any]:
        """The form with the names of the options."""
        form = self.format
        return {
            "order": form and form.channels,
            "range": form and form.range,
            "mean": form and form.mean,
            "std": form and form.std,
            "size": self.size,
            "encoding": self.encoding,
            "fit": self.fitting.fit,
            "filter": self.fitting.filter,
            "turn": self.turn,
            "mirrored": self.mirrored,
            "inverted": self.inverted,
            "grey": self.grey,
        }


def with_values(form: InputFormat, values: Values) -> InputFormat:
    """The format with other values of pixels, in the order of its channels."""

    def ordered(numbers: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if numbers is None or len(numbers) == 1:
            return numbers
        if form.channels == "grey":
            return (round(sum(numbers) / len(numbers), 4),)
        return numbers[::-1] if form.channels == "bgr" else numbers

    found: Any = values.range
    return replace(form, range=found, mean=ordered(values.mean), std=ordered(values.std))


def value_forms(form: Form, *, orders: bool = True) -> list[Form]:
    """All values of pixels, in all ``orders`` of channels unless images do not show it; ``form`` first."""
    assert form.format
    several: Any = ("rgb", "bgr") if orders and form.format.channels != "grey" else (form.format.channels,)
    given = [replace(form.format, channels=order) for order in several]
    if form.format.dtype != "uint8":
        given = [with_values(one, values) for one in given for values in VALUES]
    return _distinct(form, [replace(form, format=one) for one in given])


def fit_forms(form: Form) -> list[Form]:
    """All fits; ``form`` first."""
    return _distinct(form, [replace(form, fitting=replace(form.fitting, fit=fit)) for fit in FITS])


def service_fit_forms(form: Form, *, any_size: bool) -> list[Form]:
    """The fits of a service, and images at their own sizes if it takes ``any_size``; ``form`` first."""
    if not any_size:
        return fit_forms(form)
    # Nothing could be cropped from an image to its own size.
    square = replace(form, size=form.size or (USUAL_SIDE, USUAL_SIDE))
    own = replace(form, fitting=replace(form.fitting, fit=KEEP), size=None)
    return _distinct(form, [own, *fit_forms(replace(square, fitting=replace(square.fitting, fit=FITS[0])))])


def size_forms(form: Form) -> list[Form]:
    """Squares of several sizes; ``form`` first."""
    return _distinct(form, [replace(form, size=(side, side)) for side in SERVICE_SIDES])


def encoding_forms(form: Form) -> list[Form]:
    """All encodings; ``form`` first."""
    return _distinct(form, [replace(form, encoding=encoding) for encoding in ENCODINGS])


def near_fit_forms(form: Form) -> list[Form]:
    """The fits beside that of ``form``, which is first."""
    near = NEAR_FITS.get(form.fitting.fit, ())
    return _distinct(form, [replace(form, fitting=replace(form.fitting, fit=fit)) for fit in near])


def filter_forms(form: Form) -> list[Form]:
    """All filters; ``form`` first."""
    made: Callable[[Any], Form] = lambda name: replace(form, fitting=replace(form.fitting, filter=name))  # noqa: E731
    return _distinct(form, [made(name) for name in FILTERS])


def changed_forms(form: Form) -> list[Form]:
    """Right-angle turns, mirrored, inverted, and grey for a model of three channels; ``form`` first."""
    changed = [replace(form, turn=(form.turn + turn) % 360) for turn in (90, 180, 270)]
    changed += [replace(form, mirrored=not form.mirrored), replace(form, inverted=not form.inverted)]
    if form.format and form.format.channels != "grey":
        changed.append(replace(form, grey=not form.grey))
    return _distinct(form, changed)


def _distinct(first: Form, others: list[Form]) -> list[Form]:
    return list(dict.fromkeys((first, *others)))
