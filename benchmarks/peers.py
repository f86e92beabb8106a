"""The optimizers that users would otherwise take, each at its library's recommended setting and at a tuned one.

    python benchmarks/peers.py [--out benchmarks/results/peer_tuning.csv]

tunes them: every setting of a peer's ``grid`` runs on ``smile-mini`` in the spaces affine+color and dct:8 with three
seeds to 2,000 tuning queries, and the one with the greatest gain of loss on val, averaged, is its tuned setting. Rows
already in the CSV are not run again. Lengths are in units of z, where 1 is a sensible step in each coordinate, and so 1
is the first spread of libraries that want variables scaled like that. A value is the mean loss of ``images`` images.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
import numpy as np

from benchmarks.peer_adapters import (
    BlackVipSpsa,
    Cmaes,
    CoordinateDifferences,
    Crossed,
    Nevergrad,
    PlainNes,
    Pycma,
    RandomDraws,
    Scipy,
    Search,
)
from benchmarks.tasks import measure
from blackbox_dft.estimators import SearchSpace
from blackbox_dft.estimators.base import Estimator

TUNED = Path(__file__).parent / "results" / "peer_tuning.csv"
TASK, SPACES, SEEDS, QUERIES = "smile-mini", ("affine+color", "dct:8"), 3, 2000
COLUMNS = ("method", "setting", "space", "seed", "queries", "val_gain")

Setting = Mapping[str, Any]


@dataclass(frozen=True)
class Peer:
    """An optimizer of another library."""

    name: str
    make: Callable[..., Search]
    recommended: Setting
    grid: tuple[Setting, ...]
    """Settings tried in its tuning, beside the recommended one; what one leaves out is as recommended."""
    plans: bool = False
    """Whether it wants to know how many candidates it will have."""
    fixed: bool = False
    """Whether it takes values for exact: all its candidates see the same images then."""
    most: int = 10**9
    """Numbers of z from which on it is left out, as it takes one query for each in turn."""

    def settings(self) -> list[Setting]:
        """The recommended one and those of the grid, each once."""
        found = {text(setting): setting for setting in ({**self.recommended, **some} for some in ({}, *self.grid))}
        return list(found.values())


@dataclass(frozen=True)
class Factory:
    """A peer with a setting, as ``benchmarks.tasks`` takes it."""

    peer: Peer
    setting: Setting
    limit: int = 0

    @property
    def common(self) -> int:
        """Training images its whole search is confined to; 0 for all."""
        return int(self.setting["images"]) if self.peer.fixed else 0

    def at(self, limit: int) -> Factory:
        """A copy that knows its number of queries, if the method plans with it."""
        return replace(self, limit=limit) if self.peer.plans else self

    def __call__(self, space: SearchSpace, *, seed: int) -> Estimator:
        """An estimator for a search space."""
        options = dict(self.setting)
        images = int(options.pop("images"))
        if self.peer.plans:
            options["evaluations"] = max(1, self.limit // images)
        search = self.peer.make(space.start, space.lower, space.upper, seed, **options)
        return Crossed(search, images, space.lower, space.upper)


def text(setting: Setting) -> str:
    """A setting as it is printed in tables: ``sigma=1,images=16``."""
    return ",".join(
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in setting.items()
    )


def parse(peer: Peer, setting: str) -> Setting:
    """What ``text`` wrote."""
    return next(found for found in peer.settings() if text(found) == setting)


def _all(**values: tuple[Any, ...]) -> tuple[Setting, ...]:
    return tuple(dict(zip(values, chosen, strict=True)) for chosen in product(*values.values()))


SPREADS = _all(sigma=(0.3, 1.0), images=(8, 32))
# Its documentation recommends this for noisy values, which they are.
NEVERGRAD = {"sigma": 1.0, "images": 16, "together": 1, "noisy": True}
NEVERGRAD_GRID = (*SPREADS, {"noisy": False, "images": 32}, {"noisy": False, "images": 32, "sigma": 0.3})
# The order in BlackVIP's configuration files is o, c, a, alpha, gamma; batch and averages are its files' too.
BLACKVIP = {"a": 0.01, "c": 0.01, "o": 1.0, "alpha": 0.4, "gamma": 0.1, "averages": 5, "images": 128}
BLACKVIP_GRID = _all(a=(1.0, 10.0), c=(0.5, 1.5), averages=(1,), images=(8, 32))


def _cmaes(kind: str, **options: Any) -> Callable[..., Search]:
    return lambda *place, **setting: Cmaes(*place, kind=kind, **setting, **options)


def _nevergrad(name: str) -> Callable[..., Search]:
    return lambda *place, **setting: Nevergrad(*place, name=name, **setting)


def _blackvip(correction: bool) -> Callable[..., Search]:
    return lambda *place, **setting: BlackVipSpsa(*place, momentum=0.9, correction=correction, **setting)


def _scipy(method: str) -> Callable[..., Search]:
    return lambda *place, **setting: Scipy(*place, method=method, **setting)


SPREAD = {"sigma": 1.0, "images": 16}
PEERS = {
    peer.name: peer
    for peer in (
        Peer("pycma CMA-ES", Pycma, SPREAD, SPREADS),
        Peer("cmaes CMA", _cmaes("CMA"), SPREAD, SPREADS),
        Peer("cmaes SepCMA", _cmaes("SepCMA"), SPREAD, SPREADS),
        Peer("cmaes CMA lr-adapt", _cmaes("CMA", lr_adapt=True), SPREAD, SPREADS),
        Peer("nevergrad NGOpt", _nevergrad("NGOpt"), NEVERGRAD, NEVERGRAD_GRID, plans=True),
        Peer("nevergrad TBPSA", _nevergrad("TBPSA"), NEVERGRAD, NEVERGRAD_GRID, plans=True),
        Peer("nevergrad DE", _nevergrad("DE"), NEVERGRAD, NEVERGRAD_GRID, plans=True),
        Peer("nevergrad OnePlusOne", _nevergrad("OnePlusOne"), NEVERGRAD, NEVERGRAD_GRID, plans=True),
        Peer("BlackVIP SPSA", _blackvip(False), BLACKVIP, BLACKVIP_GRID),
        Peer("BlackVIP SPSA-GC", _blackvip(True), BLACKVIP, BLACKVIP_GRID),
        # Wierstra et al. 2014, table 1: rate 1, population 4 + 3 ln k.
        Peer(
            "plain NES",
            PlainNes,
            {"sigma": 1.0, "rate": 1.0, "population": 0, "images": 16},
            (*SPREADS, *_all(sigma=(1.0,), rate=(3.0,), images=(8, 32))),
        ),
        # ZOO's rate; its width of 1e-4 is below one level of an 8-bit image and would see nothing at all.
        Peer(
            "coordinate differences",
            CoordinateDifferences,
            {"width": 1.0, "rate": 0.01, "block": 8, "images": 16},
            _all(width=(0.5, 1.5), rate=(0.1, 0.3), images=(1, 8)),
        ),
        Peer(
            "random search",
            RandomDraws,
            {"sigma": 1.0, "together": 7, "images": 32},
            _all(sigma=(0.5, 2.0), images=(16, 64)),
        ),
        Peer(
            "scipy Powell",
            _scipy("Powell"),
            {"sigma": 1.0, "images": 32},
            _all(sigma=(0.5, 1.0), images=(16, 64)),
            fixed=True,
            most=30,
        ),
        # Powell's first line is that of the first coordinate, which is zoom, and zoom is what lfw-gender wants most.
        Peer(
            "scipy Powell, order drawn",
            _scipy("Powell"),
            {"sigma": 0.5, "images": 64, "order": "drawn"},
            _all(sigma=(0.5, 1.0), images=(16, 64)),
            fixed=True,
            most=30,
        ),
        Peer(
            "scipy COBYQA",
            _scipy("COBYQA"),
            {"sigma": 1.0, "images": 32},
            _all(sigma=(0.5, 1.0), images=(16, 64)),
            fixed=True,
            most=30,
        ),
    )
}


def tuned(peer: Peer, path: Path = TUNED) -> Setting | None:
    """The setting with the greatest mean gain in ``path``; nothing while not all of them were tried."""
    gains: dict[str, list[float]] = {}
    for row in read(path):
        if row["method"] == peer.name:
            gains.setdefault(row["setting"], []).append(float(row["val_gain"]))
    whole = len(_spaces(peer)) * SEEDS
    if any(len(gains.get(text(setting), ())) < whole for setting in peer.settings()):
        return None
    return parse(peer, max(gains, key=lambda setting: float(np.mean(gains[setting]))))


def _spaces(peer: Peer) -> list[str]:
    return [space for space in SPACES if peer.most > SIZE[space]]


SIZE = {"affine+color": 10, "dct:8": 192, "affine+color+dct:8": 202}
"""Numbers of a space."""


def read(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV; none where it is not there."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def append(path: Path, columns: tuple[str, ...], values: tuple[object, ...]) -> None:
    """A row more, in one write, so that a killed benchmark leaves whole rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.exists()
    with path.open("a", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        if fresh:
            out.writerow(columns)
        out.writerow(values)


def jobs() -> Iterator[tuple[Peer, Setting, str, int]]:
    """All of the tuning."""
    for peer in PEERS.values():
        for space, setting, seed in product(_spaces(peer), peer.settings(), range(SEEDS)):
            yield peer, setting, space, seed


def main() -> None:
    """Tunes what is not tuned and prints what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=TUNED)
    out = parser.parse_args().out
    done = {(row["method"], row["setting"], row["space"], row["seed"]) for row in read(out)}
    for peer, setting, space, seed in jobs():
        if (peer.name, text(setting), space, str(seed)) in done:
            continue
        (found,) = measure(TASK, space, Factory(peer, setting), seed, [QUERIES], test=False)
        append(out, COLUMNS, (peer.name, text(setting), space, seed, QUERIES, round(found.val_gain, 6)))
        print(f"{peer.name}: {text(setting)}, {space}, seed {seed}: {found.val_gain:+.4f}", file=sys.stderr, flush=True)
    for peer in PEERS.values():
        best = tuned(peer, out)
        print(f"| {peer.name} | {text(peer.recommended)} | {text(best) if best else '-'} |")


if __name__ == "__main__":
    main()
