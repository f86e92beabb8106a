"""Service: the tuned target of a finished run, or an ONNX file, as an app for ``bbdft serve``."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from starlette.applications import Starlette

from blackbox_dft._utils.cpu import cores
from blackbox_dft.deploy.serve.app import make_app, make_tuned_app
from blackbox_dft.deploy.serve.gate import LOG
from blackbox_dft.deploy.serve.limits import Limits
from blackbox_dft.deploy.serve.metrics import Metrics
from blackbox_dft.deploy.serve.server import Shared
from blackbox_dft.deploy.serve.tuned_model import TunedModel
from blackbox_dft.deploy.serve.upstream import LocalScoring, RemoteScoring, Scoring
from blackbox_dft.run.in_use import RunInUse, open_run
from blackbox_dft.targets import TargetOptions, make_target
from blackbox_dft.targets.base import ConcurrentTarget, ExplainsNoScore, Target
from blackbox_dft.targets.http.rate_limit import RateLimit
from blackbox_dft.targets.http.secrets import resolve
from blackbox_dft.targets.http.target import HttpTarget
from blackbox_dft.targets.onnx.target import OnnxTarget
from blackbox_dft.version import __version__

CONCURRENCY = 64
"""Requests to a URL at once, of all worker processes together, if no number is given."""


@dataclass(frozen=True)
class ServiceSettings:
    """What is served, and how; it may be pickled, and holds no secret."""

    place: Path
    """The folder of a run, or an ONNX file."""
    name: str
    """Of the model, in URLs."""
    options: TargetOptions = field(default_factory=TargetOptions)
    """Of an ONNX file."""
    limits: Limits = field(default_factory=Limits)
    max_batch: int = 64
    max_wait: float = 0.002
    """Seconds."""
    key: str = ""
    """That clients must give, as ``env:NAME`` or ``file:PATH``."""
    concurrency: int | None = None
    """Requests to the target at once."""
    rate: str | None = None
    """Of requests to the target; by default as in the run."""
    timeout: float | None = None
    """Seconds of a request to the target; by default as in the run."""
    price: float | None = None
    """Of an image; by default as in the run."""

    @contextmanager
    def open(self, shared: Shared, worker: int = 0) -> Iterator[Starlette]:
        """The app of one of the worker processes; the target is closed at the end.

        Raises:
            InputError: the run, the model or the key cannot be used.
            TargetError: a URL does not respond.
        """
        key = resolve(f"{{{self.key}}}")[0] if self.key else ""
        # Its warnings are for those who write programs.
        warnings.simplefilter("ignore")
        if not self.place.is_dir():
            about = {"version": __version__, "model": self.name}
            with OnnxTarget(self.place, self.options) as target:
                app = make_app(
                    target,
                    self.name,
                    max_batch=self.max_batch,
                    max_wait=self.max_wait,
                    metrics=Metrics(shared.rows, worker, about=about),
                    key=key,
                    queue=self.limits.queue,
                )
                app.state.provider = target.provider
                yield app
            return
        opened = open_run(self.place, rate=self.rate, price=self.price)
        # What a result depends on, besides the target.
        version = f"{__version__}+{opened.tuning.digest[:12]}"
        metrics = Metrics(
            shared.rows, worker, price=opened.config.price, about={"version": version, "model": self.name}
        )
        with self._target(opened, shared.workers) as target:
            recorded = opened.record.inputs.get("target")
            if worker == 0 and recorded and recorded != target.fingerprint:
                text = "the target is another file, or describes itself otherwise, than at the run: see 'bbdft check'"
                LOG.warning(text)
            app = make_tuned_app(
                TunedModel(
                    opened.tuning,
                    self._scoring(opened, target, metrics, shared),
                    metrics,
                    self.limits,
                    name=self.name,
                    version=version,
                    explain_no_score=target.explain_no_score if isinstance(target, ExplainsNoScore) else lambda: None,
                ),
                metrics,
                self.limits,
                key=key,
                budget=shared.budget,
            )
            app.state.provider = target.describe().get("provider", "this machine")
            yield app

    def _target(self, opened: RunInUse, workers: int) -> Target:
        options = replace(opened.config.target_options, cluster="", rate=None)
        at_once = self.concurrency or options.workers
        if "://" in opened.config.target:
            options = replace(
                options,
                workers=max(1, (at_once or CONCURRENCY) // workers),
                timeout=min(self.timeout or options.timeout, self.limits.deadline),
            )
        else:
            options = replace(options, workers=at_once or (max(1, cores() // workers) if workers > 1 else None))
        target = make_target(opened.config.target, options)
        if isinstance(target, HttpTarget):
            # The service itself sends again: it knows how long a client waits.
            target.transport.patience = 0.0
        return target

    def _scoring(self, opened: RunInUse, target: Target, metrics: Metrics, shared: Shared) -> Scoring:
        repeats = opened.config.repeats
        if not isinstance(target, ConcurrentTarget):
            return LocalScoring(
                target, metrics, shared.budget, max_batch=self.max_batch, max_wait=self.max_wait, repeats=repeats
            )
        text = opened.config.target_options.rate
        # Each worker keeps to its share of the rate.
        rate = RateLimit(1, RateLimit.parse(text).gap * shared.workers) if text else None
        return RemoteScoring(
            target,
            metrics,
            shared.budget,
            self.limits,
            concurrency=target.workers,
            rate=rate,
            repeats=repeats,
        )
