"""First operators of a model: the range and channel order of pixels for which they make sense.

Whatever comes before the first learned operator (scaling, normalisation, resizing, clipping, quantization) is run on
constant images of values from each range that pixels may have. In the right range, what reaches the first learned
operator is neither nearly constant, nor far from zero, nor saturated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from blackbox_dft._utils.types import Floats
from blackbox_dft.targets.graph_constants import constant_tensors

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, OperatorSetIdProto, TensorProto

MOVING = (
    *("Cast", "CastLike", "Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Gather", "Slice"),
    *("Split", "Concat", "Pad", "Resize", "Upsample", "Expand", "Tile", "Crop", "CenterCropPad", "Dropout"),
    *("DepthToSpace", "SpaceToDepth", "ReverseSequence"),
)
"""Operators that move pixels and change no value."""
ARITHMETIC = ("Div", "Mul", "Sub", "Add", "Neg", "Sum", "BatchNormalization", "Scaler", "ImageScaler", "Conv")
LIMITING = ("Clip", "Min", "Max", "Round", "Floor", "QuantizeLinear", "DequantizeLinear")
SCALING = ARITHMETIC + LIMITING
"""Operators that change the values of pixels, each alike."""
MEASURING = ("Shape", "Size")
LOWEST_SPREAD = 0.05
"""Difference that the ends of the range have behind the first operators, at least."""
MAX_CENTRE = 1.5
"""How far from zero the middle of the range may be, in units of that difference."""
MIN_LEVELS = 5
"""How many of nine values of the range must stay different."""
SATURATED = 0.02
"""Values differ by less than this share of the range if the first operators clip them."""
OUTSIDE = (-300.0, -5.0, -2.0, 2.0, 5.0, 300.0)
MAX_ELEMENTS = 4096
"""Elements of each tensor that are looked at."""
DEFAULT_SIDE = 224
"""Height and width of the constant images, if the model takes any."""
OPSETS = (17, 12, 9)
"""Tried if the model's own is not known."""
Range = Literal["0..1", "0..255", "-1..1"]
BOUNDS: Mapping[Range, tuple[float, float]] = {"0..1": (0, 1), "0..255": (0, 255), "-1..1": (-1, 1)}
BGR_MEANS = np.array([[103.53, 116.28, 123.675], [93.594, 104.762, 129.186], [91.495, 103.883, 131.091]])
"""Means of ImageNet, VGGFace and VGGFace2 in the order blue, green, red, in 0..255."""
MEANS_TOLERANCE = 1.5


@dataclass(frozen=True)
class FirstOperators:
    """What the operators before the first learned one say of the model's input."""

    range: Range | None = None
    """The range for which they make sense; ``None`` if they do not tell."""
    bgr: bool = False
    """Whether they subtract the means of a well-known data set from channels in the order blue, green, red."""
    scales: bool = False
    """Whether they scale, shift or normalise values, or clip them to ``range``."""
    other_range: bool = False
    """Whether they clip values to a range that is none of the known ones, as a quantized model does."""


def read_first_operators(
    graph: GraphProto,
    name: str,
    shape: Sequence[int | None],
    kind: Any,
    *,
    channel_axis: int,
    opsets: Sequence[OperatorSetIdProto] = (),
    folder: Path | None = None,
) -> FirstOperators:
    """What the first operators on the input ``name`` say of it.

    Args:
        graph: of the model.
        name: of the image input.
        shape: its sides; ``None`` if free.
        kind: its NumPy type.
        channel_axis: which of the sides are the channels.
        opsets: of the model.
        folder: of the file, for weights that are stored beside it.

    >>> from onnx import TensorProto, helper, numpy_helper
    >>> image = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])
    >>> minus = numpy_helper.from_array(np.float32([103.9, 116.8, 123.7]).reshape(3, 1, 1), "means")
    >>> node, end = helper.make_node("Sub", ["x", "means"], ["y"]), helper.make_empty_tensor_value_info("y")
    >>> graph = helper.make_graph([node], "g", [image], [end], [minus])
    >>> read_first_operators(graph, "x", [None, 3, 8, 8], np.float32, channel_axis=1)
    FirstOperators(range='0..255', bgr=True, scales=True, other_range=False)
    """
    part = _first_part(graph, name)
    if part is None:
        return FirstOperators()
    try:
        respond = _open(part, name, shape, kind, channel_axis, opsets, folder)
        # A model with operators or shapes that do not run alone does not tell.
        return _read(respond, channels=shape[channel_axis] or 3, has_arithmetic=part.has_arithmetic)
    except Exception:
        return FirstOperators()


@dataclass(frozen=True, eq=False)
class _FirstPart:
    nodes: list[NodeProto]
    constants: list[TensorProto]
    ends: list[str]
    """Tensors that go into learned operators."""
    scaled: list[str]
    """Tensors of scaled values, on the way there."""

    @property
    def has_arithmetic(self) -> bool:
        return any(node.op_type in ARITHMETIC and set(node.output) & set(self.scaled) for node in self.nodes)


def _first_part(graph: GraphProto, name: str) -> _FirstPart | None:
    """The operators before the first learned ones; ``None`` if they change no value."""
    constants = constant_tensors(graph)
    pixels, unscaled, behind = {name}, {name}, set[str]()
    ends: dict[str, None] = {}
    scaled: list[str] = []
    nodes: list[NodeProto] = []
    extra: dict[str, TensorProto] = {}
    for node in graph.node:
        used = {*filter(None, node.input), *_inner_names(node)}
        if used & behind or (used & pixels and not _is_simple(node, pixels, constants)):
            ends |= dict.fromkeys(one for one in node.input if one in pixels)
            behind |= set(node.output)
            continue
        if node.op_type == "BatchNormalization" and node.input[0] in pixels:
            # Its running mean and variance are those of the data; scale and shift are learned.
            node = _normalisation(node, constants, extra)
            ends[node.output[0]] = None
            behind |= set(node.output)
        elif used & pixels and node.op_type not in MEASURING:
            pixels |= set(node.output)
        if used & pixels and (node.op_type in SCALING or _makes_integers(node)):
            scaled.append(node.output[0])
        elif used & unscaled and node.op_type in MOVING:
            unscaled |= set(node.output)
        nodes.append(node)
    ends |= dict.fromkeys(output.name for output in graph.output if output.name in pixels)
    # A pixel that reaches a learned operator as it came was not scaled before.
    if not scaled or not ends or unscaled & set(ends):
        return None
    needed, kept = {*ends, *scaled}, []
    for node in reversed(nodes):
        if needed & set(node.output):
            needed |= {*node.input, *_inner_names(node)}
            kept.append(node)
    tensors = [tensor for tensor in {**constants, **extra}.values() if tensor.name in needed]
    return _FirstPart(kept[::-1], tensors, list(ends), scaled)


def _inner_names(node: NodeProto) -> Iterator[str]:
    """Tensors that the graphs inside a node (If, Loop) read."""
    for attribute in node.attribute:
        for inner in [attribute.g, *attribute.graphs]:
            for other in inner.node:
                yield from filter(None, other.input)
                yield from _inner_names(other)


def _makes_integers(node: NodeProto) -> bool:
    from onnx import TensorProto

    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
    return node.op_type == "Cast" and any(
        attribute.name == "to" and attribute.i not in floats for attribute in node.attribute
    )


def _is_simple(node: NodeProto, pixels: set[str], constants: Mapping[str, TensorProto]) -> bool:
    touched = [one for one in node.input if one in pixels]
    if node.op_type in MEASURING:
        return True
    if node.op_type not in MOVING + SCALING or (len(touched) != 1 and node.op_type != "Concat"):
        return False
    if node.op_type != "Conv":
        return node.op_type != "BatchNormalization" or touched == [node.input[0]]
    # A convolution that scales or reorders channels: one weight for each.
    weight = constants.get(node.input[1])
    if weight is None or weight.data_location or len(weight.dims) != 4 or weight.dims[0] > 3:
        return False
    if list(weight.dims[2:]) != [1, 1]:
        return False
    from onnx import numpy_helper

    return bool((np.count_nonzero(numpy_helper.to_array(weight), axis=(1, 2, 3)) == 1).all())


def _normalisation(node: NodeProto, constants: Mapping[str, TensorProto], extra: dict[str, TensorProto]) -> NodeProto:
    """A batch normalisation without its learned scale and shift."""
    from onnx import NodeProto, numpy_helper

    plain = NodeProto()
    plain.CopyFrom(node)
    mean = constants.get(node.input[3])
    if mean is not None:
        for place, value in ((1, 1), (2, 0)):
            plain.input[place] = f"bbdft_{value}_{node.output[0]}"
            kind = numpy_helper.to_array(mean).dtype if not mean.data_location else np.float32
            array = np.full(tuple(mean.dims), value, kind)
            extra[plain.input[place]] = numpy_helper.from_array(array, plain.input[place])
    return plain


Respond = Callable[[Any], tuple[Floats, Floats]]
"""Of values of the channels, one for all or one each: elements of the ends, and of scaled values on the way."""


def _open(
    part: _FirstPart,
    name: str,
    shape: Sequence[int | None],
    kind: Any,
    channel_axis: int,
    opsets: Sequence[OperatorSetIdProto],
    folder: Path | None,
) -> Respond:
    """A function that runs the operators on an image of one value."""
    from onnx import ValueInfoProto, helper

    free = [1, *[DEFAULT_SIDE] * 3][-len(shape) :]
    sides = [own or side for own, side in zip(shape, free, strict=True)]
    image = helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), sides)
    names = list(dict.fromkeys([*part.ends, *part.scaled]))
    tensors = [_with_data(tensor, folder) for tensor in part.constants]
    body = helper.make_graph(part.nodes, "first", [image], [ValueInfoProto(name=one) for one in names], tensors)
    session = _session(body, {node.domain for node in part.nodes}, opsets)
    column = [1] * len(sides)
    column[channel_axis] = -1
    chosen: dict[str, Any] = {}

    def respond(values: Any) -> tuple[Floats, Floats]:
        pixels = np.ascontiguousarray(np.broadcast_to(np.asarray(values, kind).reshape(column), sides))
        lines = {}
        for one, array in zip(names, session.run(names, {name: pixels}), strict=True):
            line = np.asarray(array).ravel()
            if one not in chosen:
                rng = np.random.default_rng(0)
                chosen[one] = slice(None) if line.size <= MAX_ELEMENTS else rng.integers(0, line.size, MAX_ELEMENTS)
            lines[one] = line[chosen[one]].astype(np.float64)
        ends, scaled = (np.concatenate([lines[one] for one in which]) for which in (part.ends, part.scaled))
        return ends, scaled

    return respond


def _with_data(tensor: TensorProto, folder: Path | None) -> TensorProto:
    """The tensor, with its data if they are stored beside the model."""
    from onnx.external_data_helper import load_external_data_for_tensor

    if not tensor.data_location:
        return tensor
    loaded = type(tensor)()
    loaded.CopyFrom(tensor)
    load_external_data_for_tensor(loaded, str(folder))
    # ONNX before 1.18 leaves the note of where they were, and then looks there again.
    loaded.ClearField("data_location")
    loaded.ClearField("external_data")
    return loaded


def _session(body: GraphProto, domains: set[str], opsets: Sequence[OperatorSetIdProto]) -> Any:
    import onnxruntime as ort
    from onnx import helper

    settings = ort.SessionOptions()
    settings.intra_op_num_threads, settings.log_severity_level = 1, 4
    # The opset of a graph without a model is the first with which it runs.
    others = [helper.make_opsetid(domain, 3 if domain == "ai.onnx.ml" else 1) for domain in domains if domain]
    tried = [list(opsets)] if opsets else [[helper.make_opsetid("", opset), *others] for opset in OPSETS]
    for number, own in enumerate(tried):
        model = helper.make_model(body, opset_imports=own, ir_version=8)
        try:
            return ort.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
        except Exception:
            if number == len(tried) - 1:
                raise
    return None


def _read(respond: Respond, channels: int, *, has_arithmetic: bool) -> FirstOperators:
    grids = {span: np.linspace(*ends, 9) for span, ends in BOUNDS.items()}
    values = sorted({*OUTSIDE, *np.concatenate(list(grids.values())).tolist()})
    ends, scaled = {}, {}
    for value in values:
        ends[value], way = respond(value)
        scaled[value] = way
    makes_sense = {
        span: _makes_sense(np.stack([ends[value] for value in grid.tolist()])) for span, grid in grids.items()
    }
    clipped = _clipped_range(ends)
    if clipped is not None:
        found: Range | None = clipped
    elif _is_restored(scaled, -1) and not _is_restored(scaled, 0):
        found = "-1..1"
    else:
        found = next((span for span in ("0..1", "0..255", "-1..1") if makes_sense[span]), None)
    other = clipped is None and _same(ends, 5, 300) and _same(ends, -5, -300) and not _same(ends, 5, -5)
    bgr = found is not None and channels == 3 and _is_bgr(respond, BOUNDS[found][1])
    # Factors of 1 scale nothing.
    unchanged = all(np.allclose(np.median(response), value) for value, response in ends.items())
    return FirstOperators(found, bgr, clipped is not None or (has_arithmetic and not unchanged), other)


def _makes_sense(responses: Floats) -> bool:
    """Whether responses ``(9, E)`` to values from one end of a range to the other are of a usual size."""
    if not np.isfinite(responses).all():
        return False
    moving = np.ptp(responses, axis=0) > 0
    # Padding stays as it is.
    if not moving.any():
        return False
    low, high = responses[0, moving], responses[-1, moving]
    spread = np.abs(high - low)
    levels = 1 + np.count_nonzero(np.diff(responses[:, moving], axis=0), axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = np.abs(high + low) / 2 / spread
    return bool(
        np.median(spread) >= LOWEST_SPREAD * (1 - 1e-6)
        and np.median(centre) <= MAX_CENTRE * (1 + 1e-6)
        and np.median(levels) >= MIN_LEVELS
    )


def _same(responses: Mapping[float, Floats], one: float, other: float) -> bool:
    """Whether two values have the same response, compared with the response to the whole range."""
    whole = float(np.abs(responses[300.0] - responses[-300.0]).max())
    return float(np.abs(responses[one] - responses[other]).max()) <= SATURATED * whole


def _clipped_range(responses: Mapping[float, Floats]) -> Range | None:
    """The range that values are clipped to, if it is a known one."""
    if _same(responses, 300, -300) or not _same(responses, -5, -300):
        return None
    if _same(responses, 255, 300) and _same(responses, 0, -5) and not _same(responses, 127.5, 255):
        return "0..255"
    if _same(responses, 1, 300) and _same(responses, 0, -5) and not _same(responses, 0.5, 1):
        return "0..1"
    if _same(responses, 1, 300) and _same(responses, -1, -5) and not _same(responses, -0.5, -1):
        return "-1..1"
    return None


def _is_restored(scaled: Mapping[float, Floats], low: float) -> bool:
    """Whether ``low`` .. 1 becomes 0..1 or 0..255 on the way, as in (x + 1) / 2."""
    bottom, top = scaled[low], scaled[1.0]
    return any(bool(((np.abs(bottom) < 1e-3 * end) & (np.abs(top - end) < 1e-3 * end)).any()) for end in (1, 255))


def _is_bgr(respond: Respond, high: float) -> bool:
    """Whether the values at which the channels become zero are known means in the order blue, green, red."""
    nothing, everything = respond(0.0)[0], respond(high)[0]
    means = []
    for channel in range(3):
        pixel = np.zeros(3)
        pixel[channel] = high
        own = (respond(pixel)[0] != nothing) & (everything != nothing)
        if not own.any():
            return False
        means.append(np.median(-nothing[own] * high / (everything[own] - nothing[own])))
    return bool((np.abs(np.array(means) * 255 / high - BGR_MEANS) < MEANS_TOLERANCE).all(axis=1).any())


def read_layout(graph: GraphProto, name: str) -> tuple[Literal["nchw", "nhwc"] | None, int | None]:
    """The layout and the number of channels that the first convolution behind the input ``name`` takes.

    Either is ``None`` if the graph does not tell.
    """
    constants = constant_tensors(graph)
    pixels = {name}
    for node in graph.node:
        touched = [one for one in node.input if one in pixels]
        if not touched or node.op_type in MEASURING:
            continue
        if node.op_type in ("Conv", "QLinearConv", "ConvInteger") and touched[0] == node.input[0]:
            weight = constants.get(node.input[3 if node.op_type == "QLinearConv" else 1])
            groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
            return "nchw", None if weight is None else int(weight.dims[1] * groups)
        if node.op_type == "Transpose":
            order = next((list(attribute.ints) for attribute in node.attribute if attribute.name == "perm"), [])
            return "nhwc" if order == [0, 3, 1, 2] else None, None
        if node.op_type in MOVING + SCALING:
            pixels |= set(node.output)
    return None, None
