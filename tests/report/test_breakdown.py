"""Accuracy per class and group, confusions, histograms, and the choice of images."""

import numpy as np
import pytest

from blackbox_dft.report import breakdown
from tests.helpers.predictions import made_up


def test_one_group_mended_at_anothers_cost_is_seen() -> None:
    labels = [0, 1] * 100
    groups = tuple("dark" if number < 100 else "light" for number in range(200))
    before = labels[:100] + [1 - label for label in labels[100:150]] + labels[150:]
    after = [1 - label for label in labels[:30]] + labels[30:]
    found = made_up(labels, before, after, traits={"skin": groups, "id": tuple(map(str, range(200)))})
    dark, light = breakdown.per_trait(found, "skin")
    assert (dark.name, dark.n, dark.word) == ("dark", 100, "worse")
    assert dark.change == pytest.approx(-0.3)
    assert (light.word, round(light.change, 6)) == ("better", 0.5)
    assert dark.ci95 is not None
    assert dark.ci95[0] < -0.3 < dark.ci95[1] < 0
    assert breakdown.usual_traits(found) == ["skin"]
    assert [part.name for part in breakdown.per_class(found)] == ["class 0", "class 1"]


def test_of_many_classes_those_that_changed_most_are_listed() -> None:
    labels = [label for label in range(100) for _ in range(2)]
    after = [label if label != 50 else 51 for label in labels]
    every = breakdown.per_class(made_up(labels, labels, after))
    listed = breakdown.listed(every)
    assert (len(every), len(listed)) == (100, breakdown.MAX_LISTED)
    assert [part.name for part in listed if part.change] == ["class 50"]
    names = [part.name for part in every]
    assert [names.index(part.name) for part in listed] == sorted(names.index(part.name) for part in listed)
    assert breakdown.listed(every[:24]) == every[:24]


def test_few_images_get_no_interval_and_many_values_no_table() -> None:
    found = made_up([0, 1, 2] * 3, [0, 1, 1] * 3, [0, 1, 2] * 3)
    assert [part.word for part in breakdown.per_class(found)] == ["few images"] * 3
    counts = breakdown.confusion(found.before, found.labels)
    np.testing.assert_array_equal(counts, [[3, 0, 0, 0], [0, 3, 0, 0], [0, 3, 0, 0]])
    shares = breakdown.histogram(found, 2)
    assert (shares[0][0], shares[1][-1]) == (1, 1)
    chosen = breakdown.chosen_images(found, 2, 2)
    assert [len(chosen[kind]) for kind in ("mended", "broken", "typical")] == [2, 0, 2]
    assert set(chosen["mended"]) <= {2, 5, 8}


def test_images_without_a_score_have_a_column_of_their_own_and_are_never_mended() -> None:
    found = made_up([0, 0, 1, 1], [0, 1, 1, 0], [0, 0, 1, 1])
    found.after[[0, 3]] = np.nan
    np.testing.assert_array_equal(breakdown.confusion(found.after, found.labels), [[1, 0, 1], [0, 1, 1]])
    assert breakdown.decided_names(found.classes, found.after) == ["no decision", "class 0", "class 1", "no decision"]
    chosen = breakdown.chosen_images(found, 4, 4)
    assert [chosen[kind].tolist() for kind in ("mended", "broken")] == [[1], [0]]
    assert sum(breakdown.histogram(found, 0)[1]) == 0.5
