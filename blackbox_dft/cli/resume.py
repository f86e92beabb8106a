"""``bbdft resume``: continue a run that was stopped, or give it more budget."""

from __future__ import annotations

from pathlib import Path

import click

from blackbox_dft.cli.command import Command
from blackbox_dft.cli.common_options import options, output_options, placing_options, spending_options
from blackbox_dft.cli.confirmation import Consent
from blackbox_dft.run.config import Config


@click.command(cls=Command, short_help="Continue a run that was stopped, or give it more budget.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--budget", type=click.IntRange(1), help="New, larger cap on all images scored in the run.")
@click.option(
    "--evaluate", metavar="enough|all|N", help="Test images from now on: enough to prove the gain, all, or a number N."
)
@options(Config, "precision")
@options(Config, "accept_drift")
@placing_options
@spending_options
@output_options
def resume(
    run: Path,
    budget: int | None,
    evaluate: str | None,
    precision: float | None,
    accept_drift: bool,
    cluster: str | None,
    workers: int | None,
    price: float | None,
    confirm_above: int,
    yes: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Continue a run that was stopped, or give it more budget.

    Scores already paid for are read from RUN/ledger.sqlite and never queried again.
    """
    from blackbox_dft.cli.run_command import execute
    from blackbox_dft.run.runner import reopen, unspent

    experiment, go = reopen(
        run,
        budget,
        accept_drift=accept_drift,
        cluster=cluster,
        workers=workers,
        price=price,
        evaluate=evaluate,
        precision=precision,
    )
    left = unspent(experiment, run)
    execute(experiment, run, go, queries=left, consent=Consent(yes, confirm_above), quiet=quiet, as_json=as_json)
