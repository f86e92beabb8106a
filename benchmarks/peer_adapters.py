"""Other people's optimizers as estimators: thin ask/tell adapters, so that they use the same images at the same price.

Each class proposes whole candidates and is told one value for each: the mean loss on common images. ``Crossed`` makes
an estimator of it. Nothing here is tuned; ``benchmarks/peers.py`` holds the settings.
"""

from __future__ import annotations

import queue
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any, Literal, Protocol

import numpy as np

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.base import Proposal


class Search(Protocol):
    """Candidates out, one value for each of them in; minimises the value."""

    def ask(self) -> Floats:
        """Candidates ``(M, k)``."""
        ...

    def tell(self, candidates: Floats, values: Floats) -> None:
        """Mean losses ``(M,)`` of the candidates shown, which bounds may have moved."""
        ...

    @property
    def best(self) -> Floats:
        """What the method itself recommends, ``(k,)``."""
        ...


class Crossed:
    """A search as an estimator: every candidate of a proposal sees the same ``images`` images."""

    def __init__(self, search: Search, images: int, lower: Floats, upper: Floats) -> None:
        self.search, self.images = search, images
        self._lower, self._upper = lower, upper

    def ask(self) -> Proposal:
        """The search's candidates, within bounds."""
        return Proposal.crossed(np.clip(self.search.ask(), self._lower, self._upper), self.images)

    def tell(self, proposal: Proposal, losses: Floats) -> None:
        """The mean loss of each candidate."""
        self.search.tell(proposal.candidates, losses.reshape(-1, self.images).mean(axis=1))

    @property
    def best(self) -> Floats:
        """The search's own recommendation, within bounds."""
        return np.clip(np.asarray(self.search.best, np.float64), self._lower, self._upper)


class Pycma:
    """CMA-ES by its author (github.com/CMA-ES/pycma), with its own population and bounds."""

    def __init__(self, start: Floats, lower: Floats, upper: Floats, seed: int, *, sigma: float) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import cma
        rng = np.random.default_rng(seed)
        options: dict[str, Any] = {
            # Its own generator is global.
            "randn": lambda *shape: rng.standard_normal(shape),
            "seed": np.nan,
            "verbose": -9,
            "verb_log": 0,
            "signals_filename": "",
        }
        if np.isfinite(lower).any() or np.isfinite(upper).any():
            options["bounds"] = [
                [value if np.isfinite(value) else None for value in side.tolist()] for side in (lower, upper)
            ]
        self._cma = cma.CMAEvolutionStrategy(np.array(start), sigma, options)
        self._proposed: list[Floats] = []

    def ask(self) -> Floats:
        """A generation of ``4 + 3 ln k``."""
        self._proposed = self._cma.ask()
        return np.array(self._proposed)

    def tell(self, candidates: Floats, values: Floats) -> None:
        """Ranks it."""
        self._cma.tell(self._proposed, values.tolist())

    @property
    def best(self) -> Floats:
        """The mean: what pycma recommends under noise."""
        return np.asarray(self._cma.result.xfavorite, np.float64)


class Cmaes:
    """CMA-ES and its relatives by ``cmaes`` (github.com/CyberAgentAILab/cmaes).

    Its CMA-ES with margin is left out: where no coordinate is discrete it is CMA-ES.
    """

    def __init__(
        self, start: Floats, lower: Floats, upper: Floats, seed: int, *, sigma: float, kind: str, **options: Any
    ) -> None:
        import cmaes

        bounds = np.stack([lower, upper], axis=1)
        self._cma = getattr(cmaes, kind)(mean=np.array(start), sigma=sigma, bounds=bounds, seed=seed, **options)

    def ask(self) -> Floats:
        """A generation of ``4 + 3 ln k``."""
        return np.array([self._cma.ask() for _ in range(self._cma.population_size)])

    def tell(self, candidates: Floats, values: Floats) -> None:
        """Ranks it."""
        self._cma.tell(list(zip(candidates, values.tolist(), strict=True)))

    @property
    def best(self) -> Floats:
        """The mean."""
        return np.asarray(self._cma.mean, np.float64)


class Nevergrad:
    """An optimizer of nevergrad's registry (github.com/facebookresearch/nevergrad).

    Args:
        together: candidates proposed before their losses are told, all on the same images.
        evaluations: how many candidates it will be allowed, which it may plan with.
        noisy: whether it is told that values are noisy.
    """

    def __init__(
        self,
        start: Floats,
        lower: Floats,
        upper: Floats,
        seed: int,
        *,
        sigma: float,
        name: str,
        together: int,
        evaluations: int,
        noisy: bool,
        **options: Any,
    ) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import nevergrad as ng

            what = ng.p.Array(init=np.array(start)).set_mutation(sigma=sigma)
            what.random_state = np.random.RandomState(seed)
            what.function.deterministic = not noisy
            family = getattr(ng.families, name)(**options) if options else ng.optimizers.registry[name]
            self._search = family(what, budget=evaluations, num_workers=together)
        self._start, self._together, self._told = np.array(start, np.float64), together, 0
        self._proposed: list[Any] = []

    def ask(self) -> Floats:
        """The next ``together`` candidates."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._proposed = [self._search.ask() for _ in range(self._together)]
        return np.array([candidate.value for candidate in self._proposed])

    def tell(self, candidates: Floats, values: Floats) -> None:
        """In the order of the proposals."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for candidate, value in zip(self._proposed, values.tolist(), strict=True):
                self._search.tell(candidate, value)
        self._told += len(values)

    @property
    def best(self) -> Floats:
        """Its recommendation; the start before the first losses."""
        if not self._told:
            return self._start
        return np.asarray(self._search.provide_recommendation().value, np.float64)


class BlackVipSpsa:
    """SPSA and SPSA-GC as BlackVIP publishes them (arXiv 2303.14773, eq. 3 to 5, and its public code).

    ``a_t = a / (t + o)^alpha``, ``c_t = c / t^gamma``, t from 1; entries of a direction are uniform on
    [-1, -.5] and [.5, 1]; ``averages`` directions a step, all on one batch. With the correction
    ``m = b m + g``, ``z = z - a_t (g + b m)``; without it ``z = z - a_t g``.
    """

    def __init__(
        self,
        start: Floats,
        lower: Floats,
        upper: Floats,
        seed: int,
        *,
        a: float,
        c: float,
        alpha: float,
        gamma: float,
        o: float,
        averages: int,
        momentum: float,
        correction: bool,
    ) -> None:
        self._z = np.array(start, np.float64)
        self._lower, self._upper = lower, upper
        self._rng = np.random.default_rng(seed)
        self._a, self._c, self._alpha, self._gamma, self._o = a, c, alpha, gamma, o
        self._averages, self._momentum, self._correction = averages, momentum, correction
        self._velocity = np.zeros_like(self._z)
        self._directions = np.zeros((averages, len(self._z)))
        self._count = 1

    @property
    def _spread(self) -> float:
        return self._c / self._count**self._gamma

    def ask(self) -> Floats:
        """Both sides of each direction."""
        shape = self._averages, len(self._z)
        self._directions = self._rng.uniform(0.5, 1, shape) * (2.0 * self._rng.integers(0, 2, shape) - 1)
        offsets = self._spread * self._directions
        return np.concatenate([self._z + offsets, self._z - offsets])

    def tell(self, candidates: Floats, values: Floats) -> None:
        """One step."""
        differences = values[: self._averages] - values[self._averages :]
        gradient = (differences[:, None] / (2 * self._spread * self._directions)).mean(axis=0)
        gain = self._a / (self._count + self._o) ** self._alpha
        if self._correction:
            self._velocity = self._momentum * self._velocity + gradient
            gradient = gradient + self._momentum * self._velocity
        self._z = np.clip(self._z - gain * gradient, self._lower, self._upper)
        self._count += 1

    @property
    def best(self) -> Floats:
        """The iterate."""
        return self._z


class PlainNes:
    """Natural evolution strategy with a fixed spread, every direction on one common minibatch.

    Antithetic directions as in Ilyas et al. 2018 (arXiv 1804.08598, algorithm 1), fitness shaping and rate as in
    Wierstra et al. 2014 (JMLR 15, section 3.1, table 1): ``z = z + eta sigma sum_i u_i s_i`` with utilities u of ranks.
    """

    def __init__(
        self, start: Floats, lower: Floats, upper: Floats, seed: int, *, sigma: float, rate: float, population: int
    ) -> None:
        size = len(start)
        self._z = np.array(start, np.float64)
        self._lower, self._upper = lower, upper
        self._rng = np.random.default_rng(seed)
        self._sigma, self._rate = sigma, rate
        count = population or 4 + int(3 * np.log(size))
        self._half = (count + 1) // 2
        ranks = np.arange(1, 2 * self._half + 1)
        raw = np.maximum(0, np.log(self._half + 1) - np.log(ranks))
        self._utilities = raw / raw.sum() - 1 / len(ranks)
        self._directions = np.zeros((2 * self._half, size))

    def ask(self) -> Floats:
        """Antithetic draws around the mean."""
        drawn = self._rng.standard_normal((self._half, len(self._z)))
        self._directions = np.concatenate([drawn, -drawn])
        return self._z + self._sigma * self._directions

    def tell(self, candidates: Floats, values: Floats) -> None:
        """One step along the shaped search gradient."""
        order = np.argsort(values, kind="stable")
        step = self._utilities @ self._directions[order]
        self._z = np.clip(self._z + self._rate * self._sigma * step, self._lower, self._upper)

    @property
    def best(self) -> Floats:
        """The mean."""
        return self._z


class RandomDraws:
    """Random search: normal draws around the start; the best stays, and is shown again beside the next ones."""

    def __init__(self, start: Floats, lower: Floats, upper: Floats, seed: int, *, sigma: float, together: int) -> None:
        self._start = self._best = np.array(start, np.float64)
        self._rng = np.random.default_rng(seed)
        self._sigma, self._together = sigma, together

    def ask(self) -> Floats:
        """The best so far and new draws."""
        drawn = self._rng.standard_normal((self._together, len(self._start)))
        return np.vstack([self._best, self._start + self._sigma * drawn])

    def tell(self, candidates: Floats, values: Floats) -> None:
        """Keeps the best."""
        self._best = candidates[int(values.argmin())]

    @property
    def best(self) -> Floats:
        """The best of the last proposal."""
        return self._best


class CoordinateDifferences:
    """Coordinate-wise central differences, Adam for each coordinate by itself, after ZOO (arXiv 1708.03999, alg. 2).

    ``block`` random coordinates a proposal, all on one minibatch. ZOO's h of 1e-4 is below one level of an 8-bit image
    and would see no difference at all; ``width`` is in units of z.
    """

    def __init__(
        self, start: Floats, lower: Floats, upper: Floats, seed: int, *, width: float, rate: float, block: int
    ) -> None:
        size = len(start)
        self._z = np.array(start, np.float64)
        self._lower, self._upper = lower, upper
        self._rng = np.random.default_rng(seed)
        self._width, self._rate, self._block = width, rate, min(block, size)
        self._mean, self._square, self._count = np.zeros(size), np.zeros(size), np.zeros(size)
        self._left = np.empty(0, np.int64)
        self._chosen = self._left

    def ask(self) -> Floats:
        """Two candidates for each coordinate of the block."""
        while len(self._left) < self._block:
            fresh = self._rng.permutation(len(self._z))
            # None twice in a block.
            fresh = np.concatenate([fresh[~np.isin(fresh, self._left)], fresh[np.isin(fresh, self._left)]])
            self._left = np.concatenate([self._left, fresh])
        self._chosen, self._left = self._left[: self._block], self._left[self._block :]
        offsets = self._width * np.eye(len(self._z))[self._chosen]
        return np.concatenate([self._z + offsets, self._z - offsets])

    def tell(self, candidates: Floats, values: Floats) -> None:
        """Adam on the coordinates seen (b1 = .9, b2 = .999)."""
        at, half = self._chosen, self._block
        gradient = (values[:half] - values[half:]) / (2 * self._width)
        self._count[at] += 1
        self._mean[at] = 0.9 * self._mean[at] + 0.1 * gradient
        self._square[at] = 0.999 * self._square[at] + 0.001 * gradient**2
        mean = self._mean[at] / (1 - 0.9 ** self._count[at])
        square = self._square[at] / (1 - 0.999 ** self._count[at])
        moved = self._z.copy()
        moved[at] -= self._rate * mean / (np.sqrt(square) + 1e-8)
        self._z = np.clip(moved, self._lower, self._upper)

    @property
    def best(self) -> Floats:
        """The iterate."""
        return self._z


class _Stop(BaseException):
    """No more values will come."""


class Scipy:
    """A ``scipy.optimize.minimize`` method, which calls a function: it runs in a thread that waits for values.

    The two take turns, so that the trajectory is a function of the values alone. If the method is done it begins again
    at the best point it knows. Powell goes along one coordinate after the other first, in the order they are declared
    in or in one drawn by the seed.
    """

    def __init__(
        self,
        start: Floats,
        lower: Floats,
        upper: Floats,
        seed: int,
        *,
        method: str,
        sigma: float,
        order: Literal["declared", "drawn"] = "declared",
    ) -> None:
        places = np.arange(len(start)) if order == "declared" else np.random.default_rng(seed).permutation(len(start))
        self._questions: queue.Queue[Floats] = queue.Queue()
        self._answers: queue.Queue[float | None] = queue.Queue()
        self._best, self._value = np.array(start, np.float64), np.inf
        first = sigma * np.eye(len(start))[places]
        trajectory = _drive(method, first, np.array(start, np.float64), lower, upper, self._questions, self._answers)
        self._thread = threading.Thread(target=trajectory, daemon=True)
        self._thread.start()
        weakref.finalize(self, self._answers.put, None)

    def ask(self) -> Floats:
        """The one point it wants to know about."""
        return self._questions.get()[None]

    def tell(self, candidates: Floats, values: Floats) -> None:
        """Its value."""
        if values[0] < self._value:
            self._best, self._value = candidates[0], float(values[0])
        self._answers.put(float(values[0]))

    @property
    def best(self) -> Floats:
        """The best point so far."""
        return self._best


def _drive(
    method: str,
    first: Floats,
    start: Floats,
    lower: Floats,
    upper: Floats,
    questions: queue.Queue[Floats],
    answers: queue.Queue[float | None],
) -> Callable[[], None]:
    # A function of its own: the thread must not hold the object whose end it waits for.
    from scipy.optimize import Bounds, minimize

    def value(z: Floats) -> float:
        questions.put(np.array(z, np.float64))
        answer = answers.get()
        if answer is None:
            raise _Stop
        return answer

    options: dict[str, Any] = {"maxfev": 10**9}
    if method == "Powell":
        options["direc"] = first
    else:
        options["initial_tr_radius"] = float(first.max())

    def run() -> None:
        at = start
        try:
            while True:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    found = minimize(value, at, method=method, bounds=Bounds(lower, upper), options=dict(options))
                at = np.clip(found.x, lower, upper)
        except _Stop:
            pass

    return run
