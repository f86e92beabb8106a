"""The bill's tables: what is proven, when, and what plans said."""

from concurrent.futures import Future
from dataclasses import asdict, replace
from math import inf

import numpy as np

from benchmarks.accuracy.bill import ALL, METHODS, REFUSED, Row, cell, fewer, range_line, report, shares, table
from benchmarks.accuracy.bill_rivals import RIVALS, prove
from benchmarks.accuracy.remembering import Memory, RememberingBackend
from benchmarks.peers import PEERS
from blackbox_dft._utils.types import Floats, Ints, Scores
from blackbox_dft.data import load
from blackbox_dft.demo import assets
from blackbox_dft.scoring.backends.base import CallThreads, Send

ROW = Row(
    "lfw-gender", ALL, 1000, "z and map", 0, 0.96, 0.88, 432, 256, "improved", 1, 288, 1000, "mean", 1
)  # fmt: skip
UNDECIDED = replace(ROW, seed=1, accuracy=0.9, queries=1000, verdict="no significant change")


def test_a_row_reads_back_from_its_text() -> None:
    assert Row.read({name: str(value) for name, value in asdict(ROW).items()}) == ROW
    assert ROW.key == ("lfw-gender", "all", "1000", "z and map", "0")


def test_a_gain_that_is_not_proven_takes_for_ever() -> None:
    assert (ROW.proven_at, UNDECIDED.proven_at) == (432, inf)
    assert cell([ROW]) == "0.960, 100% at 432"
    assert cell([ROW, replace(ROW, seed=2, accuracy=0.94, queries=500), UNDECIDED]) == "0.940, 67% at 500"
    assert cell([ROW, UNDECIDED, replace(UNDECIDED, verdict="worse")]) == "0.900, 33%, 1 worse"
    assert cell([replace(ROW, verdict=REFUSED)]) == "refused"


def test_tables_have_a_column_a_bill_or_a_number_of_labels() -> None:
    rows = [ROW, replace(ROW, bill=500, accuracy=0.95), replace(ROW, labels="100", accuracy=0.91, verdict="-")]
    assert table([row for row in rows if row.labels == ALL], "lfw-gender", "bill") == [
        "| lfw-gender, before 0.880 | 500 | 1,000 |",
        "|---|---|---|",
        "| z and map | 0.950, 100% at 432 | 0.960, 100% at 432 |",
        "",
    ]
    assert table(rows, "lfw-gender", "labels")[0] == "| lfw-gender, before 0.880 | 100 | all |"
    assert table(rows, "usps-mnist", "bill") == []
    printed = "\n".join(report(rows, 5))
    assert "By the number of labelled images, at a bill of 1,000:" in printed
    assert "| z and map | 0.910, 0% | 0.960, 100% at 432 |" in printed


def test_shares_are_of_cells_with_many_seeds() -> None:
    assert shares([ROW]) == []
    many = [replace(ROW, seed=seed) for seed in range(19)] + [replace(UNDECIDED, seed=19)]
    assert shares(many)[2] == "| lfw-gender, 1,000, z and map | 20 | 95% | 432 | 0.960 | 0.900 |"


def test_ranges_are_counted_for_our_runs_alone() -> None:
    rows = [ROW, replace(ROW, queries=200), replace(ROW, sequential=0, least=5000, most=5000, queries=5000)]
    rival = replace(ROW, method="map alone", least=0, most=0)
    assert range_line([*rows, rival, replace(ROW, verdict=REFUSED)]) == (
        "The plan's 90 % range held the queries spent: all runs 2 of 3 (67%); with a sequential proof 1 of 2 (50%); "
        "with all test images scored 1 of 1 (100%)."
    )


def test_methods_are_what_their_kind_needs() -> None:
    assert set(RIVALS) == {name for name, method in METHODS.items() if method.kind == "rival"}
    assert all(method.peer in PEERS for method in METHODS.values() if method.kind == "peer")


def test_fewer_labelled_images_keep_their_splits() -> None:
    data = load(assets() / "labels.csv")
    few = fewer(data, 100, seed=3)
    assert {split: len(images) for split, images in few.splits.items()} == {"train": 40, "val": 20, "test": 40}
    assert all(np.isin(few.splits[split], data.splits[split]).all() for split in few.splits)
    assert np.bincount(data.labels[few.splits["train"]]).min() >= 3


def test_a_rivals_proof_stops_when_decided_and_keeps_to_its_images() -> None:
    draws = [np.array([image]) for image in range(300)]
    wrong, right = np.zeros(300, bool), np.ones(300, bool)
    assert prove(wrong, right, draws, 300) == ("improved", 16)
    assert prove(right, wrong, draws, 300) == ("worse", 16)
    assert prove(right, right, draws, 20) == ("no significant change", 20)
    # A gain of more than a point is no longer plausible.
    verdict, images = prove(wrong, np.arange(300) < 3, draws, 10)
    assert (verdict, images) == ("no significant change", 10)


def test_nothing_is_computed_twice_and_rows_keep_their_order() -> None:
    class Counting:
        concurrency, threads = 1, CallThreads(1)
        seen: tuple[int, ...] = ()

        def prepare(self, indices: Ints, z: Floats) -> Future[Send]:
            self.seen += tuple(indices.tolist())
            return self.threads.prepare(lambda images, z: np.stack([images, z[..., 0] + 0.0 * images], 1), indices, z)

        def close(self) -> None:
            self.threads.close()

    memory: Memory = {}
    inner = Counting()
    made = RememberingBackend(inner, memory)

    def scored(indices: list[int], z: list[float] | list[list[float]]) -> Scores:
        return made.prepare(np.array(indices), np.array(z)).result()().result()

    np.testing.assert_array_equal(scored([3, 1], [0.5]), [[3, 0.5], [1, 0.5]])
    np.testing.assert_array_equal(scored([2, 3, 1], [[0.5], [0.5], [0.7]]), [[2, 0.5], [3, 0.5], [1, 0.7]])
    np.testing.assert_array_equal(scored([1, 2], [0.5]), [[1, 0.5], [2, 0.5]])
    assert inner.seen == (3, 1, 2, 1)
    made.close()
