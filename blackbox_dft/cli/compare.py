"""``bbdft compare``: many estimators and spaces side by side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blackbox_dft._utils.text import shortened
from blackbox_dft.cli.command import Command
from blackbox_dft.cli.common_options import (
    config_option,
    dry_run_option,
    options,
    output_options,
    spending_options,
    take_config,
)
from blackbox_dft.cli.completing import estimators, files, spaces
from blackbox_dft.cli.confirmation import Consent
from blackbox_dft.cli.found_options import sources, sources_json
from blackbox_dft.cli.run_command import place_of, time_lines
from blackbox_dft.cli.streams import print_json, say, show
from blackbox_dft.errors import MisfitError, TargetError
from blackbox_dft.run.config import Config
from blackbox_dft.targets.options import TargetOptions

if TYPE_CHECKING:
    from blackbox_dft.comparison.runner import Comparison

SHARED = (
    "epsilon", "flat", "channels", "output_map", "start", "objective", "repeats", "metric", "map", "encoding", "fit",
    "max_side", "filter",
    "in_doubt", "reserve", "skip_bad", "allow_outside", "accept_drift",
)  # fmt: skip
"""Options of ``Config`` that all runs of a comparison have in common."""


FIRST = (
    *("data", "out", "estimators", "spaces", "budgets", "seeds", "seed", "processes", "map", "price", "yes"),
    *("profile", "header", "rate", "dry_run", "quiet", "as_json", "config"),
)
EXAMPLES = (
    "bbdft compare model.onnx --data labels.csv --out comparison \\\n"
    "      --estimator surface --estimator nes --space affine --space color --dry-run",
)


@click.command(
    cls=Command,
    first=FIRST,
    examples=EXAMPLES,
    short_help="Compare estimators and spaces on TARGET and DATA, budget by budget.",
)
@click.argument("target", shell_complete=files)
@click.option(
    "--data",
    shell_complete=files,
    required=True,
    metavar="DATA",
    help="CSV (file,label|class[,split]) or folder of classes.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder for the comparison.")
@click.option(
    "--estimator",
    "estimators",
    multiple=True,
    required=True,
    shell_complete=estimators,
    help="As in optimize; give it several times.",
)
@click.option(
    "--space",
    "spaces",
    multiple=True,
    required=True,
    shell_complete=spaces,
    help="As in optimize; give it several times.",
)
@click.option(
    "--budgets",
    default="500,1000,2000,5000,20000",
    show_default=True,
    metavar="N,N,...",
    help="Tuning queries after which the metric is measured.",
)
@click.option(
    "--seeds", type=click.IntRange(1), default=5, show_default=True, help="Runs of each estimator in each space."
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="The first of them; draws the splits."
)
@click.option(
    "--processes",
    type=click.IntRange(1),
    help="Runs side by side.  [default: a core each; 1 for a URL or with a price; on a GPU 8 in one]",
)
@options(TargetOptions)
@output_options
@options(Config, *SHARED)
@spending_options
@dry_run_option
@config_option
def compare(**values: Any) -> None:
    """Compare estimators and spaces on TARGET and DATA, budget by budget.

    Every estimator runs in every space with every seed, once, to the largest budget, and is measured at each smaller
    one too. The cost is printed before the first query. The same command again continues where it stopped. The results
    are DIR/compare.csv, compare.json, compare.png and compare.html.
    """
    from blackbox_dft.comparison.grid import Grid, parse_budgets
    from blackbox_dft.comparison.runner import Comparison
    from blackbox_dft.report.compare_report import text_lines, write_report

    out, processes, dry = values.pop("out"), values.pop("processes"), values.pop("dry_run")
    price, consent = values["price"], Consent.take(values)
    quiet, as_json = values.pop("quiet"), values.pop("as_json")
    first, count = values["seed"], values.pop("seeds")
    budgets = parse_budgets(values.pop("budgets"))
    grid = Grid(values.pop("spaces"), values.pop("estimators"), budgets, tuple(range(first, first + count)))
    comparison = Comparison(take_config(values), grid, out)
    total = comparison.cost.total
    if dry:
        if as_json:
            print_json({**asdict(comparison.cost), "total": total, **sources_json(click.get_current_context())})
        else:
            show("\n".join(_opening(comparison, price)))
        return
    left = total if comparison.missing() else 0
    asked = consent.require(comparison.config.target, left, price, opening=lambda: _opening(comparison, price))
    quiet = quiet or as_json
    if not quiet and not asked:
        say("\n".join(_opening(comparison, price)))
    from blackbox_dft.cli.progress_bar import show_progress

    with _resume_hint(), show_progress(total, quiet, price) as progress:
        found = comparison.execute(progress, processes=processes, price=price)
    notes = write_report(found, out)
    if as_json:
        print_json(found)
    else:
        click.echo("\n".join([*text_lines(found), *notes]))


def _opening(comparison: Comparison, price: float | None) -> list[str]:
    """The lines printed before the first query."""
    experiment, grid = comparison.experiment, comparison.grid
    counts = ", ".join(f"{len(indices):,} {split}" for split, indices in experiment.data.splits.items())
    finished = len(grid.runs) - len(comparison.missing())
    return [
        f"target: {experiment.target.name} on {place_of(experiment)}",
        f"data: {len(experiment.data.labels):,} images ({counts}), labels {shortened(experiment.data.classes)}",
        *(
            f"note: {note}"
            for note in [
                *experiment.target.describe().get("notes", ()),
                *experiment.data.notes,
                *experiment.space_notes,
            ]
        ),
        f"compared: {len(grid.variants)} variants ({len(grid.estimators)} estimators x {len(grid.spaces)} spaces), "
        f"{len(grid.seeds)} seeds, measured at {', '.join(f'{budget:,}' for budget in grid.budgets)} tuning queries",
        *sources(click.get_current_context(silent=True)),
        "cost:",
        *comparison.cost.lines(price),
        *time_lines(experiment, comparison.cost.total, comparison.cost.total),
        *([f"  {finished} of {len(grid.runs)} runs are done already"] if finished else []),
    ]


@contextmanager
def _resume_hint() -> Iterator[None]:
    """Says how to continue a comparison that stops before its end."""
    again = "all scores are kept: give the same command to continue"
    try:
        yield
    except KeyboardInterrupt:
        say(f"\nbbdft: stopped; {again}.")
        raise click.exceptions.Exit(130) from None
    except MisfitError:
        raise
    except TargetError as error:
        raise TargetError(f"{str(error).rstrip('.')}; {again}.") from error
