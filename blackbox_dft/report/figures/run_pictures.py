"""Pictures in the page of a run: galleries of images before and after, and the change itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from blackbox_dft._utils.text import in_memory
from blackbox_dft._utils.types import ImageBytes
from blackbox_dft.data import Dataset, load
from blackbox_dft.data.photos import Photos
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.errors import InputError
from blackbox_dft.images.sample_card import card
from blackbox_dft.objectives.losses import decide, lacks_score
from blackbox_dft.report import breakdown, change
from blackbox_dft.report.figures.before_after import before_and_after
from blackbox_dft.report.figures.thumbnails import magnified_difference, thumbnail
from blackbox_dft.run.config import Config
from blackbox_dft.run.predictions import Predictions
from blackbox_dft.run.provenance import public

MAX_MENDED, MAX_TYPICAL = 6, 3
"""Images shown of those mended (and as many broken), and of the typical ones."""


def images(
    config: Config, tuning: Tuning, predictions: Predictions, data: Dataset | None
) -> tuple[ImageBytes | Photos | None, str]:
    """The test images ``(N, H, W, C)``, or the photos, or None and the reason in words."""
    if data is None and in_memory(config.data):
        return None, f"They were given from Python ({config.data}), and are not kept."
    try:
        loaded = data or load(
            config.data,
            label=config.label,
            size=tuning.shape[:2],
            skip_bad=config.skip_bad,
            seed=config.seed,
            fitting=tuning.fitting,
        )
    except InputError as error:
        return None, str(error)
    positions = {name: number for number, name in enumerate(loaded.files)}
    if any(name not in positions for name in predictions.files):
        return None, f"{public(config.data)} no longer has all images."
    chosen, every = np.array([positions[name] for name in predictions.files], np.int64), loaded.images
    return every.subset(chosen) if isinstance(every, Photos) else every[chosen], ""


def galleries(predictions: Predictions, tuning: Tuning, images: ImageBytes | Photos) -> list[dict[str, Any]]:
    """Mended, broken and typical ones of the N test images, with the model's decisions."""
    chosen = breakdown.chosen_images(predictions, MAX_MENDED, MAX_TYPICAL)
    every = np.concatenate(list(chosen.values()))
    if not len(every):
        return []
    before, changed = before_and_after(images, every, tuning)
    magnified, factor = magnified_difference(before, changed)
    said = [(breakdown.decided_names(predictions.classes, p), p) for p in (predictions.before, predictions.after)]
    titles = {"mended": "Mended", "broken": "Broken", "typical": "Typical"}
    galleries = []
    start = 0
    right = [decide(p) == predictions.labels for p in (predictions.before, predictions.after)]
    total = {"mended": int((~right[0] & right[1]).sum()), "broken": int((right[0] & ~right[1]).sum()), "typical": 0}
    for kind, indices in chosen.items():
        cells = []
        for place, number in enumerate(indices.tolist(), start):
            captions = [
                (
                    names[number],
                    "" if bool(lacks_score(p[number : number + 1])) else f"{p[number].max():.2f}",
                    names[number] == predictions.classes[predictions.labels[number]],
                )
                for names, p in said
            ]
            cells.append(
                {
                    "file": predictions.files[number],
                    "truth": predictions.classes[predictions.labels[number]],
                    "before": thumbnail(before[place]),
                    "after": thumbnail(changed[place]),
                    "difference": thumbnail(magnified[place]),
                    "said": captions,
                }
            )
        start += len(indices)
        galleries.append({"title": titles[kind], "kind": kind, "total": total[kind], "cells": cells, "factor": factor})
    return galleries


def pictures(tuning: Tuning) -> list[dict[str, Any]]:
    """What is added to grey, and the whole change on a test card."""
    shown = []
    grey = change.field(tuning)
    if grey is not None:
        flat = np.full_like(grey, 128)
        magnified, factor = magnified_difference(flat[None], grey[None])
        largest = int(np.abs(grey.astype(int) - 128).max())
        shown.append(
            {
                "title": f"What is added, × {factor}",
                "note": f"Grey is no change. The largest is {largest} of 255 levels.",
                "images": [("the perturbation", thumbnail(magnified[0]))],
            }
        )
    shown_card = card(tuning.shape)
    changed = tuning(shown_card[None])[0]
    shown.append(
        {
            "title": "The whole change on a test card",
            "note": "Grey steps, a ramp, colours and a raster, as any image is changed.",
            "images": [("before", thumbnail(shown_card)), ("after", thumbnail(changed))],
        }
    )
    return shown
