"""``bbdft serve``: a run's tuned target, or a model, as a service."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blackbox_dft.cli.command import Command
from blackbox_dft.cli.common_options import options, take
from blackbox_dft.cli.confirmation import Consent, consent_options
from blackbox_dft.errors import InputError
from blackbox_dft.run.config import Config
from blackbox_dft.targets.options import TargetOptions

if TYPE_CHECKING:
    from blackbox_dft.run.service import ServiceSettings

OF_A_RUN = ("price", "budget", "deadline", "max_image", "max_pixels", "rate", "timeout", "yes", "confirm_above")
"""Options that only a run has."""
OF_BOTH = ("workers",)
"""Options of the target that may be given with a run too, beside those of ``OF_A_RUN``."""
MIB = 2**20


FIRST = ("host", "port", "name", "processes", "key", "budget", "rate", "price", "yes", "deadline", "quiet")
EXAMPLES = (
    "bbdft serve run --port 8000 --key env:SERVICE_KEY",
    "bbdft serve model.onnx --workers 2",
)


@click.command(
    cls=Command, first=FIRST, examples=EXAMPLES, short_help="Serve the tuned target of RUN, or a MODEL, over HTTP."
)
@click.argument("place", metavar="RUN|MODEL.onnx", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@click.option("--name", help="Name of the model in URLs.  [default: that of the folder or file]")
@click.option("--workers", "processes", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
@click.option(
    "--key", metavar="env:NAME", help="Key that clients must give, from an environment variable or file:PATH."
)
@click.option(
    "--max-batch", type=click.IntRange(1), default=64, show_default=True, help="Images in a call of a model, at most."
)
@click.option(
    "--max-wait-ms", type=click.FloatRange(0), default=2.0, show_default=True, help="Time to wait for more images."
)
@click.option("--budget", type=click.IntRange(1), help="Most images that RUN's target may be sent in all.")
@click.option(
    "--deadline", type=click.FloatRange(0.1), default=30.0, show_default=True, help="Seconds a client waits, at most."
)
@click.option(
    "--queue", type=click.IntRange(1), default=256, show_default=True, help="Requests that a process works on at once."
)
@click.option(
    "--max-image", type=click.FloatRange(0.01), default=20.0, show_default=True, help="MiB of an image file, at most."
)
@click.option(
    "--max-pixels", type=click.IntRange(1), default=40_000_000, show_default=True, help="Pixels of an image, at most."
)
@click.option("-q", "--quiet", is_flag=True, help="Log only what is an error.")
@options(Config, "price")
@consent_options
@click.option("--concurrency", "workers", type=click.IntRange(1, 1024), help="Requests to the target at once.")
@options(TargetOptions, but=("cluster", "workers"))
@click.pass_context
def serve(
    ctx: click.Context,
    /,
    place: Path,
    host: str,
    port: int,
    name: str | None,
    processes: int,
    budget: int | None,
    price: float | None,
    quiet: bool,
    **values: Any,
) -> None:
    """Serve the tuned target of RUN: POST /predict with an image returns its label. Or serve MODEL.onnx.

    Both speak the Open Inference Protocol V2 too; /docs says more. With RUN, each image is changed, under all views,
    sent to the run's target, and its scores are mapped to labels, as by 'bbdft predict'.
    """
    import re

    try:
        from blackbox_dft.deploy.serve import server
        from blackbox_dft.deploy.serve.gate import log_to_stderr
        from blackbox_dft.deploy.serve.limits import Limits
        from blackbox_dft.run.service import ServiceSettings
    except ImportError as error:
        raise InputError(f"serving needs {error.name}: pip install 'blackbox-dft[serve]'.") from error

    if place.is_dir() and not (place / "config.json").exists():
        raise InputError(f"{place} is a folder: give an ONNX file, or the folder of a finished run.")
    _check_given(ctx, run=place.is_dir())
    consent = Consent.take(values)
    name = name or (place.resolve().name if place.is_dir() else place.stem)
    if not re.fullmatch(r"[\w.-]+", name):
        raise InputError(
            f"the model's name {name!r} is part of URLs: give --name with letters, digits, dots and dashes."
        )
    limits = Limits(
        deadline=values.pop("deadline"),
        queue=values.pop("queue"),
        image=int(values.pop("max_image") * MIB),
        pixels=values.pop("max_pixels"),
    )
    key, max_batch, max_wait = _key(values.pop("key")), values.pop("max_batch"), values.pop("max_wait_ms") / 1000
    concurrency, rate, timeout = (values[option] for option in ("workers", "rate", "timeout"))
    settings = ServiceSettings(
        place,
        name,
        take(TargetOptions, values),
        limits,
        max_batch=max_batch,
        max_wait=max_wait,
        key=key,
        concurrency=concurrency,
        rate=rate,
        timeout=timeout if _given(ctx, "timeout") else None,
        price=price,
    )
    if place.is_dir():
        _confirm(settings, budget, consent)
    elif processes > 1 and concurrency is None:
        from blackbox_dft._utils.cpu import cores

        settings = replace(settings, options=replace(settings.options, workers=max(1, cores() // processes)))
    shared = server.Shared.make(processes, budget)
    listener = server.listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{listener.getsockname()[1]}"

    def ready(on: str) -> None:
        click.echo(f"serving {place} {on} at {url}/v2/models/{name}")

    log_to_stderr(quiet=quiet)
    if processes == 1:
        with settings.open(shared) as app:
            ready(f"on the {app.state.provider}")
            server.run_app(app, listener, limits.deadline)
        return
    server.run_workers(
        settings.open, shared, listener, limits.deadline, lambda: ready(f"by {processes} processes"), quiet=quiet
    )


def _given(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT


def _check_given(ctx: click.Context, *, run: bool) -> None:
    """Refuses options that would have no effect.

    Raises:
        InputError: names one.
    """
    for param in ctx.command.params:
        name = str(param.name)
        if not isinstance(param, click.Option) or not _given(ctx, name):
            continue
        of_target = name in TargetOptions.__dataclass_fields__ and name not in (*OF_A_RUN, *OF_BOTH)
        if run and of_target:
            raise InputError(f"{param.opts[0]} of a run's target is that of the run: leave it out.")
        if not run and name in OF_A_RUN:
            raise InputError(f"{param.opts[0]} is for the folder of a run: leave it out.")


def _key(text: str | None) -> str:
    if not text:
        return ""
    if not text.startswith(("env:", "file:")):
        raise InputError("--key would show the key to every user of this machine: give env:NAME or file:PATH.")
    return text


def _confirm(settings: ServiceSettings, budget: int | None, consent: Consent) -> None:
    from blackbox_dft.run.in_use import open_run

    config = open_run(settings.place, rate=settings.rate, price=settings.price).config
    consent.require(config.target, budget, config.price)
