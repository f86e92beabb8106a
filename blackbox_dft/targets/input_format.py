"""Input format: layout, channel order, range, normalisation and type of a model's image input, given or inferred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from blackbox_dft._utils.types import Array, ImageBytes, Images
from blackbox_dft.errors import InputError
from blackbox_dft.images.encoding import LUMA_WEIGHTS, to_bytes, to_floats
from blackbox_dft.spaces.scratch import scratch_of_thread
from blackbox_dft.targets.first_operators import FirstOperators, read_first_operators, read_layout
from blackbox_dft.targets.options import TargetOptions

if TYPE_CHECKING:
    from onnx import GraphProto, OperatorSetIdProto

DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
}


@dataclass(frozen=True)
class InputFormat:
    """The format of a model's image input.

    >>> image_format = InputFormat("nchw", "bgr", "0..255", None, None, "float32", (1, 1), None)
    >>> image_format.prepare(np.array([[[[10, 20, 30]]]], np.uint8)).ravel()
    array([30., 20., 10.], dtype=float32)
    """

    layout: Literal["nchw", "nhwc"]
    channels: Literal["rgb", "bgr", "grey"]
    range: Literal["0..1", "0..255", "-1..1"]
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    dtype: str
    size: tuple[int, int] | None
    """(height, width); ``None`` if the model takes any and the user gave none."""
    batch: int | None
    """Images of every call; ``None`` if the model takes any number."""
    batched: bool = True
    """Whether the input has a batch axis."""

    @property
    def identity(self) -> str:
        """Part of a target's fingerprint: stays as it is, also if the class or a field is renamed."""
        parts = ("layout", "channels", "range", "mean", "std", "dtype", "size", "batch", "batched")
        return f"InputForm({', '.join(f'{name}={getattr(self, name)!r}' for name in parts)})"

    def prepare(self, images: ImageBytes | Images) -> Array:
        """Converts images ``(N, H, W, 3)`` RGB, uint8 or float32 in [0, 1], to the model's input ``(N, ...)``.

        An 8-bit image and the same image divided by 255 give the same bits.
        """
        moved = images[..., ::-1] if self.channels == "bgr" else images
        if self.channels == "grey":
            floats, (red, green, blue) = to_floats(images), LUMA_WEIGHTS
            moved = floats[..., :1] * red + floats[..., 1:2] * green + floats[..., 2:] * blue
        if self.layout == "nchw":
            moved = moved.transpose(0, 3, 1, 2)
        if self.dtype == "uint8":
            return np.ascontiguousarray(to_bytes(moved))
        if self.layout == "nchw" and moved.dtype == np.uint8:
            with scratch_of_thread() as scratch:
                return self._converted(_planes(images, self.channels, scratch(moved.shape, np.uint8)))
        return self._converted(moved)

    def _converted(self, moved: Array) -> Array:
        """Values of the model's range and type, from bytes or from floats in [0, 1]."""
        out = np.empty(moved.shape, np.float32)
        if moved.dtype != np.uint8 and self.range != "0..1":
            np.multiply(moved, np.float32(255), out=out)
        else:
            np.copyto(out, moved)
        if moved.dtype == np.uint8 and self.range == "0..1":
            out /= np.float32(255)
        if self.range == "-1..1":
            out *= np.float32(2 / 255)
            out -= 1
        if self.mean is not None:
            out -= self._each(self.mean)
        if self.std is not None:
            out /= self._each(self.std)
        return out if self.dtype == "float32" else out.astype(self.dtype)

    def _each(self, values: tuple[float, ...]) -> Array:
        column = np.array(values, np.float32)
        return column[:, None, None] if self.layout == "nchw" else column


def _planes(images: Array, channels: str, out: Array) -> Array:
    """Bytes ``(N, H, W, 3)`` to ``out (N, 3, H, W)``; numpy would read a transposed view pixel by pixel."""
    import cv2

    for image, own in zip(images, out, strict=True):
        cv2.split(image, list(own[::-1] if channels == "bgr" else own))
    return out


@dataclass(frozen=True)
class StatedFormat:
    """What a model's file, or a file beside it, says of the model's input; ``None`` for what it does not say."""

    source: str
    """Where it stands, for notes."""
    layout: Literal["nchw", "nhwc"] | None = None
    channels: Literal["rgb", "bgr", "grey"] | None = None
    range: Literal["0..1", "0..255", "-1..1"] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: tuple[int, int] | None = None
    resizing: str = ""
    """How images were brought to the size, in words."""
    remark: str = ""
    about_input: bool = False
    """Whether it describes the model's input itself, and not images before a preprocessing that may be in the graph."""


def infer_input_format(
    name: str,
    shape: Sequence[Any],
    kind: str,
    options: TargetOptions,
    graph: GraphProto | None,
    stated: Sequence[StatedFormat] = (),
    *,
    opsets: Sequence[OperatorSetIdProto] = (),
    folder: Path | None = None,
) -> tuple[InputFormat, list[str]]:
    """The format of input ``name``, and notes of what was assumed.

    Options come first, then what is said of the input itself, then what the model's first operators show, then what is
    said of the images that the model was trained on.

    Args:
        name: of the input.
        shape: its sides; anything but an integer is a free side.
        kind: its type as ONNX Runtime names it, such as ``tensor(float)``.
        options: what the user gave; the rest is inferred.
        graph: the model, whose first operators show which range it expects; ``None`` if it is not at hand.
        stated: what its file and the files beside it say, the strongest first.
        opsets: of the model.
        folder: of the model's file, for weights that are stored beside it.

    Raises:
        InputError: not an image, or ambiguous; names the option to give.

    >>> image_format, notes = infer_input_format("x", ["N", 8, 8, 3], "tensor(uint8)", TargetOptions(), None)
    >>> image_format.layout, image_format.range, image_format.size, notes
    ('nhwc', '0..255', (8, 8), [])
    """
    notes: list[str] = []
    if kind not in DTYPES:
        raise InputError(f"input {name!r} takes {kind}: give a model of float32, float16, float64 or uint8 images.")
    batched = len(shape) == 4
    if len(shape) not in (3, 4):
        raise InputError(
            f"input {name!r} has {len(shape)} axes {list(shape)}: an image input has 4 (or 3 without batch): "
            "call it from a Python function that takes images, module:function."
        )
    sides = [side if isinstance(side, int) and side > 0 else None for side in (shape if batched else [1, *shape])]
    layout, depth = _layout(name, shape, sides, options, graph, stated)
    height, width = (sides[2], sides[3]) if layout == "nchw" else (sides[1], sides[2])
    first = FirstOperators()
    given = options.channels != "auto" and (options.range, options.mean, options.std) != ("auto", None, None)
    if graph is not None and kind != "tensor(uint8)" and not given:
        known = [*sides]
        known[1 if layout == "nchw" else 3] = depth or 3
        if not (height and width):
            free = options.size or _stated_size(stated) or (None, None)
            known[2 if layout == "nchw" else 1], known[3 if layout == "nchw" else 2] = (
                height or free[0],
                width or free[1],
            )
        axis = (1 if layout == "nchw" else 3) - (not batched)
        first = read_first_operators(
            graph, name, known if batched else known[1:], DTYPES[kind], channel_axis=axis, opsets=opsets, folder=folder
        )
    channels = _channels(depth, options, stated, first, notes)
    if depth is not None and depth != (1 if channels == "grey" else 3):
        raise InputError(f"input {name!r} has {depth} channels, which is not {channels}: give another --channel-order.")
    size = (height, width) if height and width else None
    if size and options.size and size != options.size:
        raise InputError(f"the model takes images of {height}x{width} only: leave out --size.")
    value_range, mean, std = _values(kind, channels, options, stated, first, notes)
    if size is None:
        size = options.size or _stated_size(stated, notes)
    for one in stated:
        if one.remark:
            notes.append(one.remark)
        if one.resizing and size is not None and size == one.size:
            notes.append(
                f"{one.source} says {one.resizing}: images of another size are brought to {size[0]}x{size[1]} as --fit "
                "and --filter say"
            )
    image_format = InputFormat(
        layout=layout,
        channels=channels,
        range=value_range,
        mean=mean,
        std=std,
        dtype=DTYPES[kind],
        size=size,
        batch=sides[0] if batched else 1,
        batched=batched,
    )
    return image_format, notes


def _stated_size(stated: Sequence[StatedFormat], notes: list[str] | None = None) -> tuple[int, int] | None:
    for one in stated:
        if one.size and min(one.size) > 0:
            if notes is not None:
                notes.append(
                    f"images are resized to {one.size[0]}x{one.size[1]}, as {one.source} says (else give --size)"
                )
            return one.size
    return None


def _channels(
    depth: int | None,
    options: TargetOptions,
    stated: Sequence[StatedFormat],
    first: FirstOperators,
    notes: list[str],
) -> Literal["rgb", "bgr", "grey"]:
    if options.channels != "auto":
        return options.channels
    if depth == 1:
        return "grey"
    for one in stated:
        if one.channels == "grey" and depth is not None:
            notes.append(f"{one.source} says grey pixels, but the model takes {depth} channels: RGB is given")
        elif one.channels is not None:
            if one.channels != "rgb":
                notes.append(f"channels are given as {one.channels}, as {one.source} says (else give --channel-order)")
            return one.channels
    if first.bgr:
        notes.append(
            "channels are given as bgr: the model begins by subtracting the means of blue, green and red in this order "
            "(else give --channel-order)"
        )
        return "bgr"
    return "rgb"


Values = tuple[Literal["0..1", "0..255", "-1..1"], tuple[float, ...] | None, tuple[float, ...] | None]
"""Range, mean and std."""


def _values(
    kind: str,
    channels: str,
    options: TargetOptions,
    stated: Sequence[StatedFormat],
    first: FirstOperators,
    notes: list[str],
) -> Values:
    """What values the pixels have."""
    count = 1 if channels == "grey" else 3
    if options.mean is not None or options.std is not None:
        if kind == "tensor(uint8)":
            raise InputError(
                "--mean and --std are for models that take floats, and this one takes bytes: leave them out."
            )
        mean, std = _normalisation(options, count, notes)
        if options.range not in ("auto", "0..1"):
            raise InputError("--mean and --std are for pixels in [0, 1]: leave out --range.")
        return "0..1", mean, std
    if options.range != "auto":
        return options.range, None, None
    if kind == "tensor(uint8)":
        return "0..255", None, None
    usable = [one for one in stated if one.range and _fits(one, count, notes)]
    of_input = next((one for one in usable if one.about_input), None)
    of_training = next((one for one in usable if not one.about_input), None)
    if of_input is None and first.range is not None and (first.scales or of_training is None):
        if of_training is not None and (of_training.range != first.range or of_training.mean or of_training.std):
            notes.append(f"the values that {of_training.source} says are left out, as the model scales pixels itself")
        if first.range != "0..1":
            notes.append(
                f"pixels are given as {first.range}: the model begins by scaling such values (else give --range)"
            )
            return first.range, None, None
    elif (one := of_input or of_training) is not None:
        mean, std = _of_channels(one.mean, count), _of_channels(one.std, count)
        normalised = "".join(
            f", {name} {','.join(f'{value:.3g}' for value in values)}"
            for name, values in (("mean", mean), ("std", std))
            if values
        )
        notes.append(
            f"pixels are given as {one.range}{normalised}, as {one.source} says "
            "(else give --range, or --mean and --std)"
        )
        assert one.range
        return one.range, mean, std
    if first.other_range:
        notes.append(
            "the model clips its input to a range that is neither 0..1, nor 0..255, nor -1..1: it may want normalised "
            "pixels (give --mean and --std)"
        )
    notes.append("the model is assumed to expect pixels in 0..1 (else give --range, or --mean and --std)")
    return "0..1", None, None


def _fits(stated: StatedFormat, count: int, notes: list[str]) -> bool:
    """Whether mean and std can be used for ``count`` channels."""
    lists = [values for values in (stated.mean, stated.std) if values is not None]
    fits = all(len(values) in (1, count) or len(set(values)) == 1 for values in lists)
    fits = fits and all(np.isfinite(values).all() for values in lists) and min(stated.std or (1.0,)) > 0
    if not fits:
        notes.append(f"mean and std that {stated.source} says do not fit {count} channels, so they are ignored")
    return fits


def _of_channels(values: tuple[float, ...] | None, count: int) -> tuple[float, ...] | None:
    return values if values is None or len(values) in (1, count) else values[:1]


CHANNEL_NAMES = ("num_channels", "channels", "channel", "c")
HEIGHT_NAMES = ("height", "h", "image_height", "img_height")


def _layout(
    name: str,
    shape: Sequence[Any],
    sides: list[int | None],
    options: TargetOptions,
    graph: GraphProto | None,
    stated: Sequence[StatedFormat],
) -> tuple[Literal["nchw", "nhwc"], int | None]:
    """The layout, and the number of channels if it is known."""
    first, last = sides[1] in (1, 3), sides[3] in (1, 3)
    if options.layout != "auto":
        if (
            not (first if options.layout == "nchw" else last)
            and sides[1 if options.layout == "nchw" else 3] is not None
        ):
            raise InputError(
                f"input {name!r} has shape {list(shape)}, which is not {options.layout}: leave out --layout."
            )
        return options.layout, sides[1 if options.layout == "nchw" else 3]
    if not first and not last and None not in (sides[1], sides[3]):
        raise InputError(
            f"input {name!r} has shape {list(shape)}, no axis of 1 or 3 channels: give a model of such images."
        )
    if first != last:
        return ("nchw", sides[1]) if first else ("nhwc", sides[3])
    layout = next((one.layout for one in stated if one.layout), None) or _named_layout(shape)
    in_graph, depth = read_layout(graph, name) if graph is not None else (None, None)
    layout = layout or in_graph
    if layout is None:
        grey = "; if it takes grey images without that axis, call it from a Python function, module:function"
        raise InputError(
            f"input {name!r} has shape {list(shape)}, whose channels could be any axis: give --layout nchw or nhwc"
            f"{grey if len(shape) == 3 else ''}."
        )
    own = sides[1 if layout == "nchw" else 3]
    return layout, own or (depth if depth in (1, 3) and layout == in_graph else None)


def _named_layout(shape: Sequence[Any]) -> Literal["nchw", "nhwc"] | None:
    """The layout, from the names of free sides."""
    names = [side.lower() if isinstance(side, str) else "" for side in shape[-3:]]
    if names[0] in CHANNEL_NAMES or names[1] in HEIGHT_NAMES:
        return "nchw"
    return "nhwc" if names[2] in CHANNEL_NAMES or names[0] in HEIGHT_NAMES else None


def _normalisation(
    options: TargetOptions, channels: int, notes: list[str]
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    checked = []
    for flag, values in (("--mean", options.mean), ("--std", options.std)):
        if values is not None and len(values) not in (1, channels):
            raise InputError(
                f"{flag} has {len(values)} numbers: give {channels}, one for each channel, or one for all."
            )
        if values is not None and not np.isfinite(values).all():
            raise InputError(f"{flag} contains a value that is not finite: give {channels} numbers.")
        checked.append(values)
    mean, std = checked
    if std is not None and min(std) <= 0:
        raise InputError("--std must be above 0 in every channel.")
    if max(np.abs(mean or (0.0,))) > 2 or min(std or (1.0,)) > 2:
        notes.append("--mean and --std are read as in units of 0..255")
        mean = None if mean is None else tuple(value / 255 for value in mean)
        std = None if std is None else tuple(value / 255 for value in std)
    return mean, std
