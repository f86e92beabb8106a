"""How a budget is split."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from blackbox_dft.errors import BudgetError
from blackbox_dft.plan import make_plan


@given(
    budget=st.integers(1, 60_000),
    val=st.integers(1, 5000),
    test=st.integers(1, 5000),
    proposal=st.integers(1, 2000),
)
def test_plans_stay_within_the_budget_or_name_one_that_does(budget: int, val: int, test: int, proposal: int) -> None:
    try:
        plan = make_plan(budget, val=val, test=test, proposal=proposal)
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


@given(budget=st.integers(3000, 50_000), more=st.integers(0, 50_000))
def test_more_budget_never_means_less_of_anything(budget: int, more: int) -> None:
    assume(more)
    small, large = (make_plan(b, val=560, test=1120, proposal=32) for b in (budget, budget + more))
    assert large.tune >= small.tune
    assert large.select_images >= small.select_images


def test_lines_show_the_cost() -> None:
    plan = make_plan(6000, val=560, test=1120, proposal=32)
    lines = plan.lines(price=0.01)
    assert len(lines) == 4
    assert f"{plan.total * 0.01:.2f}" in lines[-1]
    assert sum(int(n.replace(",", "")) for n in re.findall(r"([\d,]+) queries", "\n".join(lines[:3]))) == plan.total
