"""``bbdft demo``: the main job on an embedded model and images."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import click

from blackbox_dft.cli.command import Command
from blackbox_dft.cli.common_options import options, output_options
from blackbox_dft.cli.streams import say
from blackbox_dft.run.config import Config


@click.command(cls=Command, short_help="Run the main job on an embedded model and images; no network.")
@click.option("--out", type=click.Path(path_type=Path), help="New folder for the run.  [default: bbdft-demo]")
@click.option(
    "--files",
    type=click.Path(path_type=Path),
    help="Write the model, the images and their labels to this new folder, to try other commands on, and stop.",
)
@options(Config, "seed")
@output_options
def demo(out: Path | None, files: Path | None, seed: int, quiet: bool, as_json: bool) -> None:
    """Run the main job on an embedded model and images; no network.

    A small classifier of handwritten digits meets pages from a worse scanner: shifted, turned, faded, shaded. Eleven
    numbers, learned from its scores alone, mend all pages at once.
    """
    from blackbox_dft.demo import demo_config, write_files

    if files:
        write_files(files)
        if not quiet:
            say(f"wrote model.onnx, labels.csv, images, new_images and photo.jpg to {files}")
        return
    from blackbox_dft.cli.run_command import execute
    from blackbox_dft.run.experiment import Experiment
    from blackbox_dft.run.folder import check_free
    from blackbox_dft.run.runner import start

    folder = out or next(path for path in _names() if not path.exists())
    check_free(folder)
    experiment = Experiment(demo_config(seed))
    execute(experiment, folder, lambda progress: start(experiment, folder, progress), quiet=quiet, as_json=as_json)


def _names() -> Iterator[Path]:
    # The demo can be run again without --out.
    yield Path("bbdft-demo")
    yield from (Path(f"bbdft-demo-{number}") for number in count(2))
