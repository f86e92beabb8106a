"""The picture files of a run."""

import numpy as np
import pytest

from blackbox_dft.report.figures.pictures import chosen_images

MENDED, BROKEN, RIGHT, WRONG = (0, 1), (1, 0), (1, 1), (0, 0)


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ({MENDED: 20, BROKEN: 20, RIGHT: 20}, {MENDED: 5, BROKEN: 2, RIGHT: 1}),
        ({MENDED: 0, BROKEN: 0, RIGHT: 5, WRONG: 50}, None),
        ({MENDED: 2, BROKEN: 0, RIGHT: 1}, {MENDED: 2, BROKEN: 0, RIGHT: 1}),
    ],
)
def test_mended_images_come_before_broken_and_others(
    counts: dict[tuple[int, int], int], shown: dict[tuple[int, int], int] | None
) -> None:
    pairs = [pair for pair, count in counts.items() for _ in range(count)]
    before, after = np.array(pairs).T
    chosen = chosen_images(np.ones(len(pairs), int), before, after)
    assert len(chosen) == len(set(chosen.tolist())) == min(8, len(pairs))
    if shown is not None:
        found = [pairs[number] for number in chosen]
        assert {pair: found.count(pair) for pair in shown} == shown
        assert found == sorted(found, key=list(shown).index)
