"""``bbdft evaluate``: measure a tuning on other images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from blackbox_dft.cli.common_options import output_options, placing_options
from blackbox_dft.errors import InputError

if TYPE_CHECKING:
    from blackbox_dft.run.evaluate import Measurement


@click.command(short_help="Measure the tuning of RUN on other images.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", metavar="DATA", help="Other images than the run's, with the same labels.")
@click.option("--label", metavar="NAME", help="Where they have their labels.  [default: where the run's has them]")
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test", "all"]),
    help="Which images.  [default: test of the run's own data, all of other data]",
)
@click.option("--parts", is_flag=True, help="What each part of the run's space does, on its own test images.")
@placing_options
@output_options
def evaluate(
    run: Path,
    data: str | None,
    label: str | None,
    split: str | None,
    parts: bool,
    cluster: str | None,
    workers: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Measure the tuning of RUN on other images.

    Every image is scored twice, before and after; answers already paid for are free, and new ones are kept in
    RUN/evaluations.sqlite.
    """
    from blackbox_dft.cli.progress_bar import watching
    from blackbox_dft.run.evaluate import evaluate as measure
    from blackbox_dft.run.evaluate import open_measurement

    if parts and (data or split or label):
        raise InputError("--parts measures on the run's own test images: leave --data, --label and --split out.")
    measurement = open_measurement(run, data, split, label, cluster=cluster, workers=workers)
    quiet = quiet or as_json
    if parts:
        _parts(measurement, quiet=quiet, as_json=as_json)
        return
    if not quiet:
        click.echo(f"{measurement.queries:,} queries: {len(measurement.indices):,} images before and after", err=True)
    with watching(measurement.queries, quiet) as progress:
        found = measure(measurement, progress)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    name, values = next(iter(found["accuracy"].items()))
    low, high = (100 * x for x in values["ci95"])
    click.echo(
        f"{found['verdict']}: {name} accuracy {values['before']:.3f} -> {values['after']:.3f} "
        f"(95 %: {low:+.1f} to {high:+.1f} points; {values['n']:,} images); "
        f"the run's free threshold shift: {found['threshold'][name]:.3f}"
    )


def _parts(measurement: Measurement, *, quiet: bool, as_json: bool) -> None:
    from blackbox_dft.cli.progress_bar import watching
    from blackbox_dft.run.evaluate import evaluate_parts, part_choices

    choices = part_choices(measurement.experiment.space)
    most = len(choices) * measurement.experiment.config.repeats * len(measurement.indices)
    if not quiet:
        click.echo(f"up to {most:,} queries: {len(measurement.indices):,} images in {len(choices)} ways", err=True)
    with watching(most, quiet) as progress:
        found = evaluate_parts(measurement, progress)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    wide = max(len(row["name"]) for row in found["rows"])
    click.echo(f"{'before':<{wide}}  {found['before']:.3f}")
    for row in found["rows"]:
        low, high = (100 * end for end in row["ci95"])
        click.echo(f"{row['name']:<{wide}}  {row['accuracy']:.3f}  (95 %: {low:+.1f} to {high:+.1f} points)")
    click.echo(f"written: {measurement.run}/parts.json; 'bbdft report {measurement.run}' shows it")
