"""``bbdft profiles``: lists the wire protocols of the package, and prints one as the start of your own."""

from __future__ import annotations

import click

from blackbox_dft.cli import completing
from blackbox_dft.cli.command import Command


@click.command(cls=Command, short_help="List the profiles of scoring services, or print one.")
@click.argument("name", required=False, shell_complete=completing.profiles)
def profiles(name: str | None) -> None:
    """List the profiles that --profile knows, or print the one called NAME.

    What is printed is a file that you can edit: bbdft profiles image-json > my.toml, then --profile my.toml.
    """
    from blackbox_dft.targets.http.profile_schema import profile_names, profile_text, profile_title

    if name is not None:
        click.echo(profile_text(name).rstrip())
        return
    titles = {"v2": "Open Inference Protocol V2 (KServe, Triton, MLServer); built in, not a file."}
    titles |= {one: profile_title(one) for one in profile_names()}
    width = max(map(len, titles))
    for one, title in titles.items():
        click.echo(f"{one:<{width}}  {title}")
