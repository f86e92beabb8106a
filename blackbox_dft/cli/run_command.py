"""What commands that run a search share: the opening lines, the run with its progress, the verdict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from blackbox_dft._utils.text import duration, shortened
from blackbox_dft.cli.found_options import sources
from blackbox_dft.cli.streams import print_json, say, show

if TYPE_CHECKING:
    from blackbox_dft.cli.confirmation import Consent
    from blackbox_dft.run.experiment import Experiment
    from blackbox_dft.run.result import Result
    from blackbox_dft.search.progress import Progress

PRECISION_IMAGES = 64
"""Validation images on which half precision is compared with the file; they cost nothing."""

OWN_SECONDS = 0.0001
"""Of a run for each query, beside the model and the change of images: 41 to 97 µs on a quiet machine, 115 to 129 on a
very busy one (``benchmarks/speed/own_thread.py``, docs/explanation/performance.md)."""


def opening(experiment: Experiment) -> list[str]:
    """The lines printed before the first query: target, data, assumptions, plan and cost."""
    about = experiment.target.describe()
    data = experiment.data
    counts = ", ".join(f"{len(indices):,} {split}" for split, indices in data.splits.items())
    keeps = data.fitting.keeps_sizes
    shape = "of any size" if keeps else "x".join(map(str, experiment.shape[:2]))
    lines = [
        f"target: {experiment.target.name} on {place_of(experiment)}",
        f"data: {len(data.labels):,} images {shape} ({counts}), labels {shortened(data.classes)}",
        f"space: {experiment.space.spec}, {experiment.space.size} numbers; estimator: {experiment.estimator_note}",
        *([f"sent: {_sent(experiment)}"] if keeps else []),
        *(f"note: {note}" for note in [*about.get("notes", ()), *data.notes, *experiment.space_notes]),
        *_precision(experiment),
        f"path: {_path(experiment)}",
        *sources(click.get_current_context(silent=True)),
        "plan:",
        *experiment.plan.lines(experiment.config.price),
        *time_lines(experiment, experiment.plan.expected, experiment.plan.total),
    ]
    if about.get("provider_note"):
        lines.insert(1, f"note: {about['provider_note']}")
    return lines


def _sent(experiment: Experiment) -> str:
    """What the target is sent of images that keep their own sizes."""
    from blackbox_dft.targets.base import FileTarget

    image = experiment.target.describe().get("image", "pixels")
    changed = f"changed ones as {image}, upright"
    if experiment.encoding.kind != "png":
        return f"every image through {experiment.encoding}, as {image}"
    if isinstance(experiment.target, FileTarget) and experiment.target.prepare_file(b"", "png"):
        return f"unchanged JPEG and PNG files as they are; {changed}"
    return f"unchanged images with their files' own pixels; {changed}"


def time_lines(experiment: Experiment, expected: int, most: int) -> list[str]:
    """How long so many queries take: at the ``--rate`` that was given, else at the target's speed if that is known."""
    from blackbox_dft.targets.http.rate_limit import RateLimit

    if not most:
        return []
    if text := experiment.config.target_options.rate:
        each = RateLimit.parse(text).gap / experiment.target.batch
        images = f"{experiment.target.batch} images" if experiment.target.batch > 1 else "one image"
        how = f"at {text} requests of {images}"
    elif (found := _speed(experiment)) is None:
        return ["  time: known once the first images are scored, as this target was not timed before"]
    else:
        speed, when = found
        shown = f"{speed:.2g}" if speed < 10 else f"{speed:,.0f}"
        each, how = 1 / speed, f"at {shown} images/s, {when}"
    if most * each < 1:
        return [f"  time: below 1 s {how}"]
    usual, longest = (duration(queries * each) for queries in (expected, most))
    at_most = "" if usual == longest else f"; {longest} at most"
    return [f"  time: about {usual} {how}{at_most}"]


def _speed(experiment: Experiment) -> tuple[float, str] | None:
    """Images a second of the target, and how they are known; nothing that costs is scored for it."""
    from blackbox_dft.data.photos import Photos
    from blackbox_dft.scoring.speed import measured_speed, remembered_speed

    if experiment.cluster:
        return None
    if remembered := remembered_speed(experiment.target):
        return remembered, "as in its last run"
    opened = vars(experiment).get("path")
    measured = None
    if not isinstance(opened, str | None):
        measured = opened.images_per_second
    elif experiment.config.price is None and not isinstance(experiment.data.images, Photos):
        measured = measured_speed(experiment.target, experiment.data.images)
    return (1 / (1 / measured + OWN_SECONDS), "by a first look") if measured else None


def _precision(experiment: Experiment) -> list[str]:
    """What half precision does to the scores, with ``--float16``."""
    from blackbox_dft.data.photos import Photos
    from blackbox_dft.targets.base import GraphTarget

    images, val = experiment.data.images, experiment.data.splits["val"][:PRECISION_IMAGES]
    if isinstance(images, Photos) or not isinstance(experiment.target, GraphTarget):
        return []
    images = images[val]
    if (apart := experiment.target.float16_error(images)) is None:
        return []
    precision = "float16" if experiment.config.target_options.float16 else "TensorRT"
    return [f"precision: {precision}; scores of {len(images)} images are at most {apart:.2g} from the file's own"]


def place_of(experiment: Experiment) -> str:
    """Where the target runs, in words."""
    if experiment.cluster:
        place = (
            "a Ray cluster begun here"
            if experiment.cluster.address == "local"
            else f"Ray at {experiment.cluster.address}"
        )
        return f"{experiment.cluster.workers} actors of {place}"
    return str(experiment.target.describe().get("provider", "this machine"))


def _path(experiment: Experiment) -> str:
    # If the path is known, it is not opened before it is needed.
    if experiment.config.path != "auto":
        return experiment.config.path
    if isinstance(experiment.path, str):
        return f"array, as {experiment.path}"
    count, stay = len(experiment.data.images), experiment.path.resident
    return (
        "fused"
        if stay >= count
        else f"fused; {stay:,} of {count:,} images stay on the device, as there is no room for more"
    )


def execute(
    experiment: Experiment,
    out: Path,
    go: Callable[[Progress | None], Result],
    *,
    queries: int = 0,
    consent: Consent | None = None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Runs ``go`` with a progress display, writes the pictures and reports, and prints the verdict.

    With a ``consent``, the user confirms the ``queries`` that may still be sent, if they cost money.
    """
    from blackbox_dft.cli.progress_bar import resume_hint, show_progress

    quiet, price = quiet or as_json, experiment.config.price
    asked = consent is not None and consent.require(
        experiment.config.target, queries, price, budget=experiment.config.budget, opening=lambda: opening(experiment)
    )
    if not quiet and not asked:
        say("\n".join(opening(experiment)))
    with resume_hint(out), show_progress(experiment.plan.total, quiet, price) as progress:
        result = go(progress)
    # After the run, which would begin later.
    from blackbox_dft.report.figures.pictures import write_pictures
    from blackbox_dft.report.run_report import write_run_report
    from blackbox_dft.report.terminal import verdict_lines

    write_pictures(result, out)
    write_run_report(out, result.data, price=price)
    summary = result.summary.to_json()
    if as_json:
        print_json(summary)
    else:
        show("\n".join(verdict_lines(summary, out, price, experiment.config)))
