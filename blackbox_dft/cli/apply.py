"""``bbdft apply``: write changed images."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Write changed images.")
@click.argument("tuning", metavar="RUN|tuning.npz", type=click.Path(path_type=Path))
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--format", "encoding", metavar="FORMAT", help="png or jpeg:Q.  [default: as the model was sent them]")
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@click.option("--skip-bad", is_flag=True, help="Leave out images that cannot be read, and count them.")
def apply(tuning: Path, source: Path, out: Path, encoding: str | None, overwrite: bool, skip_bad: bool) -> None:
    """Write the images of IN (one file, or a folder with all below it) to OUT as the model was sent them.

    Names and folders are kept. PNG keeps every pixel; JPEG does not, and it is said by how much.
    """
    from blackbox_dft.apply import apply_images

    done = apply_images(tuning, source, out, encoding=encoding, overwrite=overwrite, skip_bad=skip_bad)
    for line in done.lines():
        click.echo(line)
