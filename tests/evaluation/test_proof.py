"""The sequential proof: hand-computed values, its error rates however often one looks, and whole groups as one draw."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackbox_dft.evaluation.proof import ALPHA, MIN_DRAWS, STAKES, Proof, draw_order, equal_draws


def proof_of(differences: list[float]) -> Proof:
    proof = Proof()
    proof.add(differences)
    return proof


def test_the_money_is_that_of_both_sides_mixed_over_all_stakes() -> None:
    # After a gain, no change and a loss: the mean over stakes c of (1 + c) (1 - c), the same on both sides.
    stakes = [0.02 + 0.04 * number for number in range(25)]
    np.testing.assert_allclose(STAKES, stakes)
    after_one = sum((1 + c) + (1 - c) for c in stakes) / 50
    after_three = sum(1 - c * c for c in stakes) / 25
    proof = proof_of([1, 0, -1])
    assert math.exp(proof.log_e) == pytest.approx(max(after_one, after_three))


def test_five_gains_prove_nothing_and_eight_do() -> None:
    # (sum of (1 + c)^n / 25 + sum of (1 - c)^n / 25) / 2 passes 20 between the seventh and the eighth.
    def money(n: int) -> float:
        return float(np.mean((1 + STAKES) ** n + (1 - STAKES) ** n) / 2)

    first = next(n for n in range(1, 50) if money(n) >= 1 / ALPHA)
    proof = proof_of([1] * 20)
    assert proof.decided_at == first == 8
    assert proof.verdict == "improved"
    assert proof.interval[0] > 0.3
    assert proof.interval[1] == 1
    assert proof_of([1] * 7).verdict == "no significant change"


def test_losses_are_gains_seen_from_the_other_side() -> None:
    better, worse = proof_of([1, 0, 1, 1, -1, 1, 1] * 5), proof_of([-1, 0, -1, -1, 1, -1, -1] * 5)
    assert worse.verdict == "worse"
    assert better.decided_at == worse.decided_at
    np.testing.assert_allclose(worse.interval, [-better.interval[1], -better.interval[0]], atol=1e-5)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0, 0.5, -0.25]), min_size=1, max_size=120))
def test_adding_one_by_one_decides_as_adding_all_at_once(differences: list[float]) -> None:
    at_once, one_by_one = proof_of(differences), Proof()
    widths = []
    for difference in differences:
        one_by_one.add([difference])
        widths.append(one_by_one.half_width)
    assert one_by_one.decided_at == at_once.decided_at
    assert one_by_one.verdict == at_once.verdict
    assert one_by_one.log_e == pytest.approx(at_once.log_e)
    # What was excluded stays excluded.
    assert widths == sorted(widths, reverse=True)
    assert one_by_one.interval[0] >= at_once.interval[0] - 1e-9
    assert one_by_one.interval[1] <= at_once.interval[1] + 1e-9
    assert (one_by_one.decided_at is not None) == (one_by_one.verdict != "no significant change")


@pytest.mark.parametrize(("gain", "loss"), [(0.05, 0.05), (0.2, 0.2), (0.01, 0.01), (0.5, 0.5)])
def test_without_a_gain_at_most_one_stream_in_twenty_is_ever_decided(gain: float, loss: float) -> None:
    rng = np.random.default_rng(0)
    streams = rng.choice([1.0, 0.0, -1.0], p=[gain, 1 - gain - loss, loss], size=(1000, 600))
    decided = sum(proof_of(stream.tolist()).decided_at is not None for stream in streams)
    # 50 are allowed on the average; three standard deviations more happen by chance.
    assert decided <= 50 + 3 * math.sqrt(1000 * 0.05 * 0.95)


@pytest.mark.parametrize(("gain", "loss"), [(0.08, 0.01), (0.3, 0.1), (0.0, 0.02)])
def test_the_interval_holds_the_true_gain_at_every_look(gain: float, loss: float) -> None:
    rng = np.random.default_rng(1)
    missed = 0
    for _ in range(200):
        proof = Proof()
        for step in rng.choice([1.0, 0.0, -1.0], p=[gain, 1 - gain - loss, loss], size=(10, 40)):
            proof.add(step.tolist())
        # It only narrows, so the last one is inside all others.
        missed += not proof.interval[0] <= gain - loss <= proof.interval[1]
    assert missed <= 10 + 3 * math.sqrt(200 * 0.05 * 0.95)


def test_the_interval_is_that_of_confseq() -> None:
    betting = pytest.importorskip("confseq.betting", reason="confseq is not installed")
    rng = np.random.default_rng(2)
    values = rng.choice([1.0, 0.0, -1.0], p=[0.12, 0.86, 0.02], size=400)
    low, high = betting.betting_cs((values + 1) / 2, alpha=ALPHA, breaks=1000, running_intersection=True)
    proof = proof_of(values.tolist())
    # Another mixture of stakes: as wide within a third, and about the same place.
    assert proof.half_width == pytest.approx(high[-1] - low[-1], rel=1 / 3)
    assert proof.interval[0] == pytest.approx(2 * low[-1] - 1, abs=0.03)
    assert proof.interval[1] == pytest.approx(2 * high[-1] - 1, abs=0.03)


def test_impossible_differences_are_refused_and_none_is_nothing() -> None:
    with pytest.raises(ValueError, match="between -1 and 1"):
        Proof().add([2.0])
    with pytest.raises(ValueError, match="between -1 and 1"):
        Proof().add([float("nan")])
    assert proof_of([]).interval == (-1.0, 1.0)
    assert proof_of([]).mean == 0


def test_a_gain_that_is_no_longer_plausible_is_known() -> None:
    proof = proof_of([0.0] * 50 + [1.0, -1.0] * 2)
    assert proof.plausible(0.05)
    assert not proof_of(([0.0] * 300 + [1.0, -1.0]) * 2).plausible(0.05)


def test_without_groups_every_image_is_a_draw() -> None:
    order = draw_order(None, 50, seed=3)
    assert sorted(np.concatenate(order).tolist()) == list(range(50))
    assert [len(draw) for draw in order] == [1] * 50
    assert [draw.tolist() for draw in draw_order(None, 50, seed=4)] != [draw.tolist() for draw in order]


def test_of_many_people_one_image_each_is_drawn() -> None:
    groups = np.repeat(np.arange(300), 3)
    order = draw_order(groups, 900, seed=0)
    assert [len(draw) for draw in order] == [1] * 300
    assert sorted(groups[np.concatenate(order)].tolist()) == list(range(300))


def test_of_few_people_several_images_make_one_draw() -> None:
    groups = np.repeat(np.arange(10), 90)
    order = draw_order(groups, 900, seed=0)
    assert [len(draw) for draw in order] == [MIN_DRAWS // 10] * 10
    assert all(len(set(groups[draw].tolist())) == 1 for draw in order)


def test_people_whose_images_agree_raise_no_false_alarm() -> None:
    # All images of a person gain or lose together: taken one by one they would be decided far too often.
    rng, decided = np.random.default_rng(5), 0
    groups = np.repeat(np.arange(200), 5)
    for seed in range(200):
        person = rng.choice([1.0, 0.0, -1.0], p=[0.15, 0.7, 0.15], size=200)
        differences = np.repeat(person, 5)
        proof = proof_of([float(differences[draw].mean()) for draw in draw_order(groups, 1000, seed)])
        decided += proof.decided_at is not None
    assert decided <= 10 + 3 * math.sqrt(200 * 0.05 * 0.95)


def errors(draw: Callable[[np.random.Generator], list[float]], runs: int, **options: float) -> int:
    """Of so many proofs of differences without a gain, looked at all the time, those that say there is one."""
    found = 0
    for seed in range(runs):
        proof = Proof(**options)  # type: ignore[arg-type]
        proof.add(draw(np.random.default_rng(seed)))
        found += proof.decided_at is not None
    return found


# Label 0 gains 30 points in the mean, label 1 loses as many: the mean over the labels gains nothing.
GAINS = np.array([[0.05, 0.60, 0.35], [0.35, 0.60, 0.05]])
SHARE = 0.85


def differences(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    cumulated = GAINS.cumsum(axis=1)[labels]
    return (rng.random((len(labels), 1)) > cumulated).sum(axis=1) - 1.0


def test_a_balanced_proof_errs_at_most_as_often_as_it_says() -> None:
    """Rounds of one image of each label, 200 rounds, on differences whose means cancel; of 300 runs, 15 may err."""

    def rounds(rng: np.random.Generator) -> list[float]:
        return differences(rng, np.tile([0, 1], 200)).tolist()

    # 5 % of 300 is 15, and more than 24 has a probability of one in a hundred if it is just that.
    assert errors(rounds, 300, round=2) <= 24


def test_images_as_they_come_would_prove_the_gain_of_the_frequent_label() -> None:
    def as_they_come(rng: np.random.Generator) -> list[float]:
        return differences(rng, (rng.random(400) > SHARE).astype(int)).tolist()

    # Why rounds are needed: the same labels in their own shares.
    assert errors(as_they_come, 40) == 40


@pytest.mark.parametrize("labels", [2, 7])
def test_a_balanced_proof_of_symmetric_differences_errs_at_most_as_often_as_it_says(labels: int) -> None:
    """Each difference with a random sign; labels change other shares of their decisions."""
    changed = np.linspace(0.05, 0.9, labels)

    def rounds(rng: np.random.Generator) -> list[float]:
        order = np.tile(changed, 60)
        return (np.sign(rng.random(len(order)) - 0.5) * (rng.random(len(order)) < order)).tolist()

    assert errors(rounds, 200, round=labels) <= 18


def test_a_proof_of_costs_errs_at_most_as_often_as_it_says() -> None:
    """Differences of costs, -5 to 5, that are rare and dear one way, frequent and cheap the other: no gain."""

    def costs(rng: np.random.Generator) -> list[float]:
        return rng.choice([5.0, -1.0, 0.0], 300, p=[0.05, 0.25, 0.7]).tolist()

    assert errors(costs, 200, bound=5.0) <= 18


def test_a_bound_only_changes_the_unit() -> None:
    plain, dear = Proof(), Proof(bound=5.0)
    plain.add([1, 0, 1, -0.2] * 10)
    dear.add([5, 0, 5, -1] * 10)
    assert (dear.decided_at, dear.verdict, dear.log_e) == (plain.decided_at, plain.verdict, plain.log_e)
    np.testing.assert_allclose(dear.interval, [5 * end for end in plain.interval])
    assert dear.mean == pytest.approx(5 * plain.mean)
    with pytest.raises(ValueError, match="between -5 and 5"):
        dear.add([5.1])


def test_a_proof_in_rounds_is_looked_at_after_whole_rounds_only() -> None:
    proof = Proof(round=5)
    proof.add([1] * 20)
    assert proof.decided_at == 10  # 8 gains prove one; the round ends with the tenth.
    with pytest.raises(ValueError, match="whole rounds of 5"):
        proof.add([1, 1])


def test_rounds_take_one_draw_of_each_label_and_end_with_the_rarest() -> None:
    labels = np.array([0] * 10 + [2] * 3 + [1] * 5)
    rounds = equal_draws(draw_order(None, len(labels), seed=3), labels)
    assert labels[np.concatenate(rounds)].reshape(-1, 3).tolist() == [[0, 1, 2]] * 3
    assert len(np.unique(np.concatenate(rounds))) == 9


def test_a_draw_of_a_group_keeps_the_images_of_one_label() -> None:
    labels = np.array([0, 1, 0, 1, 1, 0])
    rounds = equal_draws([np.array([0, 1, 2]), np.array([3, 4, 5])], labels)
    assert [draw.tolist() for draw in rounds] == [[0, 2], [3, 4]]
