"""``bbdft evaluate``: accuracy of a tuning on other images."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blackbox_dft.cli.command import Command
from blackbox_dft.cli.common_options import options, output_options, placing_options, spending_options
from blackbox_dft.cli.confirmation import Consent
from blackbox_dft.cli.run_command import time_lines
from blackbox_dft.cli.streams import print_json, say
from blackbox_dft.errors import InputError
from blackbox_dft.run.config import Config

if TYPE_CHECKING:
    from blackbox_dft.run.evaluate import Evaluation, EvaluationResult


@click.command(cls=Command, short_help="Measure the tuning of RUN on other images.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", metavar="DATA", help="Other images than the run's, with the same labels.")
@click.option("--label", metavar="NAME", help="Attribute or column with their labels.  [default: as in the run]")
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test", "all"]),
    help="Which images.  [default: test of the run's own data, all of other data]",
)
@options(Config, "allow_outside")
@click.option("--metric", metavar="METRIC", help="What the verdict is about, as in optimize.  [default: as in the run]")
@click.option("--parts", is_flag=True, help="What each part of the run's space does, on the run's test images.")
@click.option("--fresh", is_flag=True, help="Score all images again, also those whose scores are recorded.")
@placing_options
@spending_options
@output_options
def evaluate(
    run: Path,
    data: str | None,
    label: str | None,
    split: str | None,
    allow_outside: bool,
    metric: str | None,
    parts: bool,
    fresh: bool,
    cluster: str | None,
    workers: int | None,
    price: float | None,
    confirm_above: int,
    yes: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Measure the tuning of RUN on other images.

    Every image is scored twice, before and after. New scores are kept in RUN/evaluations.sqlite, and those recorded
    there are free; --fresh shows whether the model behind a URL has changed since.
    """
    from blackbox_dft.cli.progress_bar import show_progress
    from blackbox_dft.report.outcome import Outcome
    from blackbox_dft.run.evaluate import evaluate as run_evaluation
    from blackbox_dft.run.evaluate import open_evaluation

    if parts and metric:
        raise InputError("--parts measures accuracy: leave --metric out.")
    if parts and (data or split or label):
        raise InputError("--parts measures on the run's own test images: leave --data, --label and --split out.")
    evaluation = open_evaluation(
        run,
        data,
        split,
        label,
        fresh=fresh,
        cluster=cluster,
        workers=workers,
        price=price,
        allow_outside=allow_outside,
        metric=metric,
    )
    quiet, config = quiet or as_json, evaluation.experiment.config
    left = evaluation.unspent(parts=parts)
    Consent(yes, confirm_above).require(config.target, left + evaluation.reserve(left), config.price)
    if parts:
        _parts(evaluation, left, quiet=quiet, as_json=as_json)
        return
    if not quiet:
        say(f"{_queries(left, evaluation)} images before and after")
        for line in time_lines(evaluation.experiment, left, left):
            say(line)
    with show_progress(evaluation.queries, quiet, config.price) as progress:
        result = run_evaluation(evaluation, progress)
    if as_json:
        print_json(result.to_json())
        return
    accuracy, shown = result.accuracy[result.split], Outcome.of(_as_summary(result))
    beside = "" if shown.is_accuracy else f"; accuracy {accuracy.before:.3f} -> {accuracy.after:.3f}"
    click.echo(
        f"{result.verdict}: {result.split} {shown.title} {shown.level(shown.before)} -> {shown.level(shown.after)} "
        f"(95 %: {shown.interval(shown.ci95)} {shown.unit}{beside}; {accuracy.n:,} images); "
        f"the run's free threshold shift: {shown.level(shown.threshold)}"
    )
    if any((missing := asdict(result.no_score)).values()):
        click.echo(
            f"no score: {missing['before']:,} of {accuracy.n:,} images before, {missing['after']:,} after; "
            "they count as wrong"
        )
        if scored := result.metric.scored:
            click.echo(
                f"with a score before and after: {shown.level(scored.before)} -> {shown.level(scored.after)} "
                f"(95 %: {shown.interval(scored.ci95)} {shown.unit}; {scored.n:,} images)"
            )


def _as_summary(result: EvaluationResult) -> dict[str, Any]:
    """The evaluation in the form of a run's summary, for the words of its metric."""
    document = result.to_json()
    free = {"test": document["threshold"][result.split], "ci95": document["metric"]["threshold_ci95"]}
    return {**document, "accuracy": {"test": document["accuracy"][result.split]}, "threshold": free}


def _queries(left: int, evaluation: Evaluation, total: int | None = None) -> str:
    """The cost of an evaluation, in words."""
    recorded = (evaluation.queries if total is None else total) - left
    again = f" ({recorded:,} scores are recorded: --fresh scores them again)" if recorded else ""
    return f"{left:,} queries{again}: {len(evaluation.indices):,}"


def _parts(evaluation: Evaluation, left: int, *, quiet: bool, as_json: bool) -> None:
    from blackbox_dft.cli.progress_bar import show_progress
    from blackbox_dft.evaluation.metric import ACCURACY
    from blackbox_dft.run.evaluate import evaluate_parts, part_choices

    choices = part_choices(evaluation.experiment.space)
    most = (2 + len(choices)) * evaluation.experiment.config.repeats * len(evaluation.indices)
    if not quiet:
        say(f"{_queries(left, evaluation, most)} images under {len(choices)} selections of parts")
    with show_progress(most, quiet, evaluation.experiment.config.price) as progress:
        result = evaluate_parts(evaluation, progress)
    if as_json:
        print_json(result.to_json())
        return
    wide = max(len(row.name) for row in result.rows)
    if evaluation.experiment.metric is not ACCURACY:
        click.echo(f"accuracy, not {evaluation.experiment.metric.title}:")
    click.echo(f"{'before':<{wide}}  {result.before:.3f}")
    for row in result.rows:
        low, high = (100 * end for end in row.ci95)
        click.echo(f"{row.name:<{wide}}  {row.accuracy:.3f}  (95 %: {low:+.1f} to {high:+.1f} points)")
    click.echo(f"written: {evaluation.run}/parts.json; 'bbdft report {evaluation.run}' shows it")
