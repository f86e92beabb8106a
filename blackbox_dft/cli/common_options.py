"""Options that several commands share, and their way into the package's values."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from blackbox_dft.targets.options import TargetOptions

Command = TypeVar("Command", bound=Callable[..., Any])


def _numbers(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no list of numbers: write 0.485,0.456,0.406") from error


def _names(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = tuple(name.strip() for name in value.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise click.BadParameter(f"{value!r} names a class twice or leaves one empty: write a,b,c")
    return names


def _size(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    height, _, width = value.lower().partition("x")
    if not height.isdigit() or not (width or height).isdigit() or not int(height) or not int(width or height):
        raise click.BadParameter(f"{value!r} is no size: write HEIGHTxWIDTH, such as 112x112")
    return int(height), int(width or height)


def _config(ctx: click.Context, param: click.Parameter, value: tuple[Path, ...]) -> None:
    """Values of the files become defaults, so that options given beside them win, and later files over earlier ones."""
    for path in value:
        _default(ctx, path)


def _default(ctx: click.Context, path: Path) -> None:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"{path} cannot be read as TOML: {error}") from error
    params = {p.name: p for p in ctx.command.params if p.name not in (None, "config", "help")}
    defaults: dict[str, Any] = {}
    for key, setting in table.items():
        name = key.replace("-", "_")
        if name not in params:
            near = get_close_matches(name, [str(n) for n in params], n=1)
            hint = f"did you mean {near[0].replace('_', '-')!r}?" if near else "see 'bbdft optimize --help'"
            raise click.BadParameter(f"{path} has the unknown key {key!r}: {hint}")
        defaults[name] = setting if isinstance(setting, bool | list) else str(setting)
    ctx.default_map = {**(ctx.default_map or {}), **defaults}


def target_options(command: Command) -> Command:
    """What may have to be said of a target."""
    for option in reversed(
        [
            click.option("--output", metavar="NAME", help="Which output of the model holds the scores."),
            click.option(
                "--model-classes", "classes", metavar="A,B,C", callback=_names, help="Names of the scores, in order."
            ),
            click.option("--layout", type=click.Choice(["auto", "nchw", "nhwc"]), default="auto", show_default=True),
            click.option(
                "--channel-order",
                "order",
                type=click.Choice(["auto", "rgb", "bgr", "grey"]),
                default="auto",
                show_default=True,
                help="Order of the model's input channels.",
            ),
            click.option(
                "--range",
                "range_",
                type=click.Choice(["auto", "0..1", "0..255", "-1..1"]),
                default="auto",
                show_default=True,
                help="Values of a pixel that the model expects.",
            ),
            click.option("--mean", metavar="R,G,B", callback=_numbers, help="Subtracted from pixels in [0, 1]."),
            click.option("--std", metavar="R,G,B", callback=_numbers, help="Divides them after that."),
            click.option("--size", metavar="HxW", callback=_size, help="Image size, for a model that takes any."),
            click.option(
                "--provider",
                type=click.Choice(["auto", "cpu", "cuda", "tensorrt"]),
                default="auto",
                show_default=True,
                help="What the model runs on.",
            ),
            click.option("--float16", is_flag=True, help="Run an ONNX model in half precision: for GPUs."),
            click.option("--batch", type=click.IntRange(1), help="Images in a request."),
            click.option(
                "--concurrency", "--workers", type=click.IntRange(1, 1024), help="Requests, or actors, side by side."
            ),
            click.option("--profile", default="v2", show_default=True, help="How a URL is spoken to; or FILE.toml."),
            click.option(
                "--input", "input_", metavar="NAME", help="Input of a V2 model that does not describe itself."
            ),
            click.option("--datatype", type=click.Choice(["FP32", "FP16", "FP64", "UINT8"]), help="Its type."),
            click.option(
                "--header", "headers", multiple=True, metavar="NAME: VALUE", help="Secrets as {env:VARIABLE}."
            ),
            click.option("--cert", metavar="FILE.pem", help="Client certificate and its key."),
            click.option("--rate", metavar="10/s", help="Requests that may leave in a second (/m, /h)."),
            click.option("--timeout", type=click.FloatRange(0.01), default=60.0, show_default=True, help="Seconds."),
            click.option(
                "--patience",
                type=click.FloatRange(0),
                default=600.0,
                show_default=True,
                help="Seconds of trying again without a success before giving up.",
            ),
            click.option("--insecure", is_flag=True, help="Let secrets go over plain http."),
        ]
    ):
        command = option(command)
    return command


def make_options(values: dict[str, Any]) -> TargetOptions:
    """Takes the values of ``target_options`` out of a command's keyword arguments."""
    from blackbox_dft.targets.options import TargetOptions

    return TargetOptions(
        output=values.pop("output"),
        classes=values.pop("classes"),
        layout=values.pop("layout"),
        channels=values.pop("order"),
        range=values.pop("range_"),
        mean=values.pop("mean"),
        std=values.pop("std"),
        size=values.pop("size"),
        provider=values.pop("provider"),
        float16=values.pop("float16"),
        batch=values.pop("batch"),
        workers=values.pop("concurrency"),
        cluster=_here(values.pop("cluster", None)),
        profile=values.pop("profile"),
        input=values.pop("input_"),
        datatype=values.pop("datatype"),
        headers=tuple(values.pop("headers")),
        cert=values.pop("cert"),
        rate=values.pop("rate"),
        timeout=values.pop("timeout"),
        patience=values.pop("patience"),
        insecure=values.pop("insecure"),
    )


def _here(cluster: str | None) -> str:
    return "" if cluster in (None, "none") else cluster


def cluster_option(command: Command) -> Command:
    """Where the model runs."""
    return click.option(
        "--cluster",
        metavar="ADDRESS|local",
        help="Run the model on --workers actors of a Ray cluster; local: one begun here; none: in this process.",
    )(command)


def placing_options(command: Command) -> Command:
    """Where the model of a run that was begun runs now."""
    workers = click.option("--workers", type=click.IntRange(1, 1024), help="Actors, or calls here, side by side.")
    return cluster_option(workers(command))


def output_options(command: Command) -> Command:
    """How a run speaks."""
    for option in reversed(
        [
            click.option("--quiet", is_flag=True, help="Only the result and errors."),
            click.option("--json", "as_json", is_flag=True, help="Print summary.json, and nothing else, on stdout."),
        ]
    ):
        command = option(command)
    return command


label_option = click.option(
    "--label",
    default="",
    metavar="NAME",
    help="Attribute of lfw:, celeba: or muct:, or column of the CSV, that holds the labels.",
)

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
