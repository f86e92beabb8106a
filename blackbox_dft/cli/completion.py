"""``bbdft completion``: prints the script with which a shell completes commands, options and values."""

from __future__ import annotations

import click

from blackbox_dft.cli.command import Command

VARIABLE = "_BBDFT_COMPLETE"
"""Set by the shell's script when it asks for completions."""


@click.command(
    cls=Command,
    short_help="Print the script that completes commands, options and values in your shell.",
    examples=(
        "bbdft completion bash > ~/.local/share/bash-completion/completions/bbdft",
        "bbdft completion zsh > ~/.zfunc/_bbdft",
        "bbdft completion fish > ~/.config/fish/completions/bbdft.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands, options and values in SHELL.

    Write it to where the shell looks for such scripts, and open a new shell. For zsh, the folder has to be in fpath
    before compinit: fpath+=~/.zfunc. bash has to be 4.4 or newer.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(ctx.find_root().command, {}, "bbdft", VARIABLE).source())
