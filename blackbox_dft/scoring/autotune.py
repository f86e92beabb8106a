"""How a model on this machine's CPU is fastest: calls side by side, threads and images of each.

Found out once for a model and a machine, on the first images a run scores anyway, and remembered in the user's cache
folder: ``BBDFT_CACHE``, else ``blackbox-dft`` in ``XDG_CACHE_HOME`` or ``~/.cache``. Where that cannot be written, it
is found out again.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from blackbox_dft._utils.cpu import cores
from blackbox_dft._utils.files import cache_folder, write_text
from blackbox_dft._utils.hashing import digest
from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.errors import InputError
from blackbox_dft.scoring.scorer import Scorer
from blackbox_dft.targets.base import AutotunableTarget, Target

SECONDS = 2.0
"""Longest the ways are tried, all together."""
TRIAL = 0.15
"""Seconds a way is tried, where it does not take longer to call it twice."""
SHARES = 6
"""A way gets no more than this part of the images, unless it needs them to be called twice."""
GAIN = 1.05
"""What a way must gain over the usual one to be taken instead,"""
FEWER = 1.25
"""and what one of fewer calls at once must: its threads burn the cores while they wait for each other."""
BATCHES = (4, 8, 16, 32, 64)


@dataclass(frozen=True)
class CallPlan:
    """Calls side by side, threads of each, images of each."""

    workers: int
    threads: int
    batch: int

    def __str__(self) -> str:
        calls = "1 call" if self.workers == 1 else f"{self.workers} calls"
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{calls} at once, of {threads} and {self.batch} images"


def usual(target: Target) -> CallPlan:
    """What a target does unless something better is known."""
    return CallPlan(target.workers, 1, target.batch)


def open_to(target: Target) -> bool:
    """Whether nobody said how the target is to be called, and it can be called in other ways."""
    return isinstance(target, AutotunableTarget) and target.call_plan_is_open


def recall(target: Target, step: int, ahead: bool) -> CallPlan | None:
    """What was found for this model on this machine, steps of so many queries, and a change that is or isn't ahead."""
    try:
        found = json.loads(_file(target, step, ahead).read_text(encoding="utf-8"))
        arrangement = CallPlan(**{name: int(found[name]) for name in ("workers", "threads", "batch")})
    except (OSError, ValueError, TypeError, KeyError, RuntimeError):
        return None
    return arrangement if min(asdict(arrangement).values()) >= 1 else None


def remember(target: Target, step: int, ahead: bool, arrangement: CallPlan) -> None:
    """Keeps what was found, where that can be."""
    with suppress(OSError, InputError, RuntimeError):
        file = _file(target, step, ahead)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps(asdict(arrangement)) + "\n")


def _file(target: Target, step: int, ahead: bool) -> Path:
    import onnxruntime as ort

    machine = f"{platform.node()} {platform.machine()} {platform.processor()} {cores()} {ort.__version__}"
    name = digest(target.fingerprint, machine, str(step), str(ahead)).hex()
    return cache_folder() / "arrangements" / f"{name}.json"


def find(
    scorer: Scorer, images: Ints, z: Floats, step: int, ahead: bool, clock: Callable[[], float] = time.perf_counter
) -> CallPlan | None:
    """The fastest way for the scorer's target, tried on ``images`` under ``z (k,)``, whose scores are kept.

    ``step`` is how many queries come at once: they have to go round. A change ``ahead`` of the model takes one core a
    call, and unchanged images do not show what it costs: as many calls as usual are made then. Nothing is found where
    the images do not suffice to try the usual way and another. The target is left in the way it was tried last.
    """
    target = scorer.target
    assert isinstance(target, AutotunableTarget)
    default, began = usual(target), clock()
    rates: dict[CallPlan, float] = {}
    done = 0
    for way in _ways(default, step, ahead):
        least, wanted = 2 * way.workers * way.batch, int(TRIAL * max(rates.values(), default=0.0))
        # Some images are left for the ways to come.
        count = max(least, min(wanted, len(images) // SHARES))
        if done + count > len(images) or clock() - began > SECONDS:
            break
        target.set_call_plan(way.workers, way.threads)
        scorer.set_call_plan(way.batch, way.workers + 1)
        # The first calls make memory ready, and are not timed.
        warm = way.workers * way.batch if count >= 3 * way.workers * way.batch else 0
        for part in filter(len, (images[done : done + warm], images[done + warm : done + count])):
            start = clock()
            scorer.score("select", part, z)
            rates[way] = len(part) / max(clock() - start, 1e-9)
        done += count
    # Who needs them asks again, which is no query saved.
    scorer.cached -= done
    if len(rates) < 2:
        return None

    def worth(way: CallPlan) -> float:
        return rates[way] / (1 if way == default else FEWER if way.workers < default.workers else GAIN)

    return max(rates, key=worth)


def _ways(default: CallPlan, step: int, ahead: bool) -> Iterator[CallPlan]:
    calls = default.workers
    yield default
    for workers, threads in [(calls, 1)] if ahead or calls == 1 else [(calls, 1), (1, calls)]:
        most = max(1, -(-step // workers))
        for batch in sorted({min(batch, most) for batch in BATCHES}, reverse=True):
            if (way := CallPlan(workers, threads, batch)) != default:
                yield way
