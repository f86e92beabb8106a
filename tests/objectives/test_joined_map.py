"""The map that joins the outputs of several views."""

import numpy as np
import pytest

from blackbox_dft.objectives.joined_map import JoinedMap, fit_joined_map
from blackbox_dft.objectives.output_map import OutputMap
from blackbox_dft.objectives.outputs import Kind, OutputDecoder

EACH = OutputMap(np.array([[1.0, 0], [0, 1], [1, 0]]), "bias", bias=np.array([0.5, -0.5]))
MEAN = OutputMap(np.tile(np.eye(2), (3, 1)))


def outputs(count: int = 20, views: int = 3) -> np.ndarray:
    return np.random.default_rng(0).dirichlet(np.ones(3), (count, views)).astype(np.float32)


def test_it_is_the_mean_of_the_mapped_views() -> None:
    raw = outputs()
    joined = JoinedMap(EACH, MEAN)
    wanted = np.mean([EACH(raw[:, v].astype(np.float64)) for v in range(3)], axis=0)
    np.testing.assert_allclose(joined(raw.reshape(20, 9).astype(np.float64)), wanted)
    decoder = OutputDecoder("probabilities", EACH.label_matrix, joined)
    assert decoder.views == 3
    np.testing.assert_allclose(decoder(raw.reshape(20, 9)), wanted, atol=1e-6)
    assert decoder(raw[:0].reshape(0, 9)).shape == (0, 2)


def test_a_view_without_a_score_is_left_out() -> None:
    raw = outputs()
    raw[0, 1], raw[1] = np.nan, 0
    decoder = OutputDecoder("probabilities", EACH.label_matrix, JoinedMap(EACH, MEAN))
    found = decoder(raw.reshape(20, 9))
    np.testing.assert_allclose(found[0], np.mean([EACH(raw[[0], v].astype(np.float64))[0] for v in (0, 2)], axis=0))
    assert np.isnan(found[1]).all()
    assert decoder.has_score(raw.reshape(20, 9)).tolist() == [True, False, *[True] * 18]


@pytest.mark.parametrize(("kind", "raw"), [("index", [[1, 0, 1]]), ("one-hot", [[0, 1, 1, 0, 0, 1]])])
def test_labels_without_scores_are_put_to_the_vote(kind: Kind, raw: list[list[float]]) -> None:
    decoder = OutputDecoder(kind, np.eye(2), JoinedMap(OutputMap(np.eye(2)), MEAN))
    np.testing.assert_allclose(decoder(np.array(raw, np.float32)), [[1 / 3, 2 / 3]])


def test_fewer_labels_in_another_order() -> None:
    joint = OutputMap(
        np.tile(np.eye(3), (2, 1)),
        "linear",
        bias=np.array([0.1, 0.2, -0.3]),
        weights=np.random.default_rng(1).normal(size=(3, 6)),
        spread=2.0,
    )
    joined = JoinedMap(OutputMap(np.eye(3)), joint)
    raw = outputs(views=2).reshape(20, 6).astype(np.float64)
    fewer = joined.for_labels([2, 0])
    whole = joined(raw)[:, [2, 0]]
    np.testing.assert_allclose(fewer(raw), whole / whole.sum(axis=1, keepdims=True))
    assert (joined.views, fewer.views) == (2, 2)
    np.testing.assert_array_equal(fewer.label_matrix, np.eye(3)[:, [2, 0]])
    np.testing.assert_allclose(fewer.of_one(np.eye(3)), np.eye(3)[:, [2, 0]])


def test_a_fit_on_few_answers_of_good_views_stays_near_their_mean() -> None:
    rng = np.random.default_rng(0)
    raw = rng.dirichlet(np.ones(3), (40, 2)).reshape(40, 6)
    mean = JoinedMap(EACH, OutputMap(np.tile(np.eye(2), (2, 1))))
    labels = (rng.random(40) < mean(raw)[:, 1]).astype(np.int64)
    found = fit_joined_map(EACH, raw, labels, 2, families=("bias", "scale", "linear"))
    assert np.abs(found.joint.bias).max(initial=0) < 0.3
    assert (found(raw).argmax(axis=1) == mean(raw).argmax(axis=1)).mean() > 0.9
