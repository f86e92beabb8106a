"""How a budget is split before the first query, or refused."""

from __future__ import annotations

import math
from dataclasses import dataclass

from blackbox_dft.errors import BudgetError

SELECT_SHARE = 0.25
"""Of what evaluation leaves, the share spent on choosing z on the validation split."""
CANDIDATES = 2
"""Choices scored on the validation split, the identity among them."""
LEAST_SELECT = 64
"""Fewer validation images than this cannot tell candidates apart."""
LEAST_STEPS = 4
"""A search of fewer proposals than this has not begun."""


@dataclass(frozen=True)
class Plan:
    """Images to be scored in each phase; their sum never passes the budget."""

    budget: int
    tune: int
    select_images: int
    """Validation images each candidate is scored on."""
    candidates: int
    evaluate_images: int
    sunk: int = 0
    """Queries spent on the choice and evaluation of an earlier, smaller budget."""
    reserve: int = 0
    """Kept back for images whose answer gets lost and that have to be asked for again."""
    watch: int = 0
    """Fixed images asked again at intervals."""
    repeats: int = 1
    """How often every query is asked; counted in all other numbers of queries."""
    parts: int = 0
    """Parts of the space whose share in the gain is measured."""
    part_images: int = 0
    """Validation images for each of them."""

    @property
    def select(self) -> int:
        """Queries for choosing among the candidates."""
        return self.repeats * self.select_images * self.candidates

    @property
    def apart(self) -> int:
        """Queries for what each part of the space does."""
        return self.repeats * self.parts * self.part_images

    @property
    def evaluate(self) -> int:
        """Queries for the held-out accuracy, before and after."""
        return 2 * self.repeats * self.evaluate_images

    @property
    def total(self) -> int:
        """All queries planned."""
        phases = self.tune + self.select + self.apart + self.evaluate
        return phases + self.sunk + self.reserve + self.watch

    def lines(self, price: float | None = None) -> list[str]:
        """The plan as it is printed, with its cost where a price per image is given."""
        rows = [
            ("tune", self.tune, "learn z on the training images"),
            (
                "select",
                self.select,
                f"choose among {self.candidates} candidates on {self.select_images} validation images",
            ),
            ("evaluate", self.evaluate, f"before and after on {self.evaluate_images} test images"),
            ("total", self.total, f"of a budget of {self.budget}{_times(self.repeats)}"),
        ]
        if self.apart:
            what = f"what each of {self.parts} parts does, on {self.part_images} validation images"
            rows.insert(2, ("parts", self.apart, what))
        if self.sunk:
            rows.insert(-1, ("earlier", self.sunk, "choice and evaluation under the smaller budget"))
        if self.watch:
            rows.insert(-1, ("watch", self.watch, "fixed images asked again, to notice another model"))
        if self.reserve:
            rows.insert(-1, ("reserve", self.reserve, "kept back for answers that get lost on the way"))
        cost = [f"{queries * price:>10.2f}" if price is not None else "" for _, queries, _ in rows]
        return [
            f"  {name:<9}{queries:>9,} queries{money}   {what}"
            for (name, queries, what), money in zip(rows, cost, strict=True)
        ]


def make_plan(
    budget: int,
    *,
    val: int,
    test: int,
    proposal: int,
    sunk: int = 0,
    reserve: float = 0.0,
    watch: int = 0,
    repeats: int = 1,
    parts: int = 0,
) -> Plan:
    """Splits ``budget`` for ``val`` and ``test`` images; ``proposal`` is the size of the estimator's first proposal.

    ``sunk`` queries are spent and of no more use; the share ``reserve`` of the budget is kept back for lost responses;
    ``watch`` queries go to drift checks, repeats among them. Every other query is scored ``repeats`` times. Evaluation
    comes first, as a gain that cannot be trusted is worth nothing. Selection takes a fixed share of the rest; if that
    is more than all of val costs, ``parts`` of the space are measured one by one with it.

    Raises:
        BudgetError: too small; names the least budget that would do.
    """
    image = CANDIDATES * repeats
    evaluate, least_select, begin = 2 * repeats * test, image * min(val, LEAST_SELECT), LEAST_STEPS * repeats * proposal
    kept = int(budget * reserve)
    needed = sunk + watch + evaluate + least_select + begin
    if budget - kept < needed:
        # What is kept back grows with the budget, in whole queries.
        least = math.ceil(needed / (1 - reserve))
        while least - 1 - int((least - 1) * reserve) >= needed:
            least -= 1
        spent = f"{sunk} are spent, " if sunk else ""
        raise BudgetError(
            f"a budget of {budget} cannot cover this job: {spent}{evaluate} queries evaluate {test} test images before "
            f"and after, {least_select} choose on validation images, {begin} begin the search{_times(repeats)}; "
            f"give --budget {least} or more."
        )
    rest = budget - sunk - kept - watch - evaluate
    share = max(least_select, int(SELECT_SHARE * rest))
    images = min(val, share // image)
    each = min(images, (share - images * image) // (parts * repeats)) if parts else 0
    if each < min(val, LEAST_SELECT):
        parts = each = 0
    return Plan(
        budget=budget,
        tune=rest - images * image - parts * repeats * each,
        select_images=images,
        candidates=CANDIDATES,
        evaluate_images=test,
        sunk=sunk,
        reserve=kept,
        watch=watch,
        repeats=repeats,
        parts=parts,
        part_images=each,
    )


def _times(repeats: int) -> str:
    return f", every query asked {repeats} times" if repeats > 1 else ""
