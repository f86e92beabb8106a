"""A configuration with all it names opened and checked; nothing asked of the target, nothing written."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from blackbox_dft._utils.hashing import digest
from blackbox_dft._utils.types import Floats, Scores
from blackbox_dft.data import load
from blackbox_dft.data.dataset import Dataset
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.errors import InputError
from blackbox_dft.estimators import make_estimator
from blackbox_dft.estimators.auto import choose
from blackbox_dft.estimators.base import Estimator, SupportsDelayedTell
from blackbox_dft.fusion.fused_path import FusedPath, fused_path
from blackbox_dft.images.encoding import Encoding
from blackbox_dft.objectives import DEFAULT, make_objective
from blackbox_dft.objectives.outputs import Kind, OutputDecoder, class_count, infer_kind, members, parse_map
from blackbox_dft.run.budget import Plan, make_plan
from blackbox_dft.run.config import Config, parse_epsilon
from blackbox_dft.scoring import drift
from blackbox_dft.scoring.backends import make_backend
from blackbox_dft.scoring.backends.ray_cluster import open_cluster
from blackbox_dft.scoring.dispatcher import ConcurrencyPolicy
from blackbox_dft.scoring.keys import Keys
from blackbox_dft.scoring.ledger import LEDGER, Ledger
from blackbox_dft.scoring.scorer import Pool, Scorer
from blackbox_dft.spaces import distance_of, make_space
from blackbox_dft.spaces.base import Space
from blackbox_dft.spaces.composed import Composed
from blackbox_dft.targets import make_target
from blackbox_dft.targets.base import AutotunableTarget, GraphTarget, Target

LAG = 0.2
"""Seconds of answers that a kill may cost where nobody charges for them, as the model's graph lies here."""


class Experiment:
    """Data, target, space and plan of a configuration.

    ``sunk`` is what an earlier, smaller budget spent on its choice and evaluation. Images are brought to the size the
    target takes, or to ``size``, or (it takes any) to the most common one.

    Raises:
        InputError: a file, an option or a value is not what it must be.
    """

    def __init__(self, config: Config, size: tuple[int, int] | None = None, sunk: int = 0) -> None:
        self.config = config
        self.sunk = sunk
        if config.repeats < 1:
            raise InputError(f"--repeats {config.repeats} asks nothing: give 1 or more.")
        if not 0 <= config.distance_weight < float("inf"):
            raise InputError(f"--distance-weight {config.distance_weight} is no weight: give 0 or more.")
        if not 0 <= config.reserve < 1:
            raise InputError(f"--reserve {config.reserve} is no share of the budget: give 0 to 0.9.")
        self.encoding = Encoding.parse(config.encoding)
        if config.objective != "auto":
            make_objective(config.objective)
        self.map = parse_map(config.map)
        parse_epsilon(config.epsilon)
        self.cluster = open_cluster(config.target, config.target_options)
        self.target: Target = make_target(config.target, config.target_options)
        self._threads = 1
        self.data: Dataset = load(
            config.data,
            label=config.label,
            size=size or self.target.image_size,
            skip_bad=config.skip_bad,
            seed=config.seed,
        )
        height, width, depth = self.data.images.shape[1:]
        self.shape = (int(height), int(width), int(depth))
        self._make_space()
        if self.target.classes:
            # Better now than after the first paid answer.
            members(self.data.classes, self.target.classes, len(self.target.classes), self.map)

    def _make_space(self) -> None:
        config = self.config
        self.space: Space = make_space(
            config.space,
            self.shape,
            epsilon=parse_epsilon(config.epsilon),
            channels=config.channels,
            levels=self.encoding.levels,
        )
        distance = distance_of(self.space)
        if config.distance_weight and distance is None:
            raise InputError(f"--distance-weight weighs a perturbation, and {self.space.spec} adds none: leave it out.")
        self.distance = distance or (lambda z: np.zeros(len(z)))
        self.epsilon: float | None = getattr(self.space, "epsilon", None)

    def varied(self, *, space: str, estimator: str, seed: int, budget: int) -> Experiment:
        """The same data, splits and target, searched in another way.

        Raises:
            InputError: no such space.
        """
        made = copy.copy(self)
        for known in ("plan", "path", "proposal"):
            vars(made).pop(known, None)
        made.config = replace(self.config, space=space, estimator=estimator, seed=seed, budget=budget)
        made._make_space()
        return made

    @cached_property
    def proposal(self) -> int:
        """Queries of the estimator's first proposal, each counted once."""
        return self.estimator().ask().queries

    @cached_property
    def plan(self) -> Plan:
        """How the budget is split.

        Raises:
            BudgetError: it cannot cover the job.
        """
        splits = self.data.splits
        budget = self.config.budget
        reserve = self.config.reserve if self.counts_in_doubt else 0.0
        val, test = len(splits["val"]), len(splits["test"])
        repeats = self.config.repeats
        watch = repeats * drift.queries() if self.watched else 0
        return make_plan(
            budget,
            val=val,
            test=test,
            proposal=self.proposal,
            sunk=self.sunk,
            reserve=reserve,
            watch=watch,
            repeats=repeats,
            parts=len(self.space.parts) if self.config.space == "auto" and isinstance(self.space, Composed) else 0,
        )

    @property
    def watched(self) -> bool:
        """Whether canaries are asked: a model behind a URL may change under one's feet."""
        return "://" in self.config.target

    @property
    def counts_in_doubt(self) -> bool:
        """Whether images sent and never answered count; a model on this machine charges nobody for them."""
        if self.config.in_doubt == "auto":
            return "://" in self.config.target
        return self.config.in_doubt == "count"

    @property
    def estimator_name(self) -> str:
        """The estimator, the one chosen where the choice is left to us."""
        return self._choice[0] if self.config.estimator == "auto" else self.config.estimator

    @property
    def estimator_note(self) -> str:
        """The estimator and, where the choice is left to us, why it is that."""
        name, why = self._choice
        return f"{name} (chosen: {why})" if self.config.estimator == "auto" else self.config.estimator

    @property
    def _choice(self) -> tuple[str, str]:
        return choose(self.space.lower, self.space.upper)

    def penalty(self, candidates: Floats) -> Floats:
        """What each of ``(M, k)`` adds to every loss, ``(M,)``: the weighted size of its perturbation."""
        weight = self.config.distance_weight
        return weight * self.distance(candidates) if weight else np.zeros(len(candidates))

    @cached_property
    def path(self) -> FusedPath | str:
        """The fused path, or why images are changed as arrays.

        Raises:
            InputError: it is asked for and not to be had.
        """
        if self.config.path == "array":
            return "asked for by --path array"
        found = fused_path(self.data.images, self.space, self.target, self.encoding)
        if isinstance(found, str) and self.config.path == "fused":
            raise InputError(f"--path fused is not to be had: {found.rstrip('.')}.")
        return found

    @property
    def fused(self) -> FusedPath | None:
        """The fused path, where there is one."""
        return None if isinstance(self.path, str) else self.path

    def arrange(self, workers: int, threads: int) -> None:
        """Has the target called so many times at once, with so many threads each, where it can be."""
        self._threads = threads
        if isinstance(self.target, AutotunableTarget) and (workers, threads) != (self.target.workers, 1):
            self.target.set_call_plan(workers, threads)
            if self.fused:
                self.fused.reopen()

    def estimator(self) -> Estimator:
        """A fresh estimator at the identity.

        Raises:
            InputError: no such one, or one that cannot do what is wanted of it.
        """
        space = self.space
        made = make_estimator(
            self.config.estimator,
            space.size,
            start=space.initial(),
            lower=space.lower,
            upper=space.upper,
            seed=self.config.seed,
        )
        if not isinstance(made, SupportsDelayedTell):
            name, instead = self.config.estimator, "take surface, nes, spsa or finite-difference."
            if self.config.in_flight > 1:
                raise InputError(
                    f"--estimator {name} has to hear of a proposal before it makes the next: leave out --in-flight, or "
                    + instead
                )
            if self.config.early_stop:
                raise InputError(
                    f"--estimator {name} asks no pairs, which say when to stop: leave out --early-stop, or {instead}"
                )
        return made

    def scorer(
        self,
        ledger: Ledger,
        *,
        batch: int | None = None,
        concurrency: ConcurrencyPolicy | None = None,
        progress: Callable[[int, int], None] = lambda images, paid: None,
    ) -> Scorer:
        """The way from images and z to scores; ``batch`` images a request, by default as many as the target says."""
        data, path = self.data, self.fused
        backend = make_backend(
            data.images,
            self.space,
            self.target,
            self.encoding,
            path=path,
            cluster=self.cluster,
            options=self.config.target_options,
            threads=self._threads,
        )
        return Scorer(
            Pool(data.images, data.digests),
            self.target,
            backend,
            Keys.of_run(self.target, self.encoding, self.shape, self.space, fused=path is not None),
            ledger,
            batch=batch or self.target.batch,
            repeats=self.config.repeats,
            concurrency=concurrency,
            progress=progress,
        )

    @contextmanager
    def opened(self) -> Iterator[None]:
        """While the target is asked."""
        with self.target:
            try:
                yield
            finally:
                if self.cluster:
                    self.cluster.close()

    def tuning(self, z: Floats) -> Tuning:
        """``z (k,)`` with all that is needed to apply it."""
        return Tuning(self.space.spec, z, self.shape, self.epsilon, self.config.channels, str(self.encoding))

    def objective(self, reading: OutputDecoder) -> str:
        """The name of what is minimised, the one that suits the scores where the choice is left to us."""
        if self.config.objective != "auto":
            return self.config.objective
        return "zero-one" if reading.labels_only else DEFAULT

    def reading(self, raw: Scores, kind: Kind | None = None) -> OutputDecoder:
        """How to read the target, judged by answers ``(N, K)`` unless their ``kind`` is known."""
        classes = self.target.classes
        kind = kind or infer_kind(raw, len(classes) if classes else None)
        count = class_count(raw, kind, classes)
        if kind == "index" and not classes:
            count = max(count, len(self.data.classes))
        return OutputDecoder(kind, members(self.data.classes, classes, count, self.map))

    def ledger(self, path: Path, budget: int | None = None) -> Ledger:
        """A ledger of answers of the target, by the run's own budget unless another is given."""
        free = isinstance(self.target, GraphTarget) and not self.counts_in_doubt
        return Ledger(
            path,
            budget=self.config.budget if budget is None else budget,
            in_doubt="count" if self.counts_in_doubt else "free",
            durable=self.watched,
            lag=LAG if free else 0.0,
        )

    def inputs(self) -> dict[str, str]:
        """Digests of all that is read, so that a resumed run can name what changed."""
        data = self.data
        splits = (part for name, indices in sorted(data.splits.items()) for part in (name, indices.tobytes()))
        return {
            "images": digest(*data.digests).hex(),
            "labels": digest(data.labels.tobytes(), *data.classes).hex(),
            "splits": digest(*splits).hex(),
            "target": self.target.fingerprint,
            "classes": digest(*(self.target.classes or ())).hex(),
        }

    def check_inputs(self, recorded: dict[str, str], run: Path) -> None:
        """Compares ``inputs`` with recorded ones.

        Raises:
            InputError: names what changed, and where.
        """
        for what, value in self.inputs().items():
            if recorded.get(what, value) != value:
                where = self.config.target if what in ("target", "classes") else self.config.data
                which = self._which(run) if what == "images" else ""
                raise InputError(
                    f"{where}: the {what} changed{which} since {run} was started: "
                    "restore what was there, or start a new run."
                )

    def files(self) -> dict[str, str]:
        """A digest of every image's pixels, by file."""
        return {file: key.hex()[:16] for file, key in zip(self.data.files, self.data.digests, strict=True)}

    def _which(self, run: Path) -> str:
        """Files whose pixels differ from those the run was started with, in words."""
        if not (run / LEDGER).exists():
            # A comparison keeps its ledgers elsewhere.
            return ""
        with self.ledger(run / LEDGER) as ledger:
            before = json.loads(ledger.note("files") or "{}")
        now = self.files()
        changed = [file for file in sorted(before | now) if before.get(file) != now.get(file)] if before else []
        more = f" and {len(changed) - 1:,} more" if len(changed) > 1 else ""
        return f" ({changed[0]}{more})" if changed else ""
