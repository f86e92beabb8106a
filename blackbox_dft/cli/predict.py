"""``bbdft predict``: labels for new images."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blackbox_dft.cli.command import Command
from blackbox_dft.cli.common_options import dry_run_option, options, placing_options, spending_options
from blackbox_dft.cli.completing import files
from blackbox_dft.cli.confirmation import Consent
from blackbox_dft.cli.found_options import sources
from blackbox_dft.cli.run_command import time_lines
from blackbox_dft.cli.streams import say, show
from blackbox_dft.errors import InputError
from blackbox_dft.run.config import Config
from blackbox_dft.targets.options import TargetOptions

if TYPE_CHECKING:
    from blackbox_dft.run.predict import Prediction, PredictionResult


FIRST = ("out", "watch", "overwrite", "budget", "rate", "price", "yes", "dry_run", "quiet")
EXAMPLES = (
    "bbdft predict run photos/ --out labels.csv",
    "find photos -name '*.jpg' | bbdft predict run - > labels.csv",
    "bbdft predict run --watch incoming --out labels.jsonl",
)


@click.command(
    cls=Command,
    first=FIRST,
    examples=EXAMPLES,
    short_help="Label new images.",
)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("sources", metavar="[IN...]", nargs=-1, shell_complete=files)
@click.option(
    "--watch",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Label all images in DIR, and go on with those that come later; rows are added to FILE.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to write the table: .csv, .jsonl or .parquet.  [default: CSV on standard output]",
)
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
@click.option("--budget", type=click.IntRange(1), help="Most images to be scored now.")
@click.option("--fresh", is_flag=True, help="Score all images again, also those whose scores are recorded.")
@options(Config, "allow_outside")
@options(TargetOptions, "rate")
@placing_options
@spending_options
@dry_run_option
@click.option("-q", "--quiet", is_flag=True, help="Only the table, warnings and errors.")
def predict(
    run: Path,
    sources: tuple[str, ...],
    watch: Path | None,
    out: Path | None,
    overwrite: bool,
    budget: int | None,
    fresh: bool,
    allow_outside: bool,
    rate: str | None,
    cluster: str | None,
    workers: int | None,
    price: float | None,
    confirm_above: int,
    yes: bool,
    dry_run: bool,
    quiet: bool,
) -> None:
    """Label the images of IN by the tuned target of RUN: files, folders with all below them, a CSV with a column
    'file', or "-" for a list of files on standard input.

    Images are changed, under all views, scored, and mapped to labels. Scores are kept in RUN/predictions.sqlite: a
    command that was interrupted is given again, and sends only what is missing. An image that cannot be read gets a
    row that says why. With --watch DIR instead of IN, it goes on until it is stopped.
    """
    from blackbox_dft.cli.progress_bar import show_progress
    from blackbox_dft.deploy.prediction_table import check_suffix
    from blackbox_dft.run.predict import open_prediction
    from blackbox_dft.run.predict import predict as run_prediction

    if watch is not None:
        if sources or fresh or overwrite or dry_run:
            raise InputError(
                "--watch labels what is in DIR and what comes: leave IN, --fresh, --overwrite and --dry-run out."
            )
        _watch(
            run, watch, out, Consent(yes, confirm_above), budget, quiet,
            cluster=cluster, workers=workers, rate=rate, price=price, allow_outside=allow_outside,
        )  # fmt: skip
        return
    if not sources:
        raise click.UsageError("Missing argument 'IN...', or --watch DIR.")
    if out is not None:
        check_suffix(out)
    if out is not None and out.exists() and not overwrite:
        raise InputError(f"{out} exists: take another name, or give --overwrite.")
    if "-" in sources and sys.stdin.isatty():
        raise InputError("standard input is a terminal: send a list of files from a file or a pipe.")
    prediction = open_prediction(
        run,
        sources,
        fresh=fresh,
        budget=budget,
        cluster=cluster,
        workers=workers,
        rate=rate,
        price=price,
        allow_outside=allow_outside,
    )
    config, left = prediction.experiment.config, prediction.unspent
    if dry_run:
        show("\n".join(_plan(prediction)))
        return
    Consent(yes, confirm_above).require(
        config.target, left + prediction.reserve, config.price, opening=lambda: _plan(prediction)
    )
    if not quiet:
        say("\n".join(_plan(prediction)))
    with show_progress(prediction.queries, quiet, config.price) as progress:
        result = run_prediction(prediction, progress)
    _warn(result)
    if out is None:
        # Bytes, as names of files need not be UTF-8.
        click.echo(result.table.text(".csv"), nl=False)
        return
    result.table.write(out)
    if not quiet:
        click.echo(f"written: {out}, {len(result.table.files):,} images; {result.queries:,} queries")


def _watch(
    run: Path, folder: Path, out: Path | None, consent: Consent, budget: int | None, quiet: bool, **options: Any
) -> None:
    from blackbox_dft.deploy.prediction_table import check_suffix
    from blackbox_dft.run.in_use import open_run
    from blackbox_dft.run.watch import watch

    if out is not None and out.suffix.lower() == ".parquet":
        raise InputError(f"{out}: rows cannot be added to a .parquet file: give .csv or .jsonl.")
    if out is not None:
        check_suffix(out)
    config = open_run(run, price=options["price"]).config
    consent.require(config.target, budget, config.price)
    if not quiet:
        say(f"watching {folder}: stop with Ctrl-C")
    header = True
    for found in watch(run, folder, out, budget=budget, warn=lambda text: say(f"WARNING: {text}"), **options):
        if out is None:
            click.echo(found.table.text(".csv", header=header), nl=False)
            header = False
        if not quiet:
            bad = f", {errors:,} of them cannot be read" if (errors := sum(map(bool, found.table.errors))) else ""
            say(f"{len(found.table.files):,} images{bad}; {found.queries:,} queries")


def _plan(prediction: Prediction) -> list[str]:
    config, left, each = prediction.experiment.config, prediction.unspent, prediction.tuning.queries_per_image
    views = f" under {each} views" if each > 1 else ""
    recorded = prediction.queries - left
    free = f" ({recorded:,} scores are recorded: --fresh scores them again)" if recorded else ""
    lines = [f"{left:,} queries{free}: {len(prediction.indices):,} images{views}"]
    if bad := sum(map(bool, prediction.errors)):
        lines.append(f"{bad:,} more cannot be read, and get no label")
    if config.price is not None:
        lines.append(f"cost: {left * config.price:,.2f}")
    times = [line.strip() for line in time_lines(prediction.experiment, left, left)]
    return [*lines, *times, *sources(click.get_current_context(silent=True))]


def _warn(result: PredictionResult) -> None:
    table = result.table
    if bad := sum(map(bool, table.errors)):
        say(f"WARNING: {bad:,} of {len(table.files):,} images could not be read: the column error says why")
    if lost := sum(table.no_score):
        say(f"WARNING: {lost:,} of {len(table.files):,} images got no score, and so no label")
