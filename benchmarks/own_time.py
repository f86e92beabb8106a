"""The optimizers' own processor time in microseconds a query, without the model.

    python benchmarks/own_time.py [--size 192] [--queries 4000] [--rounds 5]

Every one proposes candidates and is told random losses, in turns; the median of the rounds counts, and beside it its
ratio to ``nes``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from statistics import median

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))
import numpy as np

from benchmarks.peers import PEERS, Factory
from blackbox_dft.estimators import ESTIMATORS, SearchSpace, make_estimator
from blackbox_dft.estimators.base import Estimator


def contenders(size: int, queries: int) -> dict[str, Estimator]:
    """Fresh ones of all."""
    space = SearchSpace(np.zeros(size), np.full(size, -np.inf), np.full(size, np.inf))
    found = {name: make_estimator(name, space, seed=0) for name in ESTIMATORS}
    for name, peer in PEERS.items():
        if peer.most > size:
            found[name] = Factory(peer, peer.recommended).at(queries)(space, seed=0)
    return found


def seconds(estimator: Estimator, queries: int) -> float:
    """Of a search, a query."""
    rng = np.random.default_rng(0)
    spent, took = 0, 0.0
    while spent < queries:
        began = time.process_time()
        proposal = estimator.ask()
        took += time.process_time() - began
        losses = rng.random(proposal.queries)
        began = time.process_time()
        estimator.tell(proposal, losses)
        _ = estimator.best
        took += time.process_time() - began
        spent += proposal.queries
    return took / spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--queries", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    times: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        for name, estimator in contenders(options.size, options.queries).items():
            times.setdefault(name, []).append(1e6 * seconds(estimator, options.queries))
    base = median(times["nes"])
    print(f"| k = {options.size} | µs a query | × nes |\n|---|---|---|")
    for name, values in sorted(times.items(), key=lambda item: median(item[1])):
        print(f"| {name} | {median(values):.1f} | {median(values) / base:.1f} |")


if __name__ == "__main__":
    main()
