"""The kind of all commands: options in groups, a short first page of help, and ``--help-all``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import click
from typing_extensions import override

from blackbox_dft._utils.options import options_of
from blackbox_dft.cli.found_options import find_options, misspelled_variables, sources
from blackbox_dft.cli.logs import log_options
from blackbox_dft.cli.streams import say
from blackbox_dft.run.config import Config
from blackbox_dft.targets.options import TargetOptions

GROUPS = (
    "what may change",
    "search",
    "budget and proof",
    "data",
    "model input",
    "service",
    "where it runs",
    "output",
)
"""Headings of the help, in their order."""
BY_HAND = {
    "what may change": ("spaces",),
    "search": ("estimators", "budgets", "seeds"),
    "budget and proof": ("confirm_above", "yes", "reuse", "fresh"),
    "data": ("data", "watch", "split", "parts"),
    "model input": ("find_input",),
    "service": (
        *("host", "port", "name", "key", "max_batch", "max_wait_ms"),
        *("deadline", "queue", "max_image", "max_pixels", "show"),
    ),
    "where it runs": ("processes", "workers"),
    "output": ("out", "overwrite", "fuse", "dry_run", "quiet", "as_json", "config"),
}
"""Groups of the options that are no fields of ``Config`` or ``TargetOptions``."""
WITH_PLAN = ("optimize", "resume", "compare", "predict")
"""Commands that say in their plan where options came from; the others say it first."""
LONG = 12
"""From so many options on, a command lists them in groups."""
DOCS = "docs/reference/commands.md of the source"


def group_of(name: str) -> str:
    """The heading of the option with this name of a parameter.

    >>> group_of("space"), group_of("yes"), group_of("help")
    ('what may change', 'budget and proof', 'output')
    """
    known = {option.key: option.about.group for kind in (Config, TargetOptions) for option in options_of(kind).values()}
    by_hand = {one: group for group, names in BY_HAND.items() for one in names}
    return by_hand.get(name) or known.get(name) or "output"


class Command(click.Command):
    """A command of ``bbdft``.

    Args:
        first: names of the parameters on the first page of help; all without any.
        examples: lines to type, shown on the first page.
    """

    def __init__(self, *args: Any, first: Sequence[str] = (), examples: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.first, self.examples = tuple(first), tuple(examples)

    @override
    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        params = super().get_params(ctx)
        return [*params, *log_options(), *([_help_all()] if self.first else ())]

    @override
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing and not {"-h", "--help", "--help-all"} & set(args):
            find_options(ctx)
        return super().parse_args(ctx, args)

    @override
    def invoke(self, ctx: click.Context) -> Any:
        root = ctx.find_root().command
        for line in misspelled_variables(root) if isinstance(root, click.Group) else ():
            say(line)
        if self.name not in WITH_PLAN and not ctx.params.get("quiet") and not ctx.params.get("as_json"):
            for line in sources(ctx):
                say(line)
        return super().invoke(ctx)

    @override
    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        params = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        short = bool(self.first) and not ctx.meta.get("help_all")
        if short:
            shown = [param for name in self.first for param in params if param.name == name]
            _write(ctx, formatter, "Options", [*shown, *(param for param in params if _is_help(param))])
        elif len(params) <= LONG:
            _write(ctx, formatter, "Options", params)
        else:
            for group in GROUPS:
                members = [param for param in params if group_of(str(param.name)) == group]
                _write(ctx, formatter, group.capitalize(), members)
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    # Not wrapped, so that it can be copied.
                    formatter.write(f"  {line}\n")
        if short:
            left = sum(not _is_help(param) for param in params) - len(self.first)
            formatter.write_paragraph()
            formatter.write_text(f"{left} more options: '{ctx.command_path} --help-all'. All are in {DOCS}.")


def _is_help(param: click.Parameter) -> bool:
    return bool({"--help", "--help-all"} & set(param.opts))


def _write(ctx: click.Context, formatter: click.HelpFormatter, title: str, params: Iterable[click.Parameter]) -> None:
    if records := [record for param in params if (record := param.get_help_record(ctx))]:
        with formatter.section(title):
            formatter.write_dl(records)


def _help_all() -> click.Option:
    return click.Option(
        ["--help-all"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show_all,
        help="Show all options, in groups, and exit.",
    )


def _show_all(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        ctx.meta["help_all"] = True
        click.echo(ctx.get_help())
        ctx.exit()
