"""The statistics of a comparison, on outcomes made up."""

from tests.helpers.comparisons import GAINING, assembled


def test_accuracies_are_summed_up_over_seeds() -> None:
    found = assembled(GAINING)
    nes, spsa = found["ways"]
    assert [point["median"] for point in nes["course"]] == [0.501, 0.5, 0.75]
    assert nes["course"][0] == {
        "budget": 100, "queries": 96, "median": 0.501, "q1": 0.5005, "q3": 0.5015, "mean": 0.501, "least": 0.5,
        "each": [0.5, 0.502], "chosen": ["last iterate"] * 2,
    }  # fmt: skip
    assert (spsa["space"], spsa["estimator"], spsa["numbers"]) == ("color", "spsa", 6)
    assert [at["best"] for at in found["at"]] == [0, 1, 0]
    assert found["at"][1]["pairs"][0]["difference"] == -0.24


def test_the_reach_is_the_least_budget_of_an_accuracy() -> None:
    reach = assembled(GAINING)["reach"]
    # Shares .25, .5, .75, .9 and 1 of the gain from .5 to .75, rounded down to thousandths.
    assert [level["accuracy"] for level in reach] == [0.562, 0.625, 0.687, 0.725, 0.75]
    assert [level["budgets"] for level in reach] == [[400, 200]] * 4 + [[400, None]]


def test_the_least_budget_with_nine_tenths_of_the_gain_is_recommended() -> None:
    found = assembled(GAINING)["recommendation"]
    # .74 has .96 of the gain from .5 to .75, .718 has .87.
    assert (found["take"], found["budget"]) == (1, 200)
    assert found["sentence"] == (
        "For 200 queries take spsa on color: test accuracy 0.740 on average, against 0.500 before."
    )
    less = {**GAINING, "spsa": [(500, 718, 750), (500, 718, 748)]}
    assert assembled(less)["recommendation"]["budget"] == 400


def test_nothing_is_recommended_that_does_not_beat_the_free_threshold() -> None:
    found = assembled(GAINING, shifted=750)
    assert found["free"] == "threshold"
    assert found["recommendation"]["take"] is None
    assert found["recommendation"]["sentence"] == (
        "Take none of them: within 400 queries no variant surely beats the free threshold (0.750); "
        "the best, nes on color, has 0.750."
    )


def test_equal_variants_are_said_to_be_alike() -> None:
    same = {"nes": GAINING["spsa"], "spsa": GAINING["spsa"]}
    assert "no other variant is surely worse at that budget" in assembled(same)["recommendation"]["sentence"]


def test_p_values_are_holms() -> None:
    for at in assembled(GAINING)["at"]:
        assert all(test["p_holm"] >= test["p"] for test in [*at["pairs"], *at["against_free"]])


def test_the_whole_bill_is_that_of_a_run_that_stops_once_its_gain_is_proven() -> None:
    nes, spsa = assembled(GAINING)["ways"]
    # 16 unchanged images, the steps of the search, and two queries for each image until the gain is decided.
    undecided, gained = nes["bills"][0], spsa["bills"][1]
    assert undecided["proven"] == 0
    assert undecided["each"] == [96 + 16 + 2 * 1000] * 2
    assert gained["proven"] == 2
    assert 96 + 16 + 2 * 8 <= gained["median"] < 96 + 16 + 2 * 100
