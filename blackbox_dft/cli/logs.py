"""What goes to stderr as a log: ``-v`` and ``--log-json``, by Python's ``logging``.

The package logs under ``blackbox_dft``, as libraries do: silent unless there is a handler, which ``-v`` adds. With
``--log-json``, what commands say on stderr is logged too, under ``bbdft``, so that every line there is JSON.
"""

from __future__ import annotations

import click

from blackbox_dft.cli.streams import log_what_is_said

PACKAGE = "blackbox_dft"


def log_options() -> list[click.Option]:
    """``-v`` and ``--log-json``, which all commands have."""
    return [
        click.Option(
            ["-v", "--verbose"],
            count=True,
            is_eager=True,
            expose_value=False,
            callback=_verbose,
            help="Log what is done on stderr: phases, retries; -vv: more.",
        ),
        click.Option(
            ["--log-json"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_log_json,
            help="Every line on stderr as JSON.",
        ),
    ]


def _verbose(ctx: click.Context, param: click.Parameter, value: int) -> None:
    if not value or ctx.resilient_parsing:
        return
    import logging

    logger = logging.getLogger(PACKAGE)
    logger.setLevel(logging.INFO if value == 1 else logging.DEBUG)
    _listen(json="log_json" in ctx.meta)


def _log_json(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    ctx.meta["log_json"] = True
    log_what_is_said()
    import logging

    logging.captureWarnings(True)
    logging.getLogger("py.warnings").propagate = False
    _listen(json=True)


def _listen(*, json: bool) -> None:
    import logging
    import sys

    from blackbox_dft._utils.json_lines import JsonLines

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if json else logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    for name in (PACKAGE, *(("bbdft", "py.warnings") if json else ())):
        logging.getLogger(name).handlers = [handler]
