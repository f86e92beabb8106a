"""``bbdft check``: whether the model behind a run is still the one it was tuned for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from blackbox_dft._utils.text import shortened
from blackbox_dft.cli.command import Command
from blackbox_dft.cli.common_options import placing_options, spending_options
from blackbox_dft.cli.confirmation import Consent
from blackbox_dft.cli.run_command import time_lines
from blackbox_dft.cli.streams import json_option, print_json, say
from blackbox_dft.errors import DRIFT_FOUND

if TYPE_CHECKING:
    from blackbox_dft.run.check import CheckResult


@click.command(cls=Command, short_help="See whether the model has changed since the run.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--images",
    type=click.IntRange(10),
    help="Images to score again.  [default: 60; later those of the first check]",
)
@placing_options
@spending_options
@click.option("-q", "--quiet", is_flag=True, help="Only the result, warnings and errors.")
@json_option("Print the result as JSON, and nothing else, on stdout.")
def check(
    run: Path,
    images: int | None,
    cluster: str | None,
    workers: int | None,
    price: float | None,
    confirm_above: int,
    yes: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Score a few of the labelled images of RUN again, and compare with the scores that the run got.

    The images are the same in every check, with each label in proportion. The first check scores them twice, to know
    the noise. Exit code 5: the model has changed. The record of all checks is RUN/checks.json.
    """
    from blackbox_dft.cli.progress_bar import show_progress
    from blackbox_dft.run.check import open_check, run_check
    from blackbox_dft.run.provenance import command_from_here

    opened = open_check(run, images, cluster=cluster, workers=workers, price=price)
    config, quiet = opened.evaluation.experiment.config, quiet or as_json
    Consent(yes, confirm_above).require(config.target, opened.most, config.price)
    if not quiet:
        twice = " twice, to know the noise" if opened.first else ""
        say(f"{opened.queries:,} queries, {opened.most:,} at most: {len(opened.indices):,} images{twice}")
        for line in time_lines(opened.evaluation.experiment, opened.queries, opened.most):
            say(line)
    with show_progress(opened.most, quiet, config.price) as progress:
        result = run_check(opened, progress)
    if as_json:
        print_json(result.to_json())
    else:
        click.echo("\n".join(_lines(result, run, command_from_here(config, run))))
    if result.drift:
        raise click.exceptions.Exit(DRIFT_FOUND)


def _lines(result: CheckResult, run: Path, again: str) -> list[str]:
    moved, tolerance = result.moved, result.tolerance
    low, high = (100 * end for end in result.change["ci95"])
    lines = [f"note: {note}" for note in result.notes]
    if result.drift:
        lines += [f"drift: {reason}" for reason in result.reasons]
        if result.files:
            lines.append(f"  images: {shortened(result.files)}")
        most = [f"{label} ({apart:.2g})" for label, apart in result.labels.items() if apart > tolerance.mean]
        if most:
            lines.append(f"  by label, in the mean: {shortened(most)}")
    else:
        lines.append(
            f"no drift: scores of {result.images} images moved by {moved.largest:.2g} at most, "
            f"{moved.mean:.2g} in the mean (tolerated: {tolerance.largest:.2g} and {tolerance.mean:.2g})"
        )
    over = f"{result.checks:,} check{'s' if result.checks > 1 else ''}"
    lines.append(
        f"accuracy of these images: {result.accuracy['then']:.3f} in the run, {result.accuracy['now']:.3f} now; "
        f"over {over} {100 * result.change['mean']:+.1f} points (95 %: {low:+.1f} to {high:+.1f})"
    )
    if result.drift:
        lines += [
            f"next: 'bbdft evaluate {run} --fresh' says what the tuning is worth now; if it is too little, tune again "
            "from where it is:",
            f"  {again}",
        ]
    return lines
