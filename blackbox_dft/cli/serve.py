"""``bbdft serve``: a model behind the Open Inference Protocol V2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from blackbox_dft.cli.common_options import options, take
from blackbox_dft.targets.options import TargetOptions


@click.command(short_help="Serve MODEL.onnx by the Open Inference Protocol V2, to try the HTTP path.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@click.option("--name", help="Name of the model.  [default: the file's]")
@click.option(
    "--max-batch", type=click.IntRange(1), default=64, show_default=True, help="Images in a call of the model, at most."
)
@click.option(
    "--max-wait-ms", type=click.FloatRange(0), default=2.0, show_default=True, help="Time to wait for more images."
)
@options(TargetOptions, but=("cluster",))
def serve(
    model: Path, host: str, port: int, name: str | None, max_batch: int, max_wait_ms: float, **values: Any
) -> None:
    """Serve MODEL.onnx by the Open Inference Protocol V2, JSON and binary tensors.

    In another terminal: bbdft optimize http://127.0.0.1:8000 --data DATA --out RUN
    """
    import re
    import socket

    from blackbox_dft.errors import InputError
    from blackbox_dft.targets.onnx.target import OnnxTarget

    try:
        import uvicorn

        from blackbox_dft.deploy.serve.app import make_app
    except ImportError as error:
        raise InputError(f"serving needs {error.name}: pip install 'blackbox-dft[serve]'.") from error

    target = OnnxTarget(model, take(TargetOptions, values))
    name = name or model.stem
    if not re.fullmatch(r"[\w.-]+", name):
        raise InputError(
            f"the model's name {name!r} is part of URLs: give --name with letters, digits, dots and dashes."
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With TCP named here, asyncio turns off Nagle's algorithm, which would cost 40 ms a response.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        raise InputError(f"cannot listen on {host}:{port} ({error.strerror}): give another --port, or 0.") from error
    app = make_app(target, name, max_batch=max_batch, max_wait=max_wait_ms / 1000)
    shown = f"[{host}]" if ":" in host else host
    place = f"http://{shown}:{listener.getsockname()[1]}/v2/models/{name}"
    click.echo(f"serving {model} on the {target.provider} at {place}")
    uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listener])
