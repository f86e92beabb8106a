"""How a budget is split into phases, or refused."""

import re
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from blackbox_dft.errors import BudgetError
from blackbox_dft.run.budget import make_plan, make_sequential_plan


@given(
    budget=st.integers(1, 60_000),
    val=st.integers(1, 5000),
    test=st.integers(1, 5000),
    proposal=st.integers(1, 2000),
    parts=st.integers(0, 4),
)
def test_plans_stay_within_the_budget_or_name_one_that_does(
    budget: int, val: int, test: int, proposal: int, parts: int
) -> None:
    try:
        plan = make_plan(budget, val=val, test=test, proposal=proposal, parts=parts)
    except BudgetError as error:
        match = re.search(r"give --budget (\d+)", str(error))
        assert match
        smallest = int(match[1])
        assert smallest > budget
        assert make_plan(smallest, val=val, test=test, proposal=proposal).total <= smallest
        with pytest.raises(BudgetError):
            make_plan(smallest - 1, val=val, test=test, proposal=proposal)
        return
    assert plan.total <= budget
    assert plan.tune >= proposal
    assert plan.evaluate == 2 * test
    assert 1 <= plan.select_images <= val
    # Parts are measured with what the choice leaves, on enough images or not at all.
    assert plan.part_queries in (0, parts * plan.part_images)
    assert not plan.part_queries or (plan.select_images == val and min(val, 64) <= plan.part_images <= val)


@given(budget=st.integers(3000, 50_000), more=st.integers(0, 50_000))
def test_more_budget_never_means_less_of_anything(budget: int, more: int) -> None:
    assume(more)
    small, large = (make_plan(b, val=560, test=1120, proposal=32) for b in (budget, budget + more))
    assert large.tune >= small.tune
    assert large.select_images >= small.select_images


def test_parts_take_nothing_from_a_small_budget() -> None:
    small, large = (make_plan(budget, val=560, test=1120, proposal=32, parts=3) for budget in (6000, 20_000))
    assert small == make_plan(6000, val=560, test=1120, proposal=32)
    assert (large.parts, large.part_images, large.part_queries) == (3, 560, 1680)
    assert sum("what each of 3 parts does" in line for line in large.lines()) == 1


def test_a_quarter_of_what_evaluation_leaves_chooses_z() -> None:
    # 6,000 - 2 * 1,120 = 3,760, a quarter of it is 940: two candidates on 470 images each.
    plan = make_plan(6000, val=560, test=1120, proposal=32)
    assert (plan.evaluate, plan.select, plan.select_images, plan.tune) == (2240, 940, 470, 2820)
    assert plan.total == 6000


def test_few_queries_still_choose_on_64_images() -> None:
    # 2 * 100 evaluate, 2 * 64 choose, 4 * 8 begin the search.
    plan = make_plan(360, val=100, test=100, proposal=8)
    assert (plan.evaluate, plan.select_images, plan.tune) == (200, 64, 32)
    with pytest.raises(BudgetError, match=r"give --budget 360 or more\.$"):
        make_plan(359, val=100, test=100, proposal=8)


def test_reserve_drift_check_repeats_and_earlier_spending_come_off_the_budget_first() -> None:
    # 10,000 - 1,250 reserve - 88 drift check - 500 spent - 2 * 2 * 300 evaluation = 6,962; a quarter is 1,740: 435
    # images under two candidates, two times each.
    plan = make_plan(
        10_000, val=600, test=300, proposal=16, spent_earlier=500, reserve=0.125, watch=88, repeats=2, parts=0
    )
    assert (plan.reserve, plan.watch, plan.spent_earlier, plan.evaluate) == (1250, 88, 500, 1200)
    assert (plan.select_images, plan.select, plan.tune) == (435, 1740, 5222)
    assert "drift check" in "\n".join(plan.lines())


def test_the_json_of_a_plan_keeps_its_keys() -> None:
    assert make_plan(6000, val=560, test=1120, proposal=32).to_json() == {
        "budget": 6000,
        "tune": 2820,
        "select_images": 470,
        "candidates": 2,
        "evaluate_images": 1120,
        "sunk": 0,
        "reserve": 0,
        "watch": 0,
        "repeats": 1,
        "parts": 0,
        "part_images": 0,
        "queries_per_image": 1,
        "view_images": 0,
        "input": 0,
        "map_answers": 0,
        "map_images": 0,
        "views": 0,
        "known": 0,
        "stops_early": False,
        "sequential": False,
        "total": 6000,
        "expected": 6000,
        "range90": [6000, 6000],
    }


def test_views_are_chosen_and_evaluated_within_the_budget() -> None:
    # 3,000 - 3 * 400 evaluate = 1,800, of which the 384 = 32 * 12 queries of the race are more than a fifth.
    plan = make_plan(3000, val=200, test=400, proposal=32, views=2)
    assert (plan.evaluate, plan.view_images, plan.views, plan.total) == (1200, 32, 384, 3000)
    # 20,000 - 1,200 = 18,800, of which a fifth would be 313 images.
    assert make_plan(20_000, val=200, test=400, proposal=32, views=2).view_images == 64
    lines = "\n".join(plan.lines(price=0.001))
    assert "views          384 queries      0.38   at most, to choose up to 1 further views of an image" in lines
    assert "at use: up to 2 queries an image, 0.002 an image" in lines
    # 3 * 100 evaluate, 2 * 64 choose, 4 * 8 search, 384 views.
    least = make_plan(844, val=100, test=100, proposal=8, views=2)
    assert (least.tune, least.views, least.total) == (32, 384, 844)
    with pytest.raises(BudgetError, match=r"384 choose views.*give --budget 844 or more\.$"):
        make_plan(843, val=100, test=100, proposal=8, views=2)


def test_a_sequential_proof_of_several_views() -> None:
    # 2,000 - 16 - 448 for the race: 45 % of 1,552 for the search, and four queries an image for the proof.
    plan = make_sequential_plan(2000, val=100, held=1000, proposal=8, views=3)
    assert (plan.views, plan.tune, plan.evaluate_images) == (448, 698, (2000 - 16 - 448 - 698) // 4)
    assert plan.total <= 2000
    # 16 first, 300 tuning queries, the race, and 4 * 150 for the proof.
    assert plan.expected == 16 + 300 + 448 + 600
    # 16 first, 4 * 8 search, 448 views, 4 * 12 proof.
    assert make_sequential_plan(544, val=100, held=1000, proposal=8, views=3).tune == 32
    with pytest.raises(BudgetError, match=r"48 begin the proof, 448 choose views: together 544"):
        make_sequential_plan(543, val=100, held=1000, proposal=8, views=3)


def test_lines_show_the_cost() -> None:
    plan = make_plan(6000, val=560, test=1120, proposal=32)
    lines = plan.lines(price=0.01)
    assert len(lines) == 4
    assert f"{plan.total * 0.01:.2f}" in lines[-1]
    assert sum(int(n.replace(",", "")) for n in re.findall(r"([\d,]+) queries", "\n".join(lines[:3]))) == plan.total


def test_the_parts_of_a_refused_budget_add_up() -> None:
    # 7 spent + 2 * 2 * 80 + 2 * 2 * 40 + 4 * 2 * 32 + 44 = 787; the least budget that leaves it is 899, an eighth off.
    with pytest.raises(BudgetError) as caught:
        make_plan(100, val=40, test=80, proposal=32, spent_earlier=7, reserve=0.125, watch=44, repeats=2)
    counts = re.findall(r"(\d+) (?:are|queries|choose|begin|check)", str(caught.value))
    assert list(map(int, counts)) == [7, 320, 160, 256, 44, 112]
    assert str(caught.value).endswith("together 899; give --budget 899 or more.")


def test_a_plan_whose_search_may_stop_says_what_is_usual() -> None:
    plan = replace(make_plan(6000, val=560, test=1120, proposal=32), stops_early=True)
    # 2,820 for the search, of which 1,300 are usual; at least 208, with unchanged images kept and evaluated once.
    assert plan.expected == 6000 - 2820 + 1300
    assert plan.range90 == (6000 - 2820 + 208 - 1120, 6000)
    assert plan.lines()[-1].startswith("  expected     4,480 queries   usually")
