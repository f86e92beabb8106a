"""Experiment: a configuration whose data, target and space are opened and checked; nothing is scored or written yet."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from blackbox_dft._utils.text import in_memory
from blackbox_dft._utils.types import Floats, ImageBytes, Ints, Scores
from blackbox_dft.data import load
from blackbox_dft.data.dataset import Dataset
from blackbox_dft.data.photos import Photos
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.errors import InputError
from blackbox_dft.estimators import SearchSpace, make_estimator
from blackbox_dft.estimators.auto import choose
from blackbox_dft.estimators.base import Estimator, SupportsDelayedTell
from blackbox_dft.estimators.raced_start import RacedStart
from blackbox_dft.evaluation.metric import Metric, ProvableMetric, make_metric, require_images, resolved_metric
from blackbox_dft.evaluation.proof import draw_order, equal_draws
from blackbox_dft.fusion.fused_path import FusedPath
from blackbox_dft.fusion.fused_paths import FusedPaths
from blackbox_dft.images import fit_options
from blackbox_dft.images.encoding import Encoding
from blackbox_dft.images.fitting import Fitting
from blackbox_dft.objectives import DEFAULT, make_objective
from blackbox_dft.objectives.heads import Head, heads_of, split_heads
from blackbox_dft.objectives.output_map import OutputMap, weights_learned
from blackbox_dft.objectives.outputs import Kind, OutputDecoder, class_count_for, infer_kind, label_matrix, parse_map
from blackbox_dft.run.budget import Plan, make_plan, make_sequential_plan, sequential
from blackbox_dft.run.config import Config, parse_epsilon
from blackbox_dft.run.input_budget import planned_queries
from blackbox_dft.run.known import CHECKED, Known, read_known
from blackbox_dft.run.start import first_steps, resolved_start
from blackbox_dft.scoring import drift
from blackbox_dft.scoring.backends import make_backend
from blackbox_dft.scoring.backends.ray_cluster import open_cluster
from blackbox_dft.scoring.dispatcher import ConcurrencyPolicy
from blackbox_dft.scoring.keys import Keys
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.scoring.scorer import Pool, Scorer
from blackbox_dft.search.early_stopping import WORTH_OF_A_BUDGET
from blackbox_dft.search.map_images import answers_worth_having
from blackbox_dft.spaces import distance_of, make_space
from blackbox_dft.spaces.affine import Border
from blackbox_dft.spaces.any_size import at_shape, is_relative, require_relative
from blackbox_dft.spaces.base import Space
from blackbox_dft.spaces.composed import Composed
from blackbox_dft.spaces.contrast import FLAT, tone_width
from blackbox_dft.spaces.specs import AUTO, is_auto, outer_pixels, seen_border, with_contrast, with_seen_border
from blackbox_dft.spaces.viewed import Viewed
from blackbox_dft.targets import make_target
from blackbox_dft.targets.base import AutotunableTarget, GraphTarget, SeveralOutputs, Target

SEEN_IMAGES, SEEN_PHOTOS = 256, 32
"""Training images, evenly spaced, that say whether images are dark or flat, and what they end with; fewer photos, which
are read for it."""
COMMIT_INTERVAL = 0.2
"""Seconds between two commits to the ledger for local models: at most this much work is lost on a kill."""

MAX_CLASSES = 100_000
"""Largest number of a class without a name."""


def _require_objects(config: Config, target: Target | None, data: Dataset | None) -> None:
    """Checks that what was given from Python, and cannot be made again, is given."""
    for what, name, given in (("target", config.target, target), ("data", config.data, data)):
        if given is None and in_memory(name):
            raise InputError(
                f"the {what} of the run is {name}, given from Python: go on from there, and pass it again as {what}=."
            )
    if in_memory(config.target) and config.target_options.cluster:
        raise InputError(f"--cluster needs a model by its name, and {config.target} has none: leave it out.")


class Experiment:
    """Data, target, space and plan of a configuration.

    Args:
        config: what to open.
        size: height and width that images are resized to; by default those the target takes or, if it takes any, the
            most common ones.
        spent_earlier: queries that choice and evaluation under an earlier, smaller budget used.
        splits: whether the data needs train, val and test.
        classes: names of the labels; by default those that occur in the data.
        data: images that are loaded already, instead of those of the configuration.
        found_input: what ``--find-input`` found, if it has: the configuration holds it.
        counts_in_doubt: whether images sent and never answered count, as was decided when a run was started; by default
            what ``--in-doubt`` comes to.
        widened_intervals: whether intervals of accuracy are wider where few images change, as they are now.
        target: a target that is made already, which its owner closes; by default that of the configuration.

    Raises:
        InputError: a file, an option or a value is not what it must be.
    """

    def __init__(
        self,
        config: Config,
        size: tuple[int, int] | None = None,
        spent_earlier: int = 0,
        *,
        splits: bool = True,
        classes: Sequence[str] | None = None,
        data: Dataset | None = None,
        found_input: Mapping[str, Any] | None = None,
        counts_in_doubt: bool | None = None,
        widened_intervals: bool = True,
        target: Target | None = None,
    ) -> None:
        self.widened_intervals = widened_intervals
        self.config, self.found_input = config, found_input
        _require_objects(config, target, data)
        self.spent_earlier, self._counts_in_doubt = spent_earlier, counts_in_doubt
        self.encoding = Encoding.parse(config.encoding)
        if config.objective != "auto":
            make_objective(config.objective)
        self.map = parse_map(config.map)
        self.cluster = open_cluster(config.target, config.target_options)
        self.target: Target = target or make_target(config.target, config.target_options)
        self._closes = target is None
        self.input_queries = int(found_input["queries"]) if found_input else 0
        """Queries that find the input form: planned, or used by a run that has found it."""
        if splits and not found_input:
            self.input_queries = planned_queries(config, self.target)
        self._threads = 1
        fitting = _fitting(config, self.target) if data is None else data.fitting
        self.data: Dataset = data or load(
            config.data,
            label=config.label,
            size=size or self.target.image_size,
            skip_bad=config.skip_bad,
            seed=config.seed,
            # Behind a URL is another machine, to which no images go that the user may not mean to send.
            allow_outside=config.allow_outside or "://" not in config.target,
            splits=splits,
            classes=classes,
            fitting=fitting,
        )
        # What was decided is recorded.
        self.config = config = replace(config, fit=self.data.fitting.fit)
        if isinstance(self.data.images, Photos):
            # Photos of several sizes are no batch.
            self.target.batch = 1
        height, width, depth = self.data.images.shape[1:]
        self.shape = (int(height), int(width), int(depth))
        # Shared by all that ``varied`` makes.
        images = self.data.images
        self._paths = None if isinstance(images, Photos) else FusedPaths(images, self.target, self.encoding)
        self._make_space()
        if isinstance(self.data.images, Photos):
            # Some spaces are for images of a least size.
            smallest = self.data.images.sizes.min(axis=0).tolist()
            at_shape(self.space, (smallest[0], smallest[1], depth), levels=self.encoding.levels)
        self._check_labels()
        self.metric: Metric = make_metric(config.metric, self.data.classes)
        self.config = replace(self.config, metric=resolved_metric(config.metric, self.data.classes))
        if splits:
            self._check_metric()

    def _check_metric(self) -> None:
        """That the images the run is judged by give the metric a value, and that its proof is one it has."""
        config, metric = self.config, self.metric
        if not isinstance(metric, ProvableMetric):
            why = (
                f"--metric {metric.name} is no mean over images, so that no proof may stop at any time: it is measured "
                "on a number of test images fixed before"
            )
            if config.evaluate == "enough":
                raise InputError(f"{why}: give --evaluate all, or a number.")
            if config.precision is not None:
                raise InputError(f"{why}: leave --precision out.")
        for images, where in (
            (self.test_images, "the test images"),
            (self.data.splits["val"], "the validation images"),
        ):
            require_images(metric, self.data.labels[images], self.data.classes, where)

    def _check_labels(self) -> None:
        """Labels without a class are an error now, not after the first paid query, if it is known what is returned."""
        classes = self.target.classes
        if isinstance(self.target, GraphTarget):
            images, first = self.data.images, np.zeros(1, np.int64)
            one = images.one(first) if isinstance(images, Photos) else images[first]
            columns = self.target.scores(one).shape[1] - sum(self.head_widths)
        else:
            columns = int(self.target.describe().get("columns") or 0)
        # One column is a class index, or the score of the second of two classes.
        count = columns if columns > 1 else len(classes or ())
        if not count and not self.watched:
            # Classes without names are called by their numbers, and those given are taken to exist.
            numbers = [
                int(name) for names in (self.data.classes, *self.map.values()) for name in names if name.isdigit()
            ]
            count = max(2, len(self.data.classes), *(number + 1 for number in numbers if number < MAX_CLASSES))
        if count:
            label_matrix(self.data.classes, classes, count, self.map)

    def _make_space(self) -> None:
        config = self.config
        spec = with_seen_border(config.space, self._seen_border if is_auto(config.space) else None)
        self.space: Space = make_space(
            with_contrast(spec) if self.adds_contrast else spec,
            self.shape,
            epsilon=parse_epsilon(config.epsilon),
            channels=config.channels,
            levels=self.encoding.levels,
        )
        self.config = replace(config, start=resolved_start(config.start, self.space))
        distance = distance_of(self.space)
        if config.distance_weight and distance is None:
            raise InputError(
                f"--distance-weight needs an additive space, and {self.space.spec} is not one: leave it out."
            )
        self.distance = distance or (lambda z: np.zeros(len(z)))
        self.epsilon: float | None = getattr(self.space, "epsilon", None)

    @property
    def adds_contrast(self) -> bool:
        """Whether the space ``auto`` has ``contrast`` too, as the images are dark or flat."""
        return is_auto(self.config.space) and self.config.flat == "stretch" and self._tone_width < FLAT

    @property
    def _tone_width(self) -> float:
        return self._seen[0]

    @property
    def _seen_border(self) -> Border | None:
        return self._seen[1]

    @cached_property
    def _seen(self) -> tuple[float, Border | None]:
        """Width of the tones, and what images end with, in one pass: photos are decoded for it."""
        widths, outer = [], []
        for image in self._some_images():
            widths.append(tone_width([image]))
            outer.append(outer_pixels(image))
        return float(np.median(widths)), seen_border(np.concatenate(outer))

    def _some_images(self) -> Iterator[ImageBytes]:
        """A few training images ``(H, W, 3)``, one at a time."""
        images, train = self.data.images, self.data.splits.get("train", np.empty(0, np.int64))
        indices = train if len(train) else np.arange(len(images))
        count = min(len(indices), SEEN_PHOTOS if isinstance(images, Photos) else SEEN_IMAGES)
        for number in indices[np.unique(np.linspace(0, len(indices) - 1, count).astype(int))].tolist():
            # No memory map any more, each of whose many slices would carry its file along.
            yield images.photo(number) if isinstance(images, Photos) else np.asarray(images[number])

    @property
    def space_notes(self) -> list[str]:
        """Lines for the user about what was added to the space."""
        notes = []
        if self.config.space.strip() == AUTO and (border := self._seen_border):
            notes.append(
                f"the images end {border}, so what lies beyond them is {border} too: --space auto:edge draws out their "
                "outer pixels instead"
            )
        if not self.adds_contrast:
            return notes
        return [
            *notes,
            f"the images are dark or flat: half of them use {self._tone_width:.0%} of the range of tones or less. "
            "So the space has contrast too: leave it out by --flat keep",
        ]

    def varied(self, *, space: str, estimator: str, seed: int, budget: int) -> Experiment:
        """The same data, splits and target with another search; it shares the images on the device and open graphs.

        Raises:
            InputError: no such space.
        """
        made = copy.copy(self)
        for cached in ("plan", "path", "proposal", "test_images", "proof_draws"):
            vars(made).pop(cached, None)
        made.config = replace(self.config, space=space, estimator=estimator, seed=seed, budget=budget)
        made._make_space()
        return made

    @cached_property
    def proposal(self) -> int:
        """Queries of the estimator's first proposal, after a race for the start; repeats not counted."""
        return self._estimator_from(self.search_space).ask().queries

    @cached_property
    def plan(self) -> Plan:
        """How the budget is split.

        Raises:
            BudgetError: it cannot cover the job.
        """
        splits, config = self.data.splits, self.config
        reserve = config.reserve if self.counts_in_doubt else 0.0
        watch = config.repeats * drift.queries() if self.watched else 0
        known = np.zeros(len(self.data.labels), bool)
        if self.known:
            watch += min(CHECKED, len(self.known.images))
            known[self.known.images] = True
        if self.sequential:
            plan = make_sequential_plan(
                config.budget,
                val=len(splits["val"]),
                held=sum(len(draw) for draw in self.proof_draws),
                proposal=self.proposal,
                reserve=reserve,
                watch=watch,
                repeats=config.repeats,
                found=self.input_queries,
                known=float(np.mean(known[np.concatenate([*self.proof_draws, splits["val"]])])) if self.known else 0.0,
                views=config.views,
                first_proof=sum(len(draw) for draw in self.proof_draws[: self.proof_round]),
            )
        else:
            plan = make_plan(
                config.budget,
                val=len(splits["val"]),
                test=len(self.test_images),
                proposal=self.proposal,
                spent_earlier=self.spent_earlier,
                reserve=reserve,
                watch=watch,
                repeats=config.repeats,
                known_val=float(np.mean(known[splits["val"]])),
                known_test=int(known[self.test_images].sum()),
                parts=len(self.space.parts) if is_auto(config.space) and isinstance(self.space, Composed) else 0,
                views=config.views,
                found=self.input_queries,
            )
        stops = config.early_stop and isinstance(self.estimator(), SupportsDelayedTell)
        # So many classes as are known before the first answer.
        answers = self.answers_for_map(len(self.target.classes or self.data.classes)) if stops else 0
        return replace(plan, stops_early=stops, map_answers=answers, map_images=len(splits["train"]) if answers else 0)

    def answers_for_map(self, classes: int) -> int:
        """How many answers an output map of so many ``classes`` should learn from; 0: those of the search do."""
        config = self.config
        # The shift of each label is learned by then; where a query has a price, so is a map well enough.
        if not self.sequential or config.output_map in ("none", "bias"):
            return 0
        if config.price is not None or self.counts_in_doubt:
            return 0
        numbers = weights_learned(np.empty((classes, len(self.data.classes))), len(self.data.splits["train"]))
        return answers_worth_having(numbers, config.repeats * WORTH_OF_A_BUDGET / config.budget)

    @cached_property
    def known(self) -> Known | None:
        """What ``--known`` holds.

        Raises:
            InputError: it cannot be read, or belongs to other images or classes.
        """
        if not self.config.known:
            return None
        if self.config.repeats > 1:
            raise InputError("--known holds one score an image, and --repeats asks for several: leave one of them out.")
        if self.head_widths:
            raise InputError("--known holds scores of one output only: give its name, --output NAME, instead of all.")
        return read_known(self.config.known, self.data.files, self.target.classes)

    @property
    def sequential(self) -> bool:
        """Whether the gain is proven image by image, until it is decided."""
        config = self.config
        if not isinstance(self.metric, ProvableMetric):
            return False
        test = len(self.data.splits["test"])
        return sequential(
            config.evaluate, config.budget, test=test, repeats=config.repeats, priced=self.paid, views=config.views
        )

    @cached_property
    def test_images(self) -> Ints:
        """Test images that are all scored: the split, or as many of it as ``--evaluate N`` says."""
        test = self.data.splits["test"]
        if not self.config.evaluate.isdecimal():
            return test
        return np.sort(np.random.default_rng(self.config.seed).permutation(test)[: int(self.config.evaluate)])

    @cached_property
    def proof_draws(self) -> list[Ints]:
        """Images of each draw of a sequential proof: those of the test split first, then the validation images.

        Neither the search nor the output map has seen any of them.
        """
        data, seed = self.data, self.config.seed
        held = (data.splits[split] for split in ("test", "val"))
        draws = [images[draw] for images in held for draw in draw_order(data.groups_of(images), len(images), seed)]
        return equal_draws(draws, data.labels) if self._draws_equally else draws

    @property
    def _draws_equally(self) -> bool:
        return isinstance(self.metric, ProvableMetric) and self.metric.equal_labels

    @property
    def proof_round(self) -> int:
        """Draws of a sequential proof after which it may be looked at: one of each label, if labels count the same."""
        return len({int(self.data.labels[draw[0]]) for draw in self.proof_draws}) if self._draws_equally else 1

    @property
    def held_shares(self) -> Floats:
        """Share of each label in the images that a proof draws from, ``(L,)``."""
        held = np.concatenate([self.data.splits["test"], self.data.splits["val"]])
        return np.bincount(self.data.labels[held], minlength=len(self.data.classes)) / len(held)

    @property
    def finds_input(self) -> bool:
        """Whether the run has to find the input form first."""
        return self.input_queries > 0 and self.found_input is None

    @property
    def watched(self) -> bool:
        """Whether drift checks run: a model behind a URL may change during the search."""
        return "://" in self.config.target

    @property
    def paid(self) -> bool:
        """Whether a query may cost money: the target is behind a URL, or has a price."""
        return self.watched or self.config.price is not None

    @property
    def counts_in_doubt(self) -> bool:
        """Whether images sent and never answered count against the budget; by default if they may have cost money."""
        if self._counts_in_doubt is not None:
            return self._counts_in_doubt
        if self.config.in_doubt == "auto":
            # What a file of this machine was given and did not answer was only computed.
            return self.watched or (self.config.price is not None and not isinstance(self.target, GraphTarget))
        return self.config.in_doubt == "count"

    @property
    def estimator_name(self) -> str:
        """The estimator's name, the chosen one if it is ``auto``."""
        return self._choice[0] if self.config.estimator == "auto" else self.config.estimator

    @property
    def estimator_note(self) -> str:
        """The estimator's name and, if it was chosen, why."""
        name, why = self._choice
        return f"{name} (chosen: {why})" if self.config.estimator == "auto" else self.config.estimator

    @property
    def _choice(self) -> tuple[str, str]:
        return choose(self.search_space)

    @property
    def search_space(self) -> SearchSpace:
        """Start and bounds of z."""
        return SearchSpace(self.space.initial(), self.space.lower, self.space.upper)

    def penalty(self, candidates: Floats) -> Floats:
        """What each of ``candidates (M, k)`` adds to every loss, ``(M,)``: the weighted size of its perturbation."""
        weight = self.config.distance_weight
        return weight * self.distance(candidates) if weight else np.zeros(len(candidates))

    @cached_property
    def path(self) -> FusedPath | str:
        """The fused path, or why images are changed as arrays.

        Raises:
            InputError: ``--path fused``, and it is impossible here.
        """
        if self.config.path == "array":
            return "--path array says so"
        if self._paths is None:
            if self.config.path == "fused":
                raise InputError("--path fused is impossible here: images keep their own sizes.")
            return "images keep their own sizes"
        if self.view_space and self.cluster:
            return "a cluster scores views over the array path"
        path = self._paths.of(self.space)
        if isinstance(path, str) and self.config.path == "fused":
            raise InputError(f"--path fused is impossible here: {path.rstrip('.')}.")
        return path

    @property
    def view_space(self) -> Viewed | None:
        """The space of views, if an image may be scored under several."""
        return Viewed(self.space, self.shape) if self.config.views > 1 else None

    @property
    def fused(self) -> FusedPath | None:
        """The fused path, if there is one."""
        return None if isinstance(self.path, str) else self.path

    def set_call_plan(self, workers: int, threads: int) -> None:
        """Has the target run ``workers`` calls at once with ``threads`` threads each, if it can."""
        self._threads = threads
        if isinstance(self.target, AutotunableTarget) and (workers, threads) != (self.target.workers, 1):
            self.target.set_call_plan(workers, threads)
            if self._paths:
                self._paths.reopen()

    def estimator(self) -> Estimator:
        """A new estimator, which begins as the configuration says.

        Raises:
            InputError: it does not exist, or cannot do what other options need.
        """
        if len(steps := first_steps(self.config.start, self.space)):
            return RacedStart(self.search_space, steps, self._estimator_from)
        return self._estimator_from(self.search_space)

    def _estimator_from(self, space: SearchSpace) -> Estimator:
        made = make_estimator(self.config.estimator, space, seed=self.config.seed)
        in_flight = self.config.in_flight
        if isinstance(in_flight, int) and in_flight > 1 and not isinstance(made, SupportsDelayedTell):
            raise InputError(
                f"--estimator {self.config.estimator} needs the losses of a proposal before the next: leave out "
                "--in-flight, or take surface, nes, spsa or finite-difference."
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
        """The scorer of the run's images; ``batch`` images in a request, by default as many as the target says."""
        data, path, views = self.data, self.fused, self.view_space

        def keys(space: Space, *, fused: bool, of_views: Keys | None = None) -> Keys:
            shape = data.fitting if isinstance(data.images, Photos) else self.shape
            return Keys.of_run(self.target, self.encoding, shape, space, fused=fused, views=of_views)

        backend = make_backend(
            data.images,
            self.space,
            self.target,
            self.encoding,
            path=path,
            cluster=self.cluster,
            options=self.config.target_options,
            threads=self._threads,
            views=views,
        )
        return Scorer(
            Pool(data.images, data.digests),
            self.target,
            backend,
            keys(self.space, fused=path is not None, of_views=keys(views, fused=False) if views else None),
            ledger,
            batch=batch or self.target.batch,
            repeats=self.config.repeats,
            concurrency=concurrency,
            progress=progress,
        )

    @contextmanager
    def opened(self) -> Iterator[None]:
        """The target, and the cluster if there is one, ready to score; both are closed at the end."""
        with self.target if self._closes else nullcontext():
            try:
                yield
            finally:
                if self.cluster:
                    self.cluster.close()

    def tuning(self, z: Floats, decoder: OutputDecoder | None = None, views: Floats | None = None) -> Tuning:
        """``z (k,)``, the output map of ``decoder`` and the rows of several views, with all that it takes to apply."""
        return Tuning(
            self.space.spec,
            z,
            self.shape,
            self.epsilon,
            self.config.channels,
            str(self.encoding),
            self.data.classes,
            decoder.kind if decoder else None,
            (decoder.output_map or OutputMap(decoder.label_matrix)) if decoder else None,
            np.zeros((0, 0)) if views is None else views,
            self.data.fitting,
            decoder.heads if decoder else (),
        )

    def objective(self, decoder: OutputDecoder) -> str:
        """Name of the objective; if it is ``auto``, the one that suits the scores."""
        if self.config.objective != "auto":
            return self.config.objective
        return "zero-one" if decoder.labels_only else DEFAULT

    def decoder(self, raw: Scores, kind: Kind | None = None, heads: tuple[Head, ...] | None = None) -> OutputDecoder:
        """Decoder of the target's outputs; what they are is inferred from ``raw (N, K)`` unless given."""
        classes = self.target.classes
        heads = heads_of(raw, self.head_widths) if heads is None else heads
        own, _ = split_heads(raw, self.head_widths)
        kind = kind or infer_kind(own, len(classes) if classes else None)
        count = class_count_for(own, kind, classes, self.data.classes)
        matrix = label_matrix(self.data.classes, classes, count, self.map)
        features = np.zeros((sum(head.columns for head in heads), matrix.shape[1]))
        return OutputDecoder(kind, np.vstack([matrix, features]), heads=heads)

    @property
    def head_widths(self) -> tuple[int, ...]:
        """Numbers an image in each further output of the target."""
        return self.target.head_widths if isinstance(self.target, SeveralOutputs) else ()

    def ledger(self, path: Path, budget: int | None = None) -> Ledger:
        """The ledger in the file ``path``, with the run's own budget or another one."""
        free = isinstance(self.target, GraphTarget) and not self.counts_in_doubt
        return Ledger(
            path,
            budget=self.config.budget if budget is None else budget,
            in_doubt="count" if self.counts_in_doubt else "free",
            durable=self.paid,
            lag=COMMIT_INTERVAL if free else 0.0,
        )


def _fitting(config: Config, target: Target) -> Fitting:
    """How images are brought to the target's size; ``auto`` only if each may keep its own.

    Raises:
        InputError: ``keep``, and the target, the space or another option needs one size.
    """
    profile = "://" in config.target and config.target_options.profile != "v2"
    if config.fit == fit_options.AUTO:
        batched = (config.target_options.batch or 1) > 1 or bool(config.target_options.cluster)
        open_ = profile and target.image_size is None and not batched and is_relative(config.space)
        return Fitting(fit_options.AUTO if open_ else "stretch", config.filter, config.max_side)
    if config.fit == fit_options.KEEP:
        if target.image_size is not None:
            size = "x".join(map(str, target.image_size))
            how = "leave --size out" if config.target_options.size else "take stretch, crop or pad"
            raise InputError(f"--fit keep is for targets that take any size, and {target.name} takes {size}: {how}.")
        if config.target_options.cluster:
            raise InputError("--fit keep does not work on a --cluster: leave one of them out.")
        if (config.target_options.batch or 1) > 1:
            raise InputError("--fit keep sends one image a request: leave --batch out.")
        require_relative(config.space)
    return Fitting(config.fit, config.filter, config.max_side)
