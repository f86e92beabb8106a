"""``bbdft report``: write the page of a comparison again."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Write the page of a comparison again.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def report(folder: Path) -> None:
    """Write compare.html, compare.png and compare.txt again from DIR/compare.json; nothing is asked of the target."""
    from blackbox_dft.report.comparison import read_results, write_report

    click.echo("\n".join(write_report(read_results(folder), folder)))
