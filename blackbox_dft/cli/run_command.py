"""What commands that run a search share: what is said before, the run under watch, the verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from blackbox_dft.run.experiment import Job

COMPARED = 64
"""Validation images that half precision is compared with the file on; they cost nothing."""


def opening(job: Job, price: float | None = None) -> list[str]:
    """What is said before the first query: what was found, what is assumed, what it will cost."""
    about = job.target.describe()
    data = job.data
    counts = ", ".join(f"{len(indices):,} {split}" for split, indices in data.splits.items())
    shape = "x".join(map(str, job.shape[:2]))
    lines = [
        f"target: {job.target.name} on {where(job)}",
        f"data: {len(data.labels):,} images {shape} ({counts}), labels {', '.join(data.classes)}",
        f"space: {job.space.spec}, {job.space.size} numbers; estimator: {job.estimator_note}",
        *(f"note: {note}" for note in [*about.get("notes", ()), *data.notes]),
        *_precision(job),
        f"path: {_path(job)}",
        "plan:",
        *job.plan.lines(price),
    ]
    if about.get("provider_note"):
        lines.insert(1, f"note: {about['provider_note']}")
    return lines


def _precision(job: Job) -> list[str]:
    """What half precision does to the scores, where it was asked for."""
    from blackbox_dft.targets.base import Graphic

    images = job.data.images[job.data.splits["val"][:COMPARED]]
    if not isinstance(job.target, Graphic) or (apart := job.target.coarsened(images)) is None:
        return []
    return [f"precision: float16; scores of {len(images)} images are at most {apart:.2g} from the file's own"]


def where(job: Job) -> str:
    """What the target runs on, in words."""
    if job.cluster:
        place = "a Ray cluster begun here" if job.cluster.address == "local" else f"Ray at {job.cluster.address}"
        return f"{job.cluster.workers} actors of {place}"
    return str(job.target.describe().get("provider", "this machine"))


def _path(job: Job) -> str:
    # A run's own, or the user's, is not tried before it is needed.
    if job.config.path != "auto":
        return job.config.path
    if isinstance(job.path, str):
        return f"array, as {job.path}"
    count, stay = len(job.data.images), job.path.resident
    return "fused" if stay >= count else f"fused; {stay:,} of {count:,} images stay on the device, as more have no room"


def execute(job: Job, out: Path, go: Any, *, quiet: bool, as_json: bool, price: float | None = None) -> Any:
    """Runs ``go`` under watch, writes the pictures and prints the verdict."""
    from blackbox_dft.cli.progress_bar import kept, watching
    from blackbox_dft.report.figures.pictures import write_pictures
    from blackbox_dft.report.run_report import write_run_report
    from blackbox_dft.report.terminal import verdict_lines

    quiet = quiet or as_json
    if not quiet:
        click.echo("\n".join(opening(job, price)), err=True)
    with kept(out), watching(job.plan.total, quiet) as progress:
        result = go(progress)
    write_pictures(result, out)
    write_run_report(out, result.data, price=price)
    if as_json:
        click.echo(json.dumps(result.summary, indent=2))
    else:
        click.echo("\n".join(verdict_lines(result.summary, out, price)))
    return result
