"""How a budget is split."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from blackbox_dft.errors import BudgetError
from blackbox_dft.run.budget import make_plan


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
        found = re.search(r"give --budget (\d+)", str(error))
        assert found
        least = int(found[1])
        assert least > budget
        assert make_plan(least, val=val, test=test, proposal=proposal).total <= least
        with pytest.raises(BudgetError):
            make_plan(least - 1, val=val, test=test, proposal=proposal)
        return
    assert plan.total <= budget
    assert plan.tune >= proposal
    assert plan.evaluate == 2 * test
    assert 1 <= plan.select_images <= val
    # Parts are measured with what the choice leaves, on enough images or not at all.
    assert plan.apart in (0, parts * plan.part_images)
    assert not plan.apart or (plan.select_images == val and min(val, 64) <= plan.part_images <= val)


@given(budget=st.integers(3000, 50_000), more=st.integers(0, 50_000))
def test_more_budget_never_means_less_of_anything(budget: int, more: int) -> None:
    assume(more)
    small, large = (make_plan(b, val=560, test=1120, proposal=32) for b in (budget, budget + more))
    assert large.tune >= small.tune
    assert large.select_images >= small.select_images


def test_parts_take_nothing_from_a_small_budget() -> None:
    small, large = (make_plan(budget, val=560, test=1120, proposal=32, parts=3) for budget in (6000, 20_000))
    assert small == make_plan(6000, val=560, test=1120, proposal=32)
    assert (large.parts, large.part_images, large.apart) == (3, 560, 1680)
    assert sum("what each of 3 parts does" in line for line in large.lines()) == 1


def test_lines_show_the_cost() -> None:
    plan = make_plan(6000, val=560, test=1120, proposal=32)
    lines = plan.lines(price=0.01)
    assert len(lines) == 4
    assert f"{plan.total * 0.01:.2f}" in lines[-1]
    assert sum(int(n.replace(",", "")) for n in re.findall(r"([\d,]+) queries", "\n".join(lines[:3]))) == plan.total
