"""The three tasks on real faces that benchmarks measure, and one tuning of one of them.

The images and models lie in ``../shared`` beside the project and are not part of it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

from blackbox_dft.estimators import SearchSpace
from blackbox_dft.estimators.base import Estimator
from blackbox_dft.evaluation.threshold import fit_threshold
from blackbox_dft.objectives import make_objective
from blackbox_dft.objectives.losses import decide
from blackbox_dft.run.budget import CANDIDATES, MIN_SELECT_IMAGES, SELECT_SHARE
from blackbox_dft.run.config import Config
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.search.early_stopping import WORTH_OF_A_BUDGET, make_early_stopping
from blackbox_dft.search.in_flight import FixedInFlight
from blackbox_dft.search.loop import Task, Trajectory, tune
from blackbox_dft.search.minibatches import StratifiedSampler
from blackbox_dft.search.selection import select

SHARED = Path(__file__).parents[1].parent / "shared"
SMILE = ("smile=happy", "nonsmile=*")
TASKS = {
    "lfw-gender": ("models/age_gender_faceapi.onnx", "data/lfw/labels_gender.csv", ()),
    "smile-mini": ("models/emotion_mini_xception.onnx", "data/smiles/labels.csv", SMILE),
    "smile-faceapi": ("models/expression_faceapi.onnx", "data/smiles/labels.csv", SMILE),
}


def config(task: str, **options: object) -> Config:
    """The task as a run's configuration."""
    if not SHARED.is_dir():
        raise SystemExit(f"the real models and images are not here: put them into {SHARED}")
    model, data, table = TASKS[task]
    return Config(str(SHARED / model), str(SHARED / data), map=table, **options)  # type: ignore[arg-type]


class Factory(Protocol):
    """What makes an estimator that is not in the package's registry.

    A method ``at(limit) -> Factory`` gets the number of tuning queries it will have; an attribute ``common`` is the
    number of training images that its whole search is confined to.
    """

    def __call__(self, space: SearchSpace, *, seed: int) -> Estimator:
        """An estimator for a search space."""
        ...


@dataclass(frozen=True)
class RunResult:
    """A tuning read off after so many tuning queries."""

    queries: int
    accuracy: float
    before: float
    threshold: float
    n: int
    chosen: str
    val_loss: float
    """Of the z chosen, on the validation images it was chosen on."""
    val_gain: float
    """What the best candidate's loss is below the unchanged images' there, whether or not it was chosen."""


def experiment(task: str, space: str, options: tuple[tuple[str, object], ...] = ()) -> Experiment:
    """The task in a space; its images and its model are those of all other spaces."""
    return opened(task, options).varied(space=space, estimator="nes", seed=0, budget=3000)


@lru_cache(maxsize=len(TASKS))
def opened(task: str, options: tuple[tuple[str, object], ...] = ()) -> Experiment:
    """The task with its images read and its model opened; kept, as reading takes longer than many a tuning."""
    # A search of a given number of queries, which is evaluated here.
    return Experiment(config(task, **{"early_stop": False, **dict(options)}))


@lru_cache(maxsize=len(TASKS))
def unchanged(task: str, options: tuple[tuple[str, object], ...] = ()) -> Path:
    """A ledger with the scores of all unchanged images of the task, recorded once for all tunings of it."""
    here = opened(task, options)
    path = Path(_folder().name) / f"{task}{len(list(Path(_folder().name).iterdir()))}.sqlite"
    with Ledger(path, budget=2**62) as ledger:
        scorer = here.scorer(ledger)
        scorer.score("select", np.arange(len(here.data.labels)), here.space.initial())
        scorer.close()
    return path


@lru_cache(maxsize=1)
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def measure(
    task: str,
    space: str,
    estimator: str | Factory,
    seed: int,
    limits: Sequence[int],
    objective: str = "sigmoid",
    *,
    test: bool = True,
    **options: object,
) -> list[RunResult]:
    """Test accuracy after each of ``limits`` tuning queries, z chosen on val as a run does; one run, read off.

    An estimator that gets its limit runs once for each; recorded scores are taken from the ledger. Without
    ``test`` no test image is scored, z is chosen on all of val, and accuracies are NaN.
    """
    more = tuple(sorted(options.items()))
    here = experiment(task, space, more)
    data, identity = here.data, here.space.initial()
    held = data.splits["test"]
    outcomes = []
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "l.sqlite", budget=2**62) as ledger:
        ledger.reuse(unchanged(task, more))
        scorer = here.scorer(ledger)
        for limit in limits:
            ledger.trajectory = limit
            # As a run's plan has it: selection gets a quarter of what evaluation leaves.
            images = int(limit * SELECT_SHARE / (1 - SELECT_SHARE)) // CANDIDATES
            most = len(data.splits["val"])
            val = StratifiedSampler(data.splits["val"], data.labels, seed)(
                min(most, max(MIN_SELECT_IMAGES, images)) if test else most
            )
            run = Task(
                scorer, here.decoder(scorer.score("select", val, identity)), make_objective(objective), data.labels
            )
            choice = select(run, search(run, here, estimator, seed, limit), val, identity)
            losses = dict(choice.losses)
            gain = losses.pop("identity") - min(losses.values())
            right = [float("nan")] * 3
            if test:
                before = run.probabilities("evaluate", held, identity)
                after = run.probabilities("evaluate", held, choice.z)
                # On all of val, as it costs nothing to have them all.
                every = data.splits["val"]
                shifted = fit_threshold(run.probabilities("select", every, identity), data.labels[every])(before)
                right = [float(np.mean(decide(p) == data.labels[held])) for p in (after, before, shifted)]
            outcomes.append(RunResult(limit, *right, len(held), choice.name, choice.losses[choice.name], gain))
        scorer.close()
    return outcomes


def search(run: Task, here: Experiment, estimator: str | Factory, seed: int, limit: int) -> Trajectory:
    """The course of an estimator's name, or of a factory, up to ``limit`` queries."""
    space, train = here.search_space, here.data.splits["train"]
    if isinstance(estimator, str):
        made = here.varied(
            space=here.config.space, estimator=estimator, seed=seed, budget=here.config.budget
        ).estimator()
    else:
        factory = estimator.at(limit) if hasattr(estimator, "at") else estimator
        made = factory(space, seed=seed)
        if common := getattr(estimator, "common", 0):
            train = StratifiedSampler(train, here.data.labels, seed)(min(common, len(train)))
    early_stopping = None
    if here.config.early_stop:
        early_stopping = make_early_stopping(made, space, WORTH_OF_A_BUDGET / limit)
    assert isinstance(here.config.in_flight, int)
    in_flight = FixedInFlight(here.config.in_flight)
    return tune(run, made, train, limit=limit, seed=seed, in_flight=in_flight, early_stopping=early_stopping)
