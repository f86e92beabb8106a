"""``bbdft inspect``: inputs, outputs, speed and noise of a target."""

from __future__ import annotations

import json
from typing import Any

import click

from blackbox_dft._utils.text import MAX_NAMES, shortened
from blackbox_dft.cli.common_options import options, spending_options, take
from blackbox_dft.cli.confirmation import Consent
from blackbox_dft.run.config import Config
from blackbox_dft.targets.options import TargetOptions


@click.command(short_help="Show inputs, outputs, classes, speed, best batch, noise and rounding of TARGET.")
@click.argument("target")
@click.option("--data", metavar="DATA", help="Images to score; by default smooth random ones.")
@options(Config, "label", "allow_outside")
@options(TargetOptions, but=("cluster",))
@spending_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(
    target: str,
    data: str | None,
    label: str | None,
    allow_outside: bool,
    price: float | None,
    as_json: bool,
    **values: Any,
) -> None:
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
    target_options = take(TargetOptions, values)
    with make_target(target, target_options) as opened:
        images = None
        if data is not None:
            import numpy as np

            from blackbox_dft.data import load

            outside = allow_outside or "://" not in target
            images = load(data, label=label or "", size=opened.image_size, allow_outside=outside, splits=False).images
            # Not the first ones: in a folder of classes all of them are of one class.
            images = images[np.random.default_rng(0).permutation(len(images))[:64]]
        paid = "://" in target or price is not None
        plan = plan_inspection(opened, 64 if images is None else len(images), paid=paid, batch=target_options.batch)
        cost = f", for up to {plan.queries * price:,.2f}" if price is not None else ""
        click.echo(f"scoring up to {plan.queries:,} images{cost}", err=True)
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
        click.echo(json.dumps(found, indent=2))
        return
    width = max(map(len, found))
    for key, value in found.items():
        for line, text in enumerate(_lines(value)):
            click.echo(f"{key.replace('_', ' ') if line == 0 else '':<{width}}  {text}")


def _lines(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [f"{key}: {_short(item)}" for key, item in value.items()] or ["-"]
    # Of a thousand classes only the first are shown.
    few = isinstance(value, list | tuple) and len(value) <= MAX_NAMES
    if few and any(isinstance(item, dict | str) and len(str(item)) > 20 for item in value):
        return [_short(item) for item in value]
    return [_short(value)]


def _short(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_short(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return shortened(map(_short, value)) or "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
