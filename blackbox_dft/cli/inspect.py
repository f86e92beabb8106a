"""``bbdft inspect``: inputs, outputs, speed and noise of a target."""

from __future__ import annotations

from typing import Any

import click

from blackbox_dft.cli.common_options import options, spending_options, take
from blackbox_dft.cli.confirmation import Consent
from blackbox_dft.cli.streams import json_option, print_json, say
from blackbox_dft.run.config import Config
from blackbox_dft.targets.options import TargetOptions


@click.command(short_help="Show inputs, outputs, classes, speed, best batch, noise and rounding of TARGET.")
@click.argument("target")
@click.option("--data", metavar="DATA", help="Images to score; by default smooth random ones.")
@options(Config, "label")
@options(TargetOptions, but=("cluster",))
@spending_options
@json_option("Print JSON, and nothing else, on stdout.")
def inspect(target: str, data: str | None, label: str, price: float | None, as_json: bool, **values: Any) -> None:
    """Show what TARGET takes and returns, how noisy its scores are, and which batch and concurrency are fastest.

    The number of images to score is printed first: at most 100 if TARGET is a URL or a price is given, else a few
    thousand.
    """
    from blackbox_dft.fusion.fused_path import fused_path
    from blackbox_dft.images.encoding import Encoding
    from blackbox_dft.objectives.outputs import MEANING, infer_kind
    from blackbox_dft.spaces import make_space
    from blackbox_dft.targets import make_target
    from blackbox_dft.targets.inspection import DEFAULT_SIDE, inspect_target, plan_inspection, smooth_images

    consent = Consent.take(values)
    with make_target(target, take(TargetOptions, values)) as opened:
        images = None
        if data is not None:
            import numpy as np

            from blackbox_dft.data import load

            images = load(data, label=label, size=opened.image_size).images
            # Not the first ones: in a folder of classes all of them are of one class.
            images = images[np.random.default_rng(0).permutation(len(images))[:64]]
        paid = "://" in target or price is not None
        plan = plan_inspection(opened, 64 if images is None else len(images), paid=paid)
        cost = f", for up to {plan.queries * price:,.2f}" if price is not None else ""
        say(f"scoring up to {plan.queries:,} images{cost}")
        consent.require(target, plan.queries, price, always=True)
        found, sample = inspect_target(opened, images, plan)
        kind = infer_kind(sample, len(opened.classes) if opened.classes else None)
        shown = smooth_images(2, opened.image_size or (DEFAULT_SIDE, DEFAULT_SIDE)) if images is None else images
        space = make_space("affine+color+dct:8", shown.shape[1:])
        path = fused_path(shown, space, opened, Encoding())
        found["path"] = "array" if isinstance(path, str) else "fused"
        found["path_note"] = path if isinstance(path, str) else "the change is written into the model's graph"
        found["scores"] = {"kind": kind, "meaning": MEANING[kind]}
    if as_json:
        print_json(found)
        return
    width = max(map(len, found))
    for key, value in found.items():
        for line, text in enumerate(_lines(value)):
            click.echo(f"{key.replace('_', ' ') if line == 0 else '':<{width}}  {text}")


def _lines(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [f"{key}: {_short(item)}" for key, item in value.items()] or ["-"]
    if isinstance(value, list | tuple) and any(isinstance(item, dict | str) and len(str(item)) > 20 for item in value):
        return [_short(item) for item in value]
    return [_short(value)]


def _short(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_short(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_short, value)) or "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
