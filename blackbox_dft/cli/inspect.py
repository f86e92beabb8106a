"""``bbdft inspect``: what a target takes, answers and can do."""

from __future__ import annotations

import json
from typing import Any

import click

from blackbox_dft.cli.options import make_options, target_options


@click.command(short_help="Show inputs, outputs, classes, layout, provider, best batch, noise of TARGET.")
@click.argument("target")
@click.option("--data", metavar="DATA", help="Images to ask it about; without, smooth random ones.")
@target_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(target: str, data: str | None, as_json: bool, **values: Any) -> None:
    """Show inputs, outputs, classes, layout, provider in use, best batch, throughput, noise and rounding of TARGET.

    Scores a few hundred images.
    """
    from blackbox_dft.reading import MEANING, infer_kind
    from blackbox_dft.targets import make_target
    from blackbox_dft.targets.inspect import inspect_target

    with make_target(target, make_options(values)) as opened:
        images = None
        if data is not None:
            from blackbox_dft.data import load

            images = load(data, size=opened.image_size).images[:64]
        found, sample = inspect_target(opened, images)
        kind = infer_kind(sample, len(opened.classes) if opened.classes else None)
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
