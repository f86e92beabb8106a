"""``bbdft resume``: go on with a run that was stopped, or give one more budget."""

from __future__ import annotations

from pathlib import Path

import click

from blackbox_dft.cli.common_options import output_options, placing_options


@click.command(short_help="Go on with a run that was stopped, or give it more budget.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--budget", type=click.IntRange(1), help="New, larger cap on all images scored in the run.")
@click.option("--accept-drift", is_flag=True, help="Go on although the model behind the URL has changed.")
@placing_options
@output_options
def resume(
    run: Path,
    budget: int | None,
    accept_drift: bool,
    cluster: str | None,
    workers: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Go on with a run that was stopped, or give it more budget.

    Answers already paid for are read from RUN/ledger.sqlite and never asked for again.
    """
    from blackbox_dft.cli.run_command import execute
    from blackbox_dft.run.runner import reopen

    experiment, go = reopen(run, budget, accept_drift=accept_drift, cluster=cluster, workers=workers)
    execute(experiment, run, go, quiet=quiet, as_json=as_json)
