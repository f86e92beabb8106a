"""Options that are not typed: of the environment, of ``bbdft.toml`` or ``[tool.bbdft]``, and of ``--config`` files.

The command line wins over the environment, that over files, and they over the defaults of options. What stands at the
top of a file, or has no command in its name (``BBDFT_SPACE``), is for ``optimize`` and ``compare``, which describe a
run in full; the same option may mean another thing elsewhere. A table ``[predict]``, or ``BBDFT_PREDICT_RATE``, is for
that command alone.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from blackbox_dft.errors import InputError

PREFIX = "BBDFT_"
CONFIG = "BBDFT_CONFIG"
"""The file to read instead of the one that is found; ``none``: none."""
OF_RUNS = ("optimize", "compare")
"""Commands that what is said of none in particular is for."""
NEVER_FOUND = ("yes", "insecure", "allow_outside")
"""Options that a found file cannot give: it may have come with files of others."""
PATHS = ("data", "known", "cert", "out", "reuse", "target")
"""Options whose paths in a found file are relative to its folder."""
OTHER_VARIABLES = ("CACHE", "CONFIG", "SERVER_PYTHONS")
"""Variables with the prefix that are no options."""

SOURCES, ENVIRONMENT = "bbdft.sources", "bbdft.environment"
"""Keys of ``Context.meta``: where options came from, by name, and the values of the environment."""


def find_options(ctx: click.Context) -> None:
    """Makes options of a found file and of the environment defaults of the command of ``ctx``.

    Raises:
        InputError: a file or a key of it cannot be used.
    """
    ctx.meta[SOURCES] = {}
    ctx.default_map = {}
    if (file := _found_file()) is not None:
        path, table = file
        _add(ctx, _of_file(ctx, path, table), str(path.name if path.parent == Path.cwd() else path))
    ctx.meta[ENVIRONMENT] = _environment(ctx)
    add_environment(ctx)


def add_environment(ctx: click.Context) -> None:
    """Lets the environment win over what has been read so far."""
    for name, (variable, value) in ctx.meta.get(ENVIRONMENT, {}).items():
        _add(ctx, {name: value}, variable)


def add_file(ctx: click.Context, path: Path) -> None:
    """Makes options of a ``--config`` file defaults of the command, which win over those read so far.

    Raises:
        click.BadParameter: it cannot be read, or has an unknown key.
    """
    try:
        table = _read(path)
        if path.name == "pyproject.toml":
            table = table.get("tool", {}).get("bbdft", {})
        _add(ctx, _defaults(ctx, path, _merged(ctx, table), _params(ctx.command)), str(path))
    except InputError as error:
        raise click.BadParameter(str(error).rstrip(".")) from error
    add_environment(ctx)


def sources(ctx: click.Context | None) -> list[str]:
    """A line that says which options were taken from where, if any were not given on the command line."""
    by_source: dict[str, list[str]] = {}
    for name, source in sources_json(ctx).get("options_from", {}).items():
        assert ctx is not None
        by_source.setdefault(source, []).append(_spelling(ctx, name))
    found = "; ".join(f"{', '.join(names)} from {source}" for source, names in by_source.items())
    return [f"options: {found}"] if found else []


def sources_json(ctx: click.Context | None) -> dict[str, Any]:
    """The same as a key of a plan in JSON: ``{"options_from": {option: source}}``, or nothing."""
    found = {
        name: source
        for name, source in (ctx.meta.get(SOURCES, {}) if ctx else {}).items()
        if ctx is not None and ctx.get_parameter_source(name) is click.core.ParameterSource.DEFAULT_MAP
    }
    return {"options_from": found} if found else {}


def _add(ctx: click.Context, values: Mapping[str, Any], source: str) -> None:
    ctx.default_map = {**(ctx.default_map or {}), **values}
    ctx.meta.setdefault(SOURCES, {}).update(dict.fromkeys(values, source))


def _found_file() -> tuple[Path, dict[str, Any]] | None:
    """The file named by ``BBDFT_CONFIG``, or the nearest one in the working directory or above, and its options."""
    if named := os.environ.get(CONFIG):
        return None if named == "none" else (Path(named), _read(Path(named)))
    try:
        here = Path.cwd()
    except OSError:
        return None
    for folder in (here, *here.parents):
        if (own := folder / "bbdft.toml").is_file():
            return own, _read(own)
        project = folder / "pyproject.toml"
        # Most have none for us, and to read TOML takes a while.
        if project.is_file() and "tool.bbdft" in _text(project):
            return project, _read(project).get("tool", {}).get("bbdft", {})
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        return ""


def _read(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as TOML: {error}.") from error


def _of_file(ctx: click.Context, path: Path, table: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults of the command of a found file."""
    own = ctx.command.name in OF_RUNS
    values = _merged(ctx, table if own else {key: value for key, value in table.items() if key == ctx.command.name})
    if refused := [key for key in values if _plain(key) in NEVER_FOUND]:
        raise InputError(f"{path}: {refused[0]} is not taken from a file that was found: give --{refused[0]} yourself.")
    if path.parent != Path.cwd():
        for key in PATHS:
            if key in values:
                values[key] = _placed(values[key], path.parent)
    # What only the other of the two takes is no error in a file for both.
    return _defaults(ctx, path, values, {*_params(ctx.command), *(_of_runs(ctx) if own else ())})


def _placed(value: Any, folder: Path) -> Any:
    """A path, or a list of them, as seen from ``folder``; URLs, ``module:function`` and ``lfw:DIR`` stay."""
    if isinstance(value, list):
        return [_placed(item, folder) for item in value]
    return value if ":" in str(value) else str(folder / str(value))


def _merged(ctx: click.Context, table: Mapping[str, Any]) -> dict[str, Any]:
    """What is at the top, with the table of the command over it; tables of other commands are left out."""
    root = ctx.find_root().command
    commands = root.commands if isinstance(root, click.Group) else {str(ctx.command.name): ctx.command}
    values = {key: value for key, value in table.items() if not (key in commands and isinstance(value, dict))}
    own = table.get(str(ctx.command.name))
    return {**values, **(own if isinstance(own, dict) else {})}


def _defaults(ctx: click.Context, path: Path, values: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """Values of a file by names of parameters; keys are the options' spellings, with or without dashes inside."""
    params = _params(ctx.command)
    found: dict[str, Any] = {}
    for key, setting in values.items():
        if (param := params.get(_plain(key))) is not None:
            found[str(param.name)] = _default(param, setting)
        elif _plain(key) not in known:
            near = get_close_matches(_plain(key), known, n=1)
            hint = f"did you mean {near[0].replace('_', '-')!r}?" if near else f"see 'bbdft {ctx.command.name} --help'."
            raise InputError(f"{path} has the unknown key {key!r}: {hint}")
    return found


def _of_runs(ctx: click.Context) -> set[str]:
    root = ctx.find_root().command
    commands = root.commands if isinstance(root, click.Group) else {}
    return {key for name in OF_RUNS if name in commands for key in _params(commands[name])}


def _params(command: click.Command) -> dict[str, click.Parameter]:
    """Parameters by their spellings, in which dashes are underscores."""
    return {
        _plain(flag.lstrip("-")): param
        for param in command.params
        for flag in (param.opts if isinstance(param, click.Option) else [f"--{param.name}"])
        if param.name != "config" and flag.startswith("--")
    }


def _plain(key: str) -> str:
    return key.replace("-", "_")


def _default(param: click.Parameter, setting: Any) -> Any:
    """A value of a TOML file as it would be given on the command line."""
    if isinstance(setting, bool):
        return setting
    if getattr(param, "multiple", False):
        return setting if isinstance(setting, list) else [setting]
    return ",".join(map(str, setting)) if isinstance(setting, list) else str(setting)


def _environment(ctx: click.Context) -> dict[str, tuple[str, Any]]:
    """Variables and their values by name of the parameter; one with the command in its name wins."""
    command = str(ctx.command.name)
    found: dict[str, tuple[str, Any]] = {}
    for key, param in _params(ctx.command).items():
        for variable in _variables(command, key):
            if (text := os.environ.get(variable, "")) != "":
                # An item of a repeated option may hold spaces and commas.
                value = text.splitlines() if getattr(param, "multiple", False) else text
                found[str(param.name)] = variable, value
    return found


def _variables(command: str, key: str) -> Iterator[str]:
    """Variables of an option of a command; the last one wins."""
    if command in OF_RUNS and key.upper() not in OTHER_VARIABLES:
        yield PREFIX + key.upper()
    yield f"{PREFIX}{command.upper()}_{key.upper()}"


def misspelled_variables(root: click.Group) -> Iterator[str]:
    """Sentences on variables that are no option, and nearly one."""
    if not (given := {name for name in os.environ if name.startswith(PREFIX)}):
        return
    known = {
        variable
        for name, command in root.commands.items()
        for key in _params(command)
        for variable in _variables(name, key)
    } | {PREFIX + name for name in OTHER_VARIABLES}
    for name in sorted(given - known):
        if near := get_close_matches(name, known, n=1, cutoff=0.8):
            yield f"WARNING: the variable {name} is no option: did you mean {near[0]}?"


def _spelling(ctx: click.Context, name: str) -> str:
    param = next(param for param in ctx.command.params if param.name == name)
    return max(param.opts, key=len) if isinstance(param, click.Option) else name.upper()
