"""Options that commands share: generated from the fields of ``Config`` and ``TargetOptions``, and a few more."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import MISSING
from pathlib import Path
from typing import Any, TypeVar

import click

from blackbox_dft._utils.options import Option, OptionError, options_of
from blackbox_dft.cli.completing import COMPLETE
from blackbox_dft.cli.confirmation import consent_options
from blackbox_dft.cli.found_options import add_file
from blackbox_dft.cli.streams import json_option
from blackbox_dft.run.config import Config
from blackbox_dft.targets.options import TargetOptions

Command = TypeVar("Command", bound=Callable[..., Any])
Kind = TypeVar("Kind")


def options(kind: type, *only: str, but: Collection[str] = ()) -> Callable[[Command], Command]:
    """Adds the options among the fields of ``kind`` to a command: those named, or all ``but`` some, in their order."""

    def add(command: Command) -> Command:
        for name, option in reversed(options_of(kind).items()):
            if name not in but and (not only or name in only):
                command = _click_option(option)(command)
        return command

    return add


def _click_option(option: Option) -> Callable[[Command], Command]:
    about, default = option.about, option.default
    settings: dict[str, Any] = {"help": about.help, "metavar": about.metavar}
    settings["shell_complete"] = COMPLETE.get(option.name)
    if option.type is bool and default:
        flag = option.flags[0]
        settings |= {"default": True, "show_default": True}
        return click.option(f"{flag}/--no-{flag.removeprefix('--')}", **settings)
    if option.type is bool:
        settings["is_flag"] = True
    elif option.repeated:
        settings["multiple"] = True
    elif about.parse:
        settings["callback"] = _parsing(about.parse)
    else:
        settings["type"] = _click_type(option)
        # None and "" mean that nothing was given.
        if default is MISSING:
            settings["required"] = True
        elif default not in (None, ""):
            settings |= {"default": default, "show_default": True}
    return click.option(*option.flags, **settings)


def _click_type(option: Option) -> Any:
    if option.choices:
        return click.Choice(option.choices)
    ends: tuple[Any, Any] = option.about.minimum, option.about.maximum
    if ends == (None, None):
        return option.type
    numbers: Any = click.IntRange(*ends) if option.type is int else click.FloatRange(*ends)
    if not option.texts:
        return numbers

    def convert(value: str) -> Any:
        return value if value in option.texts else numbers.convert(value, None, None)

    return convert


def _parsing(parse: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    def callback(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
        try:
            return None if value is None else parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return callback


def take(kind: type[Kind], values: dict[str, Any], **more: Any) -> Kind:
    """Makes a ``kind`` of the values of its options, which are taken out of a command's keyword arguments.

    Options that the command does not have, or that were not given, have their defaults.
    """
    found = {name: values.pop(option.key, None) for name, option in options_of(kind).items()}
    try:
        return kind(**{name: value for name, value in found.items() if value is not None}, **more)
    except OptionError as error:
        raise error.on_command_line() from error


def take_config(values: dict[str, Any], **more: Any) -> Config:
    """Makes the configuration of a run of a command's keyword arguments; ``more`` are further fields of it."""
    return take(Config, values, target=values.pop("target"), target_options=take(TargetOptions, values), **more)


def placing_options(command: Command) -> Command:
    """Where the model of an existing run runs now."""
    workers = click.option("--workers", type=click.IntRange(1, 1024), help="Actors, or calls here, side by side.")
    return options(TargetOptions, "cluster")(workers(command))


def spending_options(command: Command) -> Command:
    """What queries cost, and when to ask for consent."""
    return options(Config, "price")(consent_options(command))


def output_options(command: Command) -> Command:
    """What a run prints."""
    quiet = click.option("-q", "--quiet", is_flag=True, help="Only the result, warnings and errors.")
    as_json = json_option("Print the result as JSON, and nothing else, on stdout.")
    return quiet(as_json(command))


dry_run_option = click.option("--dry-run", is_flag=True, help="Print the plan and stop.")


def _config(ctx: click.Context, param: click.Parameter, value: tuple[Path, ...]) -> None:
    """Values of the files become defaults, so that options given beside them win, and later files over earlier ones."""
    for path in value:
        add_file(ctx, path)


config_option = click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    callback=_config,
    is_eager=True,
    expose_value=False,
    metavar="FILE.toml",
    help="Read options from files, the last one winning; those given here win over all.",
)
