"""Images a second of a target: as in the last run of it on this machine, or from a call or two of a local model.

It is kept beside the call plans in the user's cache folder (``autotune``), and only says in a plan how long a run will
take. If the cache cannot be written, it is not known.
"""

from __future__ import annotations

import json
import platform
from contextlib import suppress
from pathlib import Path

from blackbox_dft._utils.cpu import cores
from blackbox_dft._utils.files import cache_folder, write_text
from blackbox_dft._utils.hashing import digest
from blackbox_dft._utils.timing import timed
from blackbox_dft._utils.types import ImageBytes
from blackbox_dft.errors import InputError
from blackbox_dft.targets.base import GraphTarget, Target

MIN_IMAGES = 100
"""Fewer do not tell a target's speed: the first ones wait for memory, connections, threads."""


def remember_speed(target: Target, images: int, seconds: float) -> None:
    """Keeps how long ``images`` took in a run, if they are enough."""
    if images < MIN_IMAGES or seconds <= 0:
        return
    with suppress(OSError, InputError, RuntimeError):
        file = _file(target)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps({"images_per_second": round(images / seconds, 3)}) + "\n")


def remembered_speed(target: Target) -> float | None:
    """Images a second in the last run of ``target`` on this machine."""
    with suppress(OSError, ValueError, TypeError, KeyError, RuntimeError):
        speed = float(json.loads(_file(target).read_text(encoding="utf-8"))["images_per_second"])
        return speed if speed > 0 else None
    return None


def measured_speed(target: Target, images: ImageBytes) -> float | None:
    """Images a second of a model in an ONNX file, from the first of ``images``.

    None for other targets, which may cost, and on a GPU, of whose speed one image says nothing.
    """
    if not isinstance(target, GraphTarget) or target.provider != "cpu" or not len(images):
        return None
    images = images[: target.input_format.batch or 1]
    _, seconds = timed(lambda: target.scores(images))
    return target.workers * len(images) / max(seconds, 1e-9)


def _file(target: Target) -> Path:
    machine = f"{platform.node()} {platform.machine()} {cores()} {target.describe().get('provider', '')}"
    return cache_folder() / "speeds" / f"{digest(target.fingerprint, machine).hex()}.json"
