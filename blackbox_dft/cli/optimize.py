"""``bbdft optimize``: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from blackbox_dft.cli.command import Command
from blackbox_dft.cli.common_options import (
    config_option,
    dry_run_option,
    options,
    output_options,
    spending_options,
    take_config,
)
from blackbox_dft.cli.completing import files
from blackbox_dft.cli.confirmation import Consent
from blackbox_dft.cli.found_options import sources_json
from blackbox_dft.cli.run_command import execute, opening
from blackbox_dft.cli.streams import print_json, show
from blackbox_dft.run.config import Config
from blackbox_dft.targets.options import TargetOptions

APART = ("data", "label", "accept_drift", "price")
"""Options of ``Config`` that ``--help`` lists at a place of their own."""


FIRST = (
    *(
        "data",
        "label",
        "map",
        "out",
        "space",
        "budget",
        "evaluate",
        "price",
        "yes",
        "profile",
        "header",
        "rate",
        "size",
    ),
    *("seed", "dry_run", "quiet", "as_json", "config"),
)
EXAMPLES = (
    "bbdft optimize model.onnx --data labels.csv --out run",
    "bbdft optimize model.onnx --data photos/ --out run --budget 5000 --dry-run",
    "bbdft optimize https://example.com/score --profile image-json --price .001 \\\n"
    "      --data labels.csv --out run --header 'Authorization: Bearer {env:KEY}'",
    "bbdft optimize my_module:score --data labels.csv --out run --map 'smile=happy'",
)


@click.command(
    cls=Command, first=FIRST, examples=EXAMPLES, short_help="Learn the change that makes TARGET classify DATA better."
)
@click.argument("target", shell_complete=files)
@options(Config, "data")
@options(Config, "label")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="RUN", help="New folder for the run.")
@options(Config, but=APART)
@options(TargetOptions)
@options(Config, "accept_drift")
@click.option(
    "--reuse",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="LEDGER",
    help="Other runs' ledger.sqlite: scores recorded there are free here.",
)
@click.option("--overwrite", is_flag=True, help="Replace the run that --out holds.")
@spending_options
@dry_run_option
@output_options
@config_option
def optimize(**values: Any) -> None:
    """Learn the change that makes TARGET classify DATA better.

    The plan of how the budget is spent is printed before the first query. The result is RUN/tuning.npz and
    RUN/summary.json; a run that was stopped continues with 'bbdft resume RUN'.
    """
    from blackbox_dft.run.experiment import Experiment
    from blackbox_dft.run.folder import check_free
    from blackbox_dft.run.runner import start

    out, reuse, consent = values.pop("out"), values.pop("reuse"), Consent.take(values)
    overwrite, dry, quiet, as_json = (
        values.pop("overwrite"),
        values.pop("dry_run"),
        values.pop("quiet"),
        values.pop("as_json"),
    )
    config = take_config(values)
    if not dry:
        check_free(out, overwrite=overwrite)
    experiment = Experiment(config)
    if dry:
        if as_json:
            print_json({**experiment.plan.to_json(), **sources_json(click.get_current_context())})
        else:
            show("\n".join(opening(experiment)))
        return
    execute(
        experiment,
        out,
        lambda progress: start(experiment, out, progress, reuse=reuse, overwrite=overwrite),
        queries=experiment.plan.total,
        consent=consent,
        quiet=quiet,
        as_json=as_json,
    )
