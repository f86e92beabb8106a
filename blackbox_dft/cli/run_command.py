"""What commands that run a search share: what is said before, the run under watch, the verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from blackbox_dft.run.experiment import Experiment

COMPARED = 64
"""Validation images that half precision is compared with the file on; they cost nothing."""


def opening(experiment: Experiment, price: float | None = None) -> list[str]:
    """What is said before the first query: what was found, what is assumed, what it will cost."""
    about = experiment.target.describe()
    data = experiment.data
    counts = ", ".join(f"{len(indices):,} {split}" for split, indices in data.splits.items())
    shape = "x".join(map(str, experiment.shape[:2]))
    lines = [
        f"target: {experiment.target.name} on {where(experiment)}",
        f"data: {len(data.labels):,} images {shape} ({counts}), labels {', '.join(data.classes)}",
        f"space: {experiment.space.spec}, {experiment.space.size} numbers; estimator: {experiment.estimator_note}",
        *(f"note: {note}" for note in [*about.get("notes", ()), *data.notes]),
        *_precision(experiment),
        f"path: {_path(experiment)}",
        "plan:",
        *experiment.plan.lines(price),
    ]
    if about.get("provider_note"):
        lines.insert(1, f"note: {about['provider_note']}")
    return lines


def _precision(experiment: Experiment) -> list[str]:
    """What half precision does to the scores, where it was asked for."""
    from blackbox_dft.targets.base import GraphTarget

    images = experiment.data.images[experiment.data.splits["val"][:COMPARED]]
    if not isinstance(experiment.target, GraphTarget) or (apart := experiment.target.float16_error(images)) is None:
        return []
    return [f"precision: float16; scores of {len(images)} images are at most {apart:.2g} from the file's own"]


def where(experiment: Experiment) -> str:
    """What the target runs on, in words."""
    if experiment.cluster:
        place = (
            "a Ray cluster begun here"
            if experiment.cluster.address == "local"
            else f"Ray at {experiment.cluster.address}"
        )
        return f"{experiment.cluster.workers} actors of {place}"
    return str(experiment.target.describe().get("provider", "this machine"))


def _path(experiment: Experiment) -> str:
    # A run's own, or the user's, is not tried before it is needed.
    if experiment.config.path != "auto":
        return experiment.config.path
    if isinstance(experiment.path, str):
        return f"array, as {experiment.path}"
    count, stay = len(experiment.data.images), experiment.path.resident
    return "fused" if stay >= count else f"fused; {stay:,} of {count:,} images stay on the device, as more have no room"


def execute(
    experiment: Experiment, out: Path, go: Any, *, quiet: bool, as_json: bool, price: float | None = None
) -> Any:
    """Runs ``go`` under watch, writes the pictures and prints the verdict."""
    from blackbox_dft.cli.progress_bar import kept, watching
    from blackbox_dft.report.figures.pictures import write_pictures
    from blackbox_dft.report.run_report import write_run_report
    from blackbox_dft.report.terminal import verdict_lines

    quiet = quiet or as_json
    if not quiet:
        click.echo("\n".join(opening(experiment, price)), err=True)
    with kept(out), watching(experiment.plan.total, quiet) as progress:
        result = go(progress)
    write_pictures(result, out)
    write_run_report(out, result.data, price=price)
    if as_json:
        click.echo(json.dumps(result.summary, indent=2))
    else:
        click.echo("\n".join(verdict_lines(result.summary, out, price)))
    return result
