"""``bbdft report``: write the page of a run or of a comparison again."""

from __future__ import annotations

from pathlib import Path

import click

from blackbox_dft.cli.command import Command
from blackbox_dft.errors import InputError


def _marks(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, float]:
    found = {}
    for text in value:
        name, _, number = text.rpartition("=")
        try:
            found[name] = float(number)
        except ValueError:
            found[name] = -1.0
        if not name or not 0 <= found[name] <= 1:
            raise click.BadParameter(f"{text!r} is not an accuracy with a name: write 'local model=0.93'")
    return found


@click.command(cls=Command, short_help="Write the page of a run or of a comparison again.")
@click.argument("folder", metavar="RUN|DIR", type=click.Path(path_type=Path))
@click.option("--by", multiple=True, metavar="COLUMN", help="Of a run: break it down by this column of its CSV.")
@click.option("--price", type=click.FloatRange(0), help="Of a run: cost of one image scored.  [default: as in the run]")
@click.option("--mark", multiple=True, callback=_marks, metavar="NAME=ACCURACY", help="Of a run: a line to draw.")
def report(folder: Path, by: tuple[str, ...], price: float | None, mark: dict[str, float]) -> None:
    """Write the page of a run, or of a comparison, again from the files in its folder, at no query.

    A run gets report.html and report.txt; a comparison compare.html, .png, .svg and .txt. A line to draw is
    another test accuracy to hold the run against: --mark "local model=0.93".
    """
    if (folder / "compare.json").exists():
        from blackbox_dft.report.compare_report import read_results, write_report

        click.echo("\n".join(write_report(read_results(folder), folder)))
        return
    if not (folder / "config.json").exists():
        raise InputError(
            f"{folder} holds neither a run nor a finished comparison: give the --out of bbdft optimize or compare."
        )
    from blackbox_dft.report.run_report import write_run_report
    from blackbox_dft.run.record import RunRecord

    price = RunRecord.read(folder).config.price if price is None else price
    written = write_run_report(folder, by=by, price=price, marks=mark)
    click.echo(f"written: {folder}/{', '.join(written)}")
