"""``bbdft optimize``: the main job."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from blackbox_dft.cli.common_options import (
    cluster_option,
    config_option,
    label_option,
    make_options,
    output_options,
    target_options,
)
from blackbox_dft.cli.run_command import execute, opening


@click.command(short_help="Learn the change that makes TARGET classify DATA better.")
@click.argument("target")
@click.option(
    "--data",
    required=True,
    metavar="DATA",
    help="CSV (file,label|class[,split]), folder of classes, or lfw:DIR, celeba:DIR, muct:DIR.",
)
@label_option
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="RUN", help="New folder for the run.")
@click.option(
    "--space",
    default="dct:8",
    show_default=True,
    help="What may change: pixel, tanh, dct:N, grid:N, color, affine, joined by '+'; or auto: affine+color+dct:8.",
)
@click.option("--epsilon", default="8/255", show_default=True, help="Largest change of a pixel by additive spaces.")
@click.option(
    "--channels",
    type=click.Choice(["rgb", "luma"]),
    default="rgb",
    show_default=True,
    help="Whether additive spaces change colour or brightness only.",
)
@click.option(
    "--estimator",
    default="auto",
    show_default=True,
    help="auto, surface, nes, spsa, finite-difference, cma-es or random; options follow a colon: nes:step=0.3.",
)
@click.option(
    "--objective",
    default="auto",
    show_default=True,
    help="auto, brier, sigmoid, cross-entropy, hinge or zero-one.",
)
@click.option(
    "--distance-weight",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="What the mean squared perturbation of additive spaces adds to the loss, times this.",
)
@click.option(
    "--budget",
    type=click.IntRange(1),
    default=20_000,
    show_default=True,
    help="Hard cap on all images scored, evaluation included.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--repeats",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="For a noisy target: ask every query so often, each time at its price, and take the mean.",
)
@click.option(
    "--in-flight",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Proposals asked at once, for targets that answer many requests side by side; the estimator hears later.",
)
@click.option(
    "--early-stop",
    is_flag=True,
    help="End the search when going on promises less than 0.4 points; what is left of the budget is not spent.",
)
@click.option(
    "--map",
    multiple=True,
    metavar="LABEL=CLASS[,CLASS...]",
    help="Which classes of the model count for a label; '*' is all others.",
)
@click.option(
    "--path",
    type=click.Choice(["auto", "fused", "array"]),
    default="auto",
    show_default=True,
    help="Write the change into the model's graph, or make arrays of changed images; auto: fused where it can be.",
)
@click.option(
    "--calibrate",
    is_flag=True,
    help="For those who set the decision threshold: report accuracy with it fitted again too; costs no query.",
)
@click.option("--encoding", default="png", show_default=True, help="What the target receives: none, png or jpeg:Q.")
@click.option(
    "--in-doubt",
    type=click.Choice(["auto", "count", "free"]),
    default="auto",
    show_default=True,
    help="Whether images sent and never answered count; auto: for URLs.",
)
@click.option(
    "--reserve",
    type=click.FloatRange(0, 0.9),
    default=0.125,
    show_default=True,
    help="Share of the budget kept back for them, where they count.",
)
@click.option("--skip-bad", is_flag=True, help="Leave out images that cannot be read, and count them.")
@target_options
@cluster_option
@click.option("--accept-drift", is_flag=True, help="Go on although the model behind a URL changes.")
@click.option(
    "--reuse",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="LEDGER",
    help="Other runs' ledger.sqlite: what they were answered is free here.",
)
@click.option("--price", type=click.FloatRange(0), help="Cost of one image scored, in your currency.")
@click.option(
    "--confirm-above",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    help="With a price: ask before more queries.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@output_options
@config_option
def optimize(**values: Any) -> None:
    """Learn the change that makes TARGET classify DATA better.

    The plan of how the budget is spent is printed before the first query. The result is RUN/tuning.npz and
    RUN/summary.json; a run that was stopped goes on with 'bbdft resume RUN'.
    """
    from blackbox_dft.run.config import Config
    from blackbox_dft.run.experiment import Experiment
    from blackbox_dft.run.runner import check_free, start

    out, price = values.pop("out"), values.pop("price")
    reuse, yes, above = values.pop("reuse"), values.pop("yes"), values.pop("confirm_above")
    dry, quiet, as_json = values.pop("dry_run"), values.pop("quiet"), values.pop("as_json")
    config = Config(target_options=make_options(values), **values)
    if not dry:
        check_free(out)
    experiment = Experiment(config)
    if dry:
        if as_json:
            click.echo(json.dumps(asdict(experiment.plan), indent=2))
        else:
            click.echo("\n".join(opening(experiment, price)))
        return
    if price is not None and not yes and experiment.plan.total > above and sys.stdin.isatty():
        click.echo("\n".join(opening(experiment, price)), err=True)
        if not click.confirm(f"Spend up to {experiment.plan.total * price:,.2f}?", err=True):
            raise click.exceptions.Exit(2)
    execute(
        experiment,
        out,
        lambda progress: start(experiment, out, progress, reuse=reuse),
        quiet=quiet,
        as_json=as_json,
        price=price,
    )
