"""A look at a target before it is tuned: what it takes and returns, and which form of images it wants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np

from blackbox_dft._utils.types import ImageBytes, Ints
from blackbox_dft.api.messages import in_python, speaks_python
from blackbox_dft.api.options import Options, configure
from blackbox_dft.data.dataset import load
from blackbox_dft.data.in_memory import ImageOptions, dataset_of, is_named
from blackbox_dft.data.photos import Photos
from blackbox_dft.errors import InputError
from blackbox_dft.fusion.fused_path import fused_path
from blackbox_dft.images.encoding import Encoding
from blackbox_dft.images.fitting import Fitting
from blackbox_dft.objectives.outputs import MEANING, infer_kind, parse_map
from blackbox_dft.run import find_input as finding
from blackbox_dft.run.config import Config
from blackbox_dft.run.find_input import FoundInput
from blackbox_dft.run.sample_accuracy import sample_accuracy
from blackbox_dft.spaces import make_space
from blackbox_dft.targets.inspection import DEFAULT_SIDE, inspect_target, plan_inspection, smooth_images
from blackbox_dft.targets.objects import target_of

SAMPLE = 64
"""Images of the data that are scored."""
FIND_BUDGET = 600
"""Queries of ``find_input`` by default."""
ADVICE = ("advice", "path_note", "provider_note", "notes")
"""Keys whose texts name options."""


@speaks_python
def inspect(target: object, data: object = None, **options: Unpack[Options]) -> dict[str, Any]:
    """What a target takes and returns, how noisy its scores are, and which batch and concurrency are fastest.

    At most 100 images are scored by a URL or a target with a ``price``, else a few thousand.

    >>> from blackbox_dft.demo import assets
    >>> found = inspect(assets() / "digits.onnx", provider="cpu", workers=1)
    >>> found["image_size"], found["scores"]["kind"], found["deterministic"]
    ((32, 32), 'probabilities', True)

    Args:
        target: as for ``optimize``.
        data: images to score, as for ``optimize``; by default smooth random ones.
        options: of the target, and ``price``, ``label``, ``fit``, ``filter``.

    Returns:
        The keys that ``bbdft inspect --json`` prints.

    Raises:
        InputError: the target, the data or an option cannot be used.
        TargetError: the target failed.
    """
    config = configure("", "", dict(options))
    given = target_of(target, config.target_options)
    with given.target as opened:
        images: ImageBytes | None = None
        notes: Sequence[str] = ()
        sampled = None
        if data is not None:
            images, notes, sampled = _sample(data, config, opened.image_size)
        paid = "://" in given.name or config.price is not None
        count = SAMPLE if images is None else len(images)
        queries = plan_inspection(opened, count, paid=paid, batch=config.target_options.batch)
        found, sample = inspect_target(opened, images, queries)
        kind = infer_kind(sample, len(opened.classes) if opened.classes else None)
        shown = smooth_images(2, opened.image_size or (DEFAULT_SIDE, DEFAULT_SIDE)) if images is None else images
        height, width, depth = shown.shape[1:]
        if sampled is not None:
            truth, labels = sampled
            said = sample_accuracy(sample, truth[: len(sample)], labels, opened, kind, parse_map(config.map))
            notes = [*notes, *said.pop("notes", ())]
            found |= said
        path = fused_path(shown, make_space("affine+color+dct:8", (height, width, depth)), opened, Encoding())
    found["path"] = "array" if isinstance(path, str) else "fused"
    found["path_note"] = path if isinstance(path, str) else "the change is written into the model's graph"
    found["scores"] = {"kind": kind, "meaning": MEANING[kind]}
    found["notes"] = [*found.get("notes", ()), *notes]
    for key in ADVICE:
        if isinstance(text := found.get(key), str):
            found[key] = in_python(text)
        elif isinstance(text, list):
            found[key] = [in_python(one) for one in text]
    return found


@speaks_python
def find_input(target: object, data: str, **options: Unpack[Options]) -> FoundInput:
    """Finds out from scores of labelled images which form an ONNX model wants: order, range, mean and std, fit.

    Args:
        target: an ONNX file or session.
        data: labelled images, as ``--data`` takes them; they are read at their own size.
        options: of the target, and ``budget`` (images scored at most, 600 by default), ``label``, ``map``, ``fit``,
            ``filter``, ``seed``.

    Returns:
        ``keywords`` to pass to ``optimize``, and ``lines()``, which say what was compared.

    Raises:
        InputError: not an ONNX model, or images that cannot be used.
    """
    if not is_named(data):
        raise InputError("the form is found from images at their own size: pass the path of a CSV or a folder as data.")
    config = configure("", str(data), dict(options))
    with target_of(target, config.target_options).target as opened:
        return finding.find_input(
            opened,
            config.data,
            budget=options.get("budget", FIND_BUDGET),
            label=config.label,
            map=parse_map(config.map),
            fitting=Fitting(config.fit, config.filter),
            seed=config.seed,
        )


def _sample(
    data: object, config: Config, size: tuple[int, int] | None
) -> tuple[ImageBytes, Sequence[str], tuple[Ints, Sequence[str]]]:
    """Up to 64 images of the data, its notes, and the images' labels; not the first ones, which are of one class."""
    fitting = Fitting(config.fit, config.filter)
    if is_named(data):
        loaded = load(str(data), label=config.label, size=size, splits=False, fitting=fitting)
    else:
        loaded = dataset_of(data, ImageOptions(size, config.label, fitting=fitting, splits=False))
    images = loaded.images
    chosen = np.random.default_rng(0).permutation(len(images))[:SAMPLE]
    some = images.stretched(chosen, images.shape[1:3]) if isinstance(images, Photos) else images[chosen]
    return some, loaded.notes, (loaded.labels[chosen], loaded.classes)
