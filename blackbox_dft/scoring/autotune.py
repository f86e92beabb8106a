"""Autotuning on the CPU: measures how many calls at once, threads and images per call are fastest for a model.

Measured once for a model and a machine, on the first images that a run scores anyway, and kept in the user's cache
folder: ``BBDFT_CACHE``, else ``blackbox-dft`` in ``XDG_CACHE_HOME`` or ``~/.cache``. If that cannot be written, every
run measures again.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from blackbox_dft._utils.cpu import cores
from blackbox_dft._utils.files import cache_folder, write_text
from blackbox_dft._utils.hashing import digest
from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.errors import InputError
from blackbox_dft.scoring.scorer import Scorer
from blackbox_dft.targets.base import AutotunableTarget, Target

MAX_SECONDS = 2.0
"""All trials together; no new one begins after that."""
TRIAL_SECONDS = 0.15
"""Of one trial, unless calling the model twice takes longer."""
PLANNED_TRIALS = 6
"""A trial gets at most this part of the images, unless it needs more to call the model twice."""
MIN_SPEEDUP = 1.05
"""What a plan must gain over the default one to be chosen instead."""
MIN_SPEEDUP_OF_FEWER_CALLS = 1.25
"""The same for a plan of fewer calls at once: its threads keep the cores busy while they wait for each other."""
BATCH_SIZES = (4, 8, 16, 32, 64)
LEAST_AHEAD, SIDE_AHEAD = 4, 96
"""Images of a call and pixels a side, below which a call costs too much beside the change of its images."""


@dataclass(frozen=True)
class CallPlan:
    """How a model is called.

    >>> print(CallPlan(workers=4, threads=1, batch=16))
    4 calls at once, of 1 thread and 16 images
    """

    workers: int
    """Calls at once."""
    threads: int
    """Threads of each call."""
    batch: int
    """Images of each call."""

    def __str__(self) -> str:
        calls = "1 call" if self.workers == 1 else f"{self.workers} calls"
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{calls} at once, of {threads} and {self.batch} images"


def default_plan(target: Target) -> CallPlan:
    """How ``target`` is called if nothing better is known."""
    return CallPlan(target.workers, 1, target.batch)


def plan_ahead(target: Target, step: int, side: int) -> CallPlan:
    """The same if images of ``side`` pixels are changed ahead of the model, and the search waits for every step.

    Each worker then gets two calls of a step of ``step`` queries, so that one of them changes images while another is
    in the model, unless that leaves too few images a call, or they are small (``benchmarks/speed/turns.py --steps``).
    """
    plan = default_plan(target)
    halved = max(LEAST_AHEAD, step // (2 * plan.workers))
    return replace(plan, batch=min(plan.batch, halved)) if side >= SIDE_AHEAD else plan


def can_autotune(target: Target) -> bool:
    """Whether ``target`` can be called in several ways, and the user chose none of them."""
    return isinstance(target, AutotunableTarget) and target.call_plan_is_open


def load_plan(target: Target, step: int, ahead: bool, default: CallPlan) -> CallPlan | None:
    """The plan in the cache for this model and machine, or None; arguments as for ``find_plan``."""
    try:
        document = json.loads(_file(target, step, ahead, default).read_text(encoding="utf-8"))
        plan = CallPlan(**{name: int(document[name]) for name in ("workers", "threads", "batch")})
    except (OSError, ValueError, TypeError, KeyError, RuntimeError):
        return None
    return plan if min(asdict(plan).values()) >= 1 else None


def save_plan(target: Target, step: int, ahead: bool, default: CallPlan, plan: CallPlan) -> None:
    """Writes ``plan`` to the cache, if there is one; arguments as for ``find_plan``."""
    with suppress(OSError, InputError, RuntimeError):
        file = _file(target, step, ahead, default)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps(asdict(plan)) + "\n")


def _file(target: Target, step: int, ahead: bool, default: CallPlan) -> Path:
    import onnxruntime as ort

    machine = f"{platform.node()} {platform.machine()} {platform.processor()} {cores()} {ort.__version__}"
    name = digest(target.fingerprint, machine, str(step), f"ahead {ahead}", str(default)).hex()
    return cache_folder() / "call-plans" / f"{name}.json"


def find_plan(
    scorer: Scorer,
    images: Ints,
    z: Floats,
    step: int,
    ahead: bool,
    clock: Callable[[], float] = time.perf_counter,
    default: CallPlan | None = None,
) -> CallPlan | None:
    """Measures plans for the scorer's target and returns the fastest, or None if there are too few images for two.

    The scores go to the ledger as usual. The target is left as the last trial called it.

    Args:
        scorer: of an ``AutotunableTarget`` that has no call under way.
        images: to score ``(N,)``, as indices into the pool.
        z: to score them under ``(k,)``.
        step: queries that a step of the search submits together; they are to keep all workers busy.
        ahead: whether images are changed outside the model's graph, on one core for each call. Unchanged images do not
            show what that costs, so only plans with the default number of calls, and no smaller ones, are tried then.
        clock: seconds.
        default: the plan that others must be faster than; by default that of ``default_plan``.
    """
    target = scorer.target
    assert isinstance(target, AutotunableTarget)
    default, started = default or default_plan(target), clock()
    candidates = list(_candidates(default, step, ahead))
    if len(candidates) < 2:
        return None
    rates: dict[CallPlan, float] = {}
    done = 0
    for plan in candidates:
        minimum, wanted = 2 * plan.workers * plan.batch, int(TRIAL_SECONDS * max(rates.values(), default=0.0))
        # Some images are left for the plans to come.
        count = max(minimum, min(wanted, len(images) // PLANNED_TRIALS))
        if done + count > len(images) or clock() - started > MAX_SECONDS:
            break
        target.set_call_plan(plan.workers, plan.threads)
        scorer.set_call_plan(plan.batch, plan.workers + 1)
        # The first calls allocate memory; their time does not count.
        warm = plan.workers * plan.batch if count >= 3 * plan.workers * plan.batch else 0
        for part in filter(len, (images[done : done + warm], images[done + warm : done + count])):
            start = clock()
            scorer.score("select", part, z)
            rates[plan] = len(part) / max(clock() - start, 1e-9)
        done += count
    # The run scores these images again, which saves it no query.
    scorer.cached -= done
    if len(rates) < 2:
        return None

    def worth(plan: CallPlan) -> float:
        if plan == default:
            return rates[plan]
        return rates[plan] / (MIN_SPEEDUP_OF_FEWER_CALLS if plan.workers < default.workers else MIN_SPEEDUP)

    return max(rates, key=worth)


def _candidates(default: CallPlan, step: int, ahead: bool) -> Iterator[CallPlan]:
    calls = default.workers
    yield default
    for workers, threads in [(calls, 1)] if ahead or calls == 1 else [(calls, 1), (1, calls)]:
        largest = max(1, -(-step // workers))
        # What a change does once a call takes as long as the change of an image.
        least = min(default.batch, largest) if ahead else 1
        for batch in sorted({min(batch, largest) for batch in BATCH_SIZES if batch >= least}, reverse=True):
            if (plan := CallPlan(workers, threads, batch)) != default:
                yield plan
