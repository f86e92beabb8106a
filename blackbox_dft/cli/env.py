"""``bbdft env``: what a bug report should say of the machine."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

import click

from blackbox_dft.cli.command import Command
from blackbox_dft.cli.streams import json_option, print_json
from blackbox_dft.version import __version__

PACKAGES = (
    *("numpy", "scipy", "onnx", "onnxruntime-gpu", "onnxruntime", "opencv-python-headless", "opencv-python"),
    *("opencv-contrib-python", "opencv-contrib-python-headless", "pillow", "cma", "click", "rich", "pandas", "httpx"),
    *("matplotlib", "scikit-learn", "starlette", "uvicorn", "ray", "torch"),
)
"""Those whose versions matter; one that is not installed is left out."""


@click.command(cls=Command, short_help="Show versions, providers, cores and folders, for bug reports.")
@json_option("Print JSON, and nothing else, on stdout.")
def env(as_json: bool) -> None:
    """Show versions, providers, cores and folders, for bug reports. Values of variables are not shown."""
    found = describe()
    if as_json:
        print_json(found)
        return
    width = max(map(len, found))
    for key, value in found.items():
        lines = [f"{name} {what}" for name, what in value.items()] if isinstance(value, dict) else [str(value)]
        if isinstance(value, list):
            lines = [", ".join(value) or "-"]
        for number, line in enumerate(lines):
            click.echo(f"{key.replace('_', ' ') if number == 0 else '':<{width}}  {line}")


def describe() -> dict[str, Any]:
    """What ``bbdft env`` shows."""
    from blackbox_dft._utils.cpu import cores

    return {
        "blackbox_dft": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": platform.platform(),
        "cores": cores(),
        "packages": _packages(),
        "providers": _providers(),
        "cache": _cache(),
        "variables": sorted(name for name in os.environ if name.startswith("BBDFT_")),
    }


def _packages() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _providers() -> dict[str, str]:
    """Whether each provider works here, or why it does not."""
    try:
        from blackbox_dft.targets.onnx.providers import EXECUTION_PROVIDERS, unavailable_reason

        return {name: unavailable_reason(name) or "available" for name in EXECUTION_PROVIDERS}
    except Exception as error:
        # An installation that is broken is what this command is for.
        return {"onnxruntime": f"cannot be imported: {error}"}


def _cache() -> str:
    from blackbox_dft._utils.files import cache_folder

    try:
        return str(cache_folder())
    except RuntimeError as error:
        return f"none ({error})"
