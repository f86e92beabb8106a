"""Input format: layout, channel order, range, normalisation and type of a model's image input, given or inferred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from blackbox_dft._utils.types import Array, ImageBytes, Images
from blackbox_dft.errors import InputError
from blackbox_dft.images.encoding import LUMA_WEIGHTS, to_bytes, to_floats
from blackbox_dft.targets.options import TargetOptions

if TYPE_CHECKING:
    from onnx import GraphProto

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
        out = np.empty(moved.shape, np.float32)
        if self.range == "0..1":
            to_floats(moved, out)
        elif moved.dtype == np.uint8:
            np.copyto(out, moved)
        else:
            np.multiply(moved, np.float32(255), out=out)
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


def infer_input_format(
    name: str, shape: Sequence[Any], kind: str, options: TargetOptions, graph: GraphProto | None
) -> tuple[InputFormat, list[str]]:
    """The format of input ``name``, and notes of what was assumed.

    Args:
        name: of the input.
        shape: its sides; anything but an integer is a free side.
        kind: its type as ONNX Runtime names it, such as ``tensor(float)``.
        options: what the user gave; the rest is inferred.
        graph: the model, whose first operators tell whether it expects 0..255; ``None`` if it is not at hand.

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
            f"input {name!r} has {len(shape)} axes {list(shape)}: an image input has 4 (or 3 without batch)."
        )
    sides = [side if isinstance(side, int) else None for side in (shape if batched else [1, *shape])]
    layout = _layout(name, shape, sides, options)
    depth = sides[1] if layout == "nchw" else sides[3]
    height, width = (sides[2], sides[3]) if layout == "nchw" else (sides[1], sides[2])
    channels = options.channels if options.channels != "auto" else "grey" if depth == 1 else "rgb"
    if depth is not None and depth != (1 if channels == "grey" else 3):
        raise InputError(f"input {name!r} has {depth} channels, which is not {channels}: give another --channel-order.")
    size = (height, width) if height and width else None
    if size and options.size and size != options.size:
        raise InputError(f"the model takes images of {height}x{width} only: leave out --size.")
    if options.mean is not None or options.std is not None:
        mean, std = _normalisation(options, 1 if channels == "grey" else 3, notes)
        if options.range not in ("auto", "0..1"):
            raise InputError("--mean and --std are for pixels in [0, 1]: leave out --range.")
        value_range: Any = "0..1"
    else:
        mean = std = None
        value_range = options.range if options.range != "auto" else _range(kind, name, graph, notes)
    image_format = InputFormat(
        layout=layout,
        channels=channels,
        range=value_range,
        mean=mean,
        std=std,
        dtype=DTYPES[kind],
        size=size or options.size,
        batch=sides[0] or None if batched else 1,
        batched=batched,
    )
    return image_format, notes


def _layout(
    name: str, shape: Sequence[Any], sides: list[int | None], options: TargetOptions
) -> Literal["nchw", "nhwc"]:
    first, last = sides[1] in (1, 3), sides[3] in (1, 3)
    if options.layout != "auto":
        if (
            not (first if options.layout == "nchw" else last)
            and sides[1 if options.layout == "nchw" else 3] is not None
        ):
            raise InputError(
                f"input {name!r} has shape {list(shape)}, which is not {options.layout}: leave out --layout."
            )
        return options.layout
    if not first and not last and None not in (sides[1], sides[3]):
        raise InputError(
            f"input {name!r} has shape {list(shape)}, no axis of 1 or 3 channels: give a model of such images."
        )
    if first == last:
        raise InputError(
            f"input {name!r} has shape {list(shape)}, whose channels could be any axis: give --layout nchw or nhwc."
        )
    return "nchw" if first else "nhwc"


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


def _range(kind: str, name: str, graph: GraphProto | None, notes: list[str]) -> Literal["0..1", "0..255"]:
    if kind == "tensor(uint8)":
        return "0..255"
    if graph is not None and _expects_levels(graph, name):
        notes.append("pixels are given as 0..255: the model begins by scaling such values (else give --range)")
        return "0..255"
    notes.append("the model is assumed to expect pixels in 0..1 (else give --range, or --mean and --std)")
    return "0..1"


def _expects_levels(graph: GraphProto, name: str) -> bool:
    """Whether the first arithmetic on the input only makes sense for values in 0..255."""
    from onnx import numpy_helper

    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    tensor = name
    # Type and shape may change first; six such steps are enough for any model seen so far.
    for _ in range(6):
        users = [node for node in graph.node if tensor in node.input]
        if len(users) != 1:
            return False
        node = users[0]
        if node.op_type in ("Cast", "Transpose", "Identity", "Reshape", "Unsqueeze", "Squeeze"):
            tensor = node.output[0]
            continue
        others = [constants[other] for other in node.input if other != tensor and other in constants]
        if node.op_type not in ("Div", "Mul", "Sub", "Add") or len(others) != 1 or others[0].data_location:
            return False
        size = float(np.abs(numpy_helper.to_array(others[0])).mean())
        limits = {"Div": size > 20, "Mul": 0 < size < 0.05, "Sub": size > 2, "Add": size > 2}
        return limits[node.op_type]
    return False
