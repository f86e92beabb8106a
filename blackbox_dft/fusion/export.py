"""Exports the change as an ONNX file: alone, image to image, or in front of a model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blackbox_dft._utils.files import write_atomically
from blackbox_dft._utils.types import Floats
from blackbox_dft.errors import InputError
from blackbox_dft.fusion.label_output import LabelOutput, append_labels
from blackbox_dft.fusion.merge import (
    IR_VERSION,
    OPSET,
    check_has_graph,
    image_input,
    merge,
    prepare,
    repeat,
    upgrade_opset,
)
from blackbox_dft.spaces.base import Space
from blackbox_dft.spaces.onnx_builder import OnnxBuilder
from blackbox_dft.spaces.viewed import Viewed
from blackbox_dft.targets.input_format import InputFormat
from blackbox_dft.targets.onnx.loading import load_model
from blackbox_dft.targets.onnx.metadata import TUNING
from blackbox_dft.targets.onnx.runtime_errors import reason

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

INPUT = "image"
"""Name of the input of an exported file: float32 ``(N, 3, H, W)``, RGB in [0, 1]."""
IMAGE_METADATA = {"Image.BitmapPixelFormat": "Rgb8", "Image.NominalPixelRange": "Normalized_0_1"}
"""The same in the words of the ONNX standard; https://github.com/onnx/onnx/blob/main/docs/MetadataProps.md."""


def export_onnx(
    space: Space,
    z: Floats,
    shape: tuple[int, int, int],
    path: str | Path,
    *,
    levels: bool = True,
    views: Floats | None = None,
    made: Mapping[str, Any] | None = None,
) -> None:
    """Writes the change by z as an ONNX file, image to image, both float32 ``(N, 3, H, W)`` RGB in [0, 1].

    Args:
        space: of the change.
        z: ``(k,)``.
        shape: of the images the space was made for, (H, W, 3).
        path: of the file to write.
        levels: round to 8 bits, as the images that the target received.
        views: several changes ``(V, 5 + k)`` in the space ``Viewed``, the first by z alone; the others become outputs
            ``changed_2``, ``changed_3`` and so on.
        made: how the tuning was made, for the metadata of the file.

    Raises:
        InputError: z has another length than the space's, or the file cannot be written.

    >>> from tempfile import TemporaryDirectory
    >>> import onnxruntime
    >>> from blackbox_dft import make_space
    >>> space, image = make_space("color", (8, 8, 3)), np.full((1, 3, 8, 8), 0.2, np.float32)
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "change.onnx")
    ...     export_onnx(space, space.initial(), (8, 8, 3), file)
    ...     (changed,) = onnxruntime.InferenceSession(file).run(None, {"image": image})
    >>> bool(np.allclose(changed, image))
    True
    """
    from onnx import TensorProto, helper

    graph = OnnxBuilder("change")
    others = () if views is None else views[1:]
    changes = [_changed(graph, space, z, levels)]
    changes += [_viewed(graph, Viewed(space, shape), view, levels) for view in others]
    names = ["changed", *(f"changed_{number}" for number in range(2, len(changes) + 1))]
    for changed, name in zip(changes, names, strict=True):
        graph.nodes.append(helper.make_node("Identity", [changed], [name]))
    height, width, depth = shape
    image, *out = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", depth, height, width]) for name in (INPUT, *names)
    )
    body = helper.make_graph(graph.nodes, "bbdft", [image], out, graph.constants)
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(body, opset_imports=[opset], ir_version=IR_VERSION, producer_name="blackbox-dft")
    _say_how_made(model, made)
    _write(model, path)


def fuse_onnx(
    space: Space,
    z: Floats,
    shape: tuple[int, int, int],
    model: str | Path,
    path: str | Path,
    *,
    input_format: InputFormat,
    levels: bool = True,
    labels: LabelOutput | None = None,
    views: Floats | None = None,
    made: Mapping[str, Any] | None = None,
) -> None:
    """Writes ``model`` with the change in front of it: unchanged images in, the model's own outputs out.

    Whatever the input format of the model, the file takes float32 ``(N, 3, H, W)`` RGB in [0, 1] as ``image``; N is
    fixed if the model fixes it. Everything else of the model (names, outputs, metadata of
    anything but the input) stays.

    Args:
        space: of the change.
        z: ``(k,)``.
        shape: of the images the space was made for, (H, W, 3).
        model: the ONNX file of the model.
        path: of the file to write.
        input_format: of the model.
        levels: round to 8 bits, as the images that the target received.
        labels: adds an output with probabilities of the user's labels.
        views: several changes ``(V, 5 + k)`` in the space ``Viewed``, the first by z alone. The model then stands V
            times in the file, with one set of weights; ``labels`` joins all, the other outputs are of the first.
        made: how the tuning was made, for the metadata of the file.

    Raises:
        InputError: not an ONNX model of one image of this size, a model that cannot be merged with the change (too old
            to be converted to its operators, or changed already), or z has another length than the space's.

    >>> from tempfile import TemporaryDirectory
    >>> import onnxruntime
    >>> from blackbox_dft import make_space, make_target
    >>> from blackbox_dft.demo import assets
    >>> model, space = assets() / "digits.onnx", make_space("color", (32, 32, 3))
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "fused.onnx")
    ...     image_format = make_target(str(model)).input_format
    ...     fuse_onnx(space, space.initial(), (32, 32, 3), model, file, input_format=image_format)
    ...     session = onnxruntime.InferenceSession(file)
    >>> session.get_inputs()[0].shape, session.get_outputs()[0].shape
    (['N', 3, 32, 32], ['N', 10])
    """
    from onnx import TensorProto, helper

    model = Path(model)
    proto = upgrade_opset(load_model(model, weights=True), model)
    old = image_input(proto, model)
    sides, batched = _sides(old, shape, input_format, model)

    def prepared(graph: OnnxBuilder, changed: str) -> str:
        image = prepare(graph, changed, input_format, old.type.tensor_type.elem_type)
        return image if batched else graph.op("Squeeze", image, graph.constant(np.array([0], np.int64)))

    graph = OnnxBuilder("bbdft_change")
    image = prepared(graph, _changed(graph, space, z, levels))
    merge(proto, graph, image, [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, sides)], model)
    _describe_input(proto)
    _say_how_made(proto, made)
    if labels:
        nodes, (entry,) = list(proto.graph.node[len(graph.nodes) :]), graph.nodes[-1].output
        outputs: list[Mapping[str, str]] = [{}]
        for number, view in enumerate(() if views is None else views[1:], start=2):
            graph = OnnxBuilder(f"bbdft_view{number}")
            changed = _viewed(graph, Viewed(space, shape), view, levels)
            outputs.append(repeat(proto, nodes, entry, graph, prepared(graph, changed)))
        append_labels(proto, labels, outputs)
    try:
        _write(proto, path)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{model} cannot be merged with the change ({reason(error)}): export it again.") from error


def _describe_input(proto: ModelProto) -> None:
    """Replaces the image metadata of the model, which describes its own input, by that of the fused file's."""
    kept = [entry for entry in proto.metadata_props if not entry.key.lower().startswith("image.")]
    del proto.metadata_props[:]
    proto.metadata_props.extend(kept)
    for key, value in IMAGE_METADATA.items():
        proto.metadata_props.add(key=key, value=value)


def _say_how_made(proto: ModelProto, made: Mapping[str, Any] | None) -> None:
    if made:
        proto.metadata_props.add(key=TUNING, value=json.dumps(dict(made)))


def _sides(
    old: ValueInfoProto, shape: tuple[int, int, int], input_format: InputFormat, model: Path
) -> tuple[list[str | int], bool]:
    """Dimensions of the fused file's input, and whether the model's input has a batch axis."""
    height, width, depth = shape
    dims = old.type.tensor_type.shape.dim
    # Without dimensions, the model does not describe its input.
    batched = len(dims) != 3
    places = slice(-2, None) if input_format.layout == "nchw" else slice(-3, -1)
    expected = [dim.dim_value for dim in dims[places]]
    if any(side not in (0, own) for side, own in zip(expected, (height, width), strict=False)):
        raise InputError(
            f"{model} takes images of {expected[0]}x{expected[1]}, the change was learned on {height}x{width}: "
            "give the model it was learned for."
        )
    batch: str | int = 1
    if batched:
        batch = (dims[0].dim_value or dims[0].dim_param or "N") if dims else "N"
    return [batch, depth, height, width], batched


def _changed(graph: OnnxBuilder, space: Space, z: Floats, levels: bool) -> str:
    """The file's input, changed by the constant z."""
    if np.shape(z) != (space.size,):
        raise InputError(f"z has shape {np.shape(z)}, but the space {space.spec} has {space.size} numbers.")
    check_has_graph(space)
    changed = space.graph(graph, INPUT, graph.constant(np.asarray(z, np.float32)[None]))
    return graph.rounded(changed) if levels else changed


def _viewed(graph: OnnxBuilder, space: Viewed, view: Floats, levels: bool) -> str:
    """The file's input, changed by a constant view."""
    changed = space.constant_graph(graph, INPUT, view)
    return graph.rounded(changed) if levels else changed


def _write(model: ModelProto, path: str | Path) -> None:
    import onnx

    onnx.checker.check_model(model, full_check=True)
    write_atomically(path, lambda file: file.write(model.SerializeToString()))
