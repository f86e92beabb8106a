"""``bbdft apply``: write changed images."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from blackbox_dft.cli.command import Command
from blackbox_dft.errors import InputError


@click.command(cls=Command, short_help="Write changed images.")
@click.argument("tuning", metavar="RUN|tuning.npz", type=click.Path(path_type=Path))
@click.argument("sources", metavar="IN...", nargs=-1, required=True)
@click.argument("out", metavar="OUT")
@click.option("--format", "encoding", metavar="FORMAT", help="png or jpeg:Q.  [default: as the model was sent them]")
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@click.option("--skip-bad", is_flag=True, help="Leave out images that cannot be read, and count them.")
def apply(
    tuning: Path, sources: tuple[str, ...], out: str, encoding: str | None, overwrite: bool, skip_bad: bool
) -> None:
    """Write the images of IN (files, or folders with all below them) to OUT as the model was sent them.

    Names and folders are kept. PNG keeps every pixel; JPEG does not, and it is said by how much. "-" is one image on
    standard input, or on standard output: bbdft apply RUN - - <photo.jpg >changed.png
    """
    from blackbox_dft.deploy.apply import apply_bytes, apply_images

    if "-" not in (*sources, out):
        done = apply_images(tuning, sources, out, encoding=encoding, overwrite=overwrite, skip_bad=skip_bad)
        for line in done.lines():
            click.echo(line)
        return
    if len(sources) > 1:
        raise InputError("'-' stands for one image: give no other beside it.")
    if out != "-" and Path(out).exists() and not overwrite:
        raise InputError(f"{out} exists: take another name, or give --overwrite.")
    changed = apply_bytes(tuning, _read(sources[0]), encoding=encoding)
    if out != "-":
        from blackbox_dft._utils.files import write_atomically

        write_atomically(out, lambda file: file.write(changed))
    elif sys.stdout.isatty():
        raise InputError("standard output is a terminal: send the image to a file or a pipe.")
    else:
        sys.stdout.buffer.write(changed)
        sys.stdout.buffer.flush()


def _read(source: str) -> bytes:
    if source == "-":
        if sys.stdin.isatty():
            raise InputError("standard input is a terminal: send an image from a file or a pipe.")
        return sys.stdin.buffer.read()
    if not Path(source).is_file():
        raise InputError(f"{source} is not a file: '-' takes one image.")
    return Path(source).read_bytes()
