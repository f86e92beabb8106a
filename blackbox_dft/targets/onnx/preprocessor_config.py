"""Preprocessing configurations of Hugging Face's ``transformers`` and of ``timm``: what images a model wants."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from blackbox_dft.targets.input_format import StatedFormat

FILTERS = {0: "nearest", 1: "Lanczos", 3: "bicubic", 4: "box", 5: "Hamming"}
"""Pillow's numbers of resampling filters, but for the usual one."""


def read_preprocessor(config: Mapping[str, Any], source: str) -> StatedFormat:
    """The input format that ``preprocessor_config.json`` of ``transformers`` describes.

    An image processor computes ``(rescale_factor pixel - image_mean) / image_std`` of pixels in 0..255, each step
    unless its ``do_...`` is false. https://huggingface.co/docs/transformers/main_classes/image_processor

    Raises:
        ValueError, TypeError: an entry is not what it must be.

    >>> stated = read_preprocessor({"image_mean": [0.5], "image_std": [0.5], "size": 224}, "preprocessor_config.json")
    >>> stated.range, stated.mean, stated.size
    ('0..1', (0.5,), (224, 224))
    """
    mean, std = (_numbers(config.get(key)) for key in ("image_mean", "image_std"))
    normalises = config.get("do_normalize", mean is not None or std is not None)
    mean, std = (mean, std) if normalises else (None, None)
    # (scale pixel + shift - mean) / std, of pixels in [0, 1].
    scale = 255 * float(config.get("rescale_factor", 1 / 255)) if config.get("do_rescale", True) else 255.0
    shift = -1.0 if config.get("rescale_offset") and config.get("do_rescale", True) else 0.0
    channels: Any = "bgr" if config.get("do_flip_channel_order") else None
    size, resizing = _size(config)
    # Factors are written with few digits: .00392156862745098.
    scale = float(round(scale)) if math.isclose(scale, round(scale), rel_tol=1e-4) else scale
    known: Any = {(1.0, 0.0): "0..1", (255.0, 0.0): "0..255", (2.0, -1.0): "-1..1"}.get((scale, shift))
    if known is None or (known != "0..1" and (mean or std)):
        mean, std = (
            tuple((m - shift) / scale for m in mean or (0.0,)),
            tuple(s / scale for s in std or (1.0,)),
        )
        known = "0..1"
    return StatedFormat(source, channels=channels, range=known, mean=mean, std=std, size=size, resizing=resizing)


def read_pretrained(config: Mapping[str, Any], source: str) -> StatedFormat:
    """The input format that a ``pretrained_cfg`` of ``timm`` describes.

    Raises:
        ValueError, TypeError: an entry is not what it must be.

    >>> read_pretrained({"input_size": [3, 240, 288], "mean": [0.5], "std": [0.5]}, "config.json").size
    (240, 288)
    """
    mean, std = _numbers(config.get("mean")), _numbers(config.get("std"))
    if max(mean or (0.0,)) > 2 or max(std or (0.0,)) > 2:
        mean, std = (tuple(value / 255 for value in values or (default,)) for values, default in ((mean, 0), (std, 1)))
    sides = config.get("input_size")
    size = (int(sides[-2]), int(sides[-1])) if sides else None
    crop = float(config.get("crop_pct") or 1)
    resizing = f"a centre crop of {crop:g}" if crop < 1 else ""
    kind = str(config.get("interpolation") or "")
    resizing = ", ".join(filter(None, [resizing, f"{kind} resizing" if kind not in ("", "bilinear", "random") else ""]))
    return StatedFormat(source, range="0..1" if mean or std else None, mean=mean, std=std, size=size, resizing=resizing)


def _numbers(value: Any) -> tuple[float, ...] | None:
    if value is None:
        return None
    items = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    numbers = tuple(map(float, items))
    return numbers if all(map(math.isfinite, numbers)) else None


def _size(config: Mapping[str, Any]) -> tuple[tuple[int, int] | None, str]:
    """Height and width of the model's images, and how images are brought to it."""
    resized, crop = (_sides(config.get(key)) for key in ("size", "crop_size"))
    resized = resized if config.get("do_resize", True) else None
    crop = crop if config.get("do_center_crop", crop is not None) else None
    if crop is None and resized and config.get("crop_pct") and config.get("size", {}) == {"shortest_edge": resized[0]}:
        # ConvNeXt resizes to more and crops, except large images.
        crop, larger = resized, round(resized[0] / float(config["crop_pct"]))
        resized = (larger, larger) if resized[0] < 384 else None
    kind = FILTERS.get(config.get("resample", -1))
    cropping = f"a centre crop of {crop[0]}x{crop[1]}" if crop and crop != resized else ""
    if crop and resized and crop != resized:
        cropping += f" out of {max(resized)} pixels"
    return crop or resized, ", ".join(filter(None, [cropping, f"{kind} resizing" if kind else ""]))


def _sides(value: Any) -> tuple[int, int] | None:
    if isinstance(value, Mapping):
        if "height" in value and "width" in value:
            return int(value["height"]), int(value["width"])
        value = value.get("shortest_edge")
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
        # As Pillow has it: width, height.
        return int(value[1]), int(value[0])
    return None if value is None else (int(value), int(value))
