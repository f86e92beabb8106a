"""The cost of the ledger: microseconds to record a query, and scores a second to replay.

python benchmarks/ledger.py [--images 200000] [--batch 256]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from blackbox_dft._utils.hashing import digest
from blackbox_dft.scoring.keys import Keys
from blackbox_dft.scoring.ledger import Ledger


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--classes", type=int, default=7)
    options = parser.parse_args()
    size, count = options.batch, options.images // options.batch
    rng = np.random.default_rng(0)
    images = [digest(str(n)) for n in range(size)]
    scores = rng.random((size, options.classes), np.float32)
    candidates = rng.normal(size=(count, 192))

    for durable in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "ledger.sqlite"
            spent = []
            with Ledger(path, budget=2**60, in_doubt="count" if durable else "free", durable=durable) as ledger:
                keys = Keys("model", "dct:8", np.zeros(192))
                under_way = None
                for z in candidates:
                    began = time.perf_counter()
                    named = keys.of(images, z[None], [0] * size)
                    # As in a run: the last scores and the next reservation are one transaction.
                    with ledger.transaction():
                        if under_way is not None:
                            ledger.record(under_way, scores)
                        under_way = ledger.reserve("tune", named)
                    spent.append(time.perf_counter() - began)
                if under_way is not None:
                    ledger.record(under_way, scores)
            began = time.perf_counter()
            with Ledger(path, budget=2**60) as ledger:
                opened = time.perf_counter() - began
                for z in candidates:
                    ledger.scores(keys.of(images, z[None], [0] * size))
            replayed = time.perf_counter() - began
            total = count * size
            kind = "URL (one fsync a request)" if durable else "model on this machine"
            print(
                f"{kind}: {1e6 * statistics.median(spent) / size:.2f} us an image at batches of {size}; "
                f"{total:,} answers replayed in {replayed:.2f} s ({total / replayed:,.0f}/s, opening {opened:.2f} s)"
            )


if __name__ == "__main__":
    main()
