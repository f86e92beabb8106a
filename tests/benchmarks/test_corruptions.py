"""The table of corruptions: what each does to an image, and what the rows add up to."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from benchmarks.accuracy.corruptions import CORRUPTIONS, STRENGTHS, Row, share_worse, table

ROW = Row("lfw-gender", "noise", 1, "affine+color", 400, 0, 0.8, 0.82, 0.9, 0.91, 0.9)
IMAGE = np.clip(np.add.outer(np.arange(0, 192, 2), np.arange(96) % 48)[..., None].repeat(3, axis=-1), 0, 255)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_is_the_stronger_the_higher_and_the_same_each_time(name: str) -> None:
    image = IMAGE.astype(np.uint8)
    changed = [CORRUPTIONS[name](image, strength, 5) for strength in STRENGTHS]
    errors = [np.abs(one.astype(int) - image).mean() for one in changed]
    assert 0 < errors[0] < errors[1] < errors[2]
    assert all(one.shape == image.shape and one.dtype == np.uint8 for one in changed)
    np.testing.assert_array_equal(CORRUPTIONS[name](image, 2, 5), changed[1])


def test_a_row_reads_back_from_its_text() -> None:
    assert Row.read({name: str(value) for name, value in asdict(ROW).items()}) == ROW


def test_cells_are_means_over_seeds_and_count_alike() -> None:
    worse = replace(ROW, corruption="blur", z=0.7, z_and_map=0.79, kept=0.796)
    rows = [ROW, replace(ROW, seed=1, z=0.94), worse]
    lines = table(rows)
    assert lines[2] == "| lfw-gender, noise 1 | 0.800 | 0.820 | 0.920 | 0.910 | 0.900 |"
    assert lines[4] == "| mean gain over 2 cells, points | +0.00 | +2.00 | +1.00 | +5.00 | +4.80 |"
    assert lines[5] == "| cells more than half a point worse | 0% | 0% | 50% | 50% | 0% |"
    both = [ROW, replace(ROW, strength=2, z=0.8, kept=0.7)]
    assert table(both, short=True)[2] == "| lfw-gender, noise | 0.800 | 0.820 | 0.850 | 0.910 | 0.800 |"
    assert table(both, short=True)[3].startswith("| mean gain over 2 cells")
    assert share_worse([[worse], [ROW]], "z") == 0.5
