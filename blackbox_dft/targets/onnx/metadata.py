"""What an ONNX file, and the files beside it, say of the model: input format and class names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blackbox_dft.targets.class_names import names_of, parse_lines, parse_names, read_literal
from blackbox_dft.targets.input_format import StatedFormat
from blackbox_dft.targets.onnx.preprocessor_config import read_preprocessor, read_pretrained

if TYPE_CHECKING:
    from onnx import ModelProto

PIXEL_FORMATS = {"gray8": "grey", "rgb8": "rgb", "rgba8": "rgb", "bgr8": "bgr", "bgra8": "bgr"}
PIXEL_RANGES: Mapping[str, Mapping[str, Any]] = {
    "nominalrange_0_255": {"range": "0..255"},
    "normalized_0_1": {"range": "0..1"},
    "normalized_1_1": {"range": "-1..1"},
    # 16 + 219 x, of pixels in [0, 1].
    "nominalrange_16_235": {"range": "0..1", "mean": (-16 / 219,), "std": (1 / 219,)},
}
"""Values of the ONNX standard's ``Image.NominalPixelRange``."""
CLASS_KEYS = (
    *("classes", "names", "class_names", "classnames", "labels", "label_names", "classlabels", "class_labels"),
    *("id2label", "label2id", "categories"),
)
PRETRAINED_KEYS = ("input_size", "mean", "std", "crop_pct", "interpolation")
LABEL_FILES = ("labels.txt", "classes.txt", "class_names.txt", "labels.json", "classes.json")
JSON_FILES = ("preprocessor_config.json", "processor_config.json", "config.json", "pretrained_cfg.json")
TUNING = "bbdft_tuning"
"""Key of a file of ``bbdft export``: what was learned, and how, when and on what, as JSON."""
MAPPED_LABELS = "bbdft_labels"
"""Key of a file of ``bbdft export --fuse``: names of its output ``labels``, as JSON; the output too if that name was
taken."""
MAX_SIDE_FILE_BYTES = 8 * 2**20
"""A larger file beside a model is not read."""


def mapped_labels(metadata: Mapping[str, str], outputs: Sequence[str]) -> tuple[str, tuple[str, ...]] | None:
    """The output with probabilities of the user's labels, and their names, of a file of ``bbdft export --fuse``.

    >>> mapped_labels({"bbdft_labels": '["a", "b"]'}, ["scores", "labels"])
    ('labels', ('a', 'b'))
    """
    with suppress(ValueError, TypeError):
        names = json.loads(metadata.get(MAPPED_LABELS, "null"))
        for output in (MAPPED_LABELS, MAPPED_LABELS.removeprefix("bbdft_")):
            if output in outputs and names:
                return output, tuple(map(str, names))
    return None


@dataclass(frozen=True)
class NamedClasses:
    """Names of the scores, and where they stand."""

    source: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class ModelStatements:
    """All that is said of a model, the strongest first."""

    formats: tuple[StatedFormat, ...]
    classes: tuple[NamedClasses, ...]
    notes: tuple[str, ...]
    """Files that could not be read."""


def read_statements(model: ModelProto, path: Path) -> ModelStatements:
    """What the metadata of ``model`` from the file ``path``, and the files beside it, say of its input and classes.

    In the file: the image metadata of the ONNX standard
    (https://github.com/onnx/onnx/blob/main/docs/MetadataProps.md), Ultralytics' ``names`` and ``imgsz``, timm's
    ``pretrained_cfg``, class names under a few other keys. Beside it: ``preprocessor_config.json`` and ``config.json``
    of Hugging Face and timm, ``labels.txt``, and files that begin with the model's own name.

    >>> from blackbox_dft.demo import assets
    >>> from blackbox_dft.targets.onnx.loading import load_model
    >>> path = assets() / "digits.onnx"
    >>> read_statements(load_model(path, weights=False), path).classes[0].names[:3]
    ('0', '1', '2')
    """
    meta = {entry.key.lower(): entry.value for entry in reversed(model.metadata_props)}
    formats = [*_image_metadata(model, meta), *_training_metadata(meta)]
    classes, notes = [], []
    for key in CLASS_KEYS:
        names = parse_names(meta[key]) if key in meta else None
        # One word alone is something else, except under the key that was always read so.
        if names and (key == "classes" or len(names) > 1):
            classes.append(NamedClasses("the file", names))
    for file in _side_files(path):
        try:
            said, named = _read_side_file(file)
        except (OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
            notes.append(f"{file.name} beside the model cannot be read, so it is ignored")
            continue
        formats += said
        classes += [NamedClasses(file.name, names) for names in named if names]
    return ModelStatements(tuple(formats), tuple(classes), tuple(notes))


def _image_metadata(model: ModelProto, meta: Mapping[str, str]) -> Iterator[StatedFormat]:
    """The image metadata of the ONNX standard, and its denotations of axes."""
    channels = PIXEL_FORMATS.get(meta.get("image.bitmappixelformat", "").strip().lower())
    values = PIXEL_RANGES.get(meta.get("image.nominalpixelrange", "").strip().lower(), {})
    axes = [dim.denotation for dim in model.graph.input[0].type.tensor_type.shape.dim] if model.graph.input else []
    layout: Any = None
    if axes.count("DATA_CHANNEL") == 1 and len(axes) > 1:
        layout = "nhwc" if axes[-1] == "DATA_CHANNEL" else "nchw"
    linear = meta.get("image.colorspacegamma", "").strip().lower() == "linear"
    remark = "the file asks for linear light (Image.ColorSpaceGamma), but pixels are given in sRGB" if linear else ""
    if channels or values or layout or remark:
        named: Any = {"channels": channels, "layout": layout, "remark": remark, **values}
        yield StatedFormat("the file's image metadata", about_input=True, **named)


def _training_metadata(meta: Mapping[str, str]) -> Iterator[StatedFormat]:
    """What timm and Ultralytics write into a file."""
    table = {key: read_literal(text) for key, text in meta.items()}
    for key, read in (
        ("preprocessor_config", read_preprocessor),
        ("pretrained_cfg", read_pretrained),
        ("", read_pretrained),
    ):
        config = table.get(key) if key else {name: table.get(name) for name in PRETRAINED_KEYS}
        # Under keys of its own, a mean alone may be one of anything.
        if isinstance(config, dict) and (key or (config["mean"] and config["std"]) or config["input_size"]):
            with suppress(ValueError, TypeError, LookupError, AttributeError, ArithmeticError):
                yield read(config, f"the file's {key or 'metadata'}")
    if sides := table.get("imgsz"):
        with suppress(ValueError, TypeError, LookupError):
            height, width = (sides, sides) if isinstance(sides, int) else (int(sides[0]), int(sides[-1]))
            yield StatedFormat("the file's imgsz", size=(height, width))


def _side_files(path: Path) -> Iterator[Path]:
    """Files beside the model that may describe it; exports of ``transformers.js`` have them a folder above."""
    own = (f"{path.stem}.json", f"{path.stem}.labels.txt", f"{path.stem}_labels.txt", f"{path.stem}-labels.txt")
    folders = [path.parent, path.parent.parent] if path.parent.name == "onnx" else [path.parent]
    for folder in folders:
        for name in dict.fromkeys((*own, *JSON_FILES, *LABEL_FILES)):
            file = folder / name
            with suppress(OSError):
                if file.is_file() and file.stat().st_size <= MAX_SIDE_FILE_BYTES:
                    yield file


def _read_side_file(file: Path) -> tuple[list[StatedFormat], list[tuple[str, ...] | None]]:
    """Input formats and class names in a file beside the model."""
    text = file.read_text(encoding="utf-8-sig")
    if file.suffix == ".txt":
        return [], [parse_lines(text)]
    content = json.loads(text)
    if isinstance(content, list) or file.name in LABEL_FILES:
        return [], [names_of(content)]
    formats = []
    processor = content.get("image_processor", content)
    if {"image_mean", "image_std", "do_rescale", "do_normalize", "crop_size"} & set(processor):
        formats.append(read_preprocessor(processor, file.name))
    pretrained = content.get("pretrained_cfg", content)
    if {"mean", "std", "input_size"} & set(pretrained):
        formats.append(read_pretrained(pretrained, file.name))
    if "model_type" in content and (sides := content.get("image_size")):
        height, width = (sides, sides) if isinstance(sides, int) else map(int, sides)
        formats.append(StatedFormat(file.name, size=(int(height), int(width))))
    return formats, [names_of(content[key]) for key in ("id2label", "label2id", "label_names") if key in content]
