"""Budget: how many queries each phase of a run may use, split before the first query, or refused."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from blackbox_dft.errors import BudgetError

SELECT_SHARE = 0.25
"""Share of the queries left by evaluation that choose z on the validation split."""
CANDIDATES = 2
"""Candidates for z scored on the validation split, the identity among them."""
MIN_SELECT_IMAGES = 64
"""Fewer validation images than this cannot tell candidates apart."""
MIN_PROPOSALS = 4
"""Proposals that the budget must allow the search."""


@dataclass(frozen=True)
class Plan:
    """Images to be scored in each phase; their sum never passes the budget."""

    budget: int
    tune: int
    """Queries of the search."""
    select_images: int
    """Validation images each candidate is scored on."""
    candidates: int
    evaluate_images: int
    """Test images, each scored before and after."""
    spent_earlier: int = 0
    """Queries that choice and evaluation under an earlier, smaller budget used."""
    reserve: int = 0
    """Queries kept back to score images again whose response is lost."""
    watch: int = 0
    """Queries of the drift check."""
    repeats: int = 1
    """Times every query is scored; all other numbers of queries include it."""
    parts: int = 0
    """Parts of the space whose share in the gain is measured."""
    part_images: int = 0
    """Validation images for each of them."""

    @property
    def select(self) -> int:
        """Queries that choose among the candidates."""
        return self.repeats * self.select_images * self.candidates

    @property
    def part_queries(self) -> int:
        """Queries that measure what each part of the space does."""
        return self.repeats * self.parts * self.part_images

    @property
    def evaluate(self) -> int:
        """Queries for the test accuracy, before and after."""
        return 2 * self.repeats * self.evaluate_images

    @property
    def total(self) -> int:
        """All queries planned."""
        phases = self.tune + self.select + self.part_queries + self.evaluate
        return phases + self.spent_earlier + self.reserve + self.watch

    def to_json(self) -> dict[str, Any]:
        """The plan as ``bbdft optimize --dry-run --json`` prints it."""
        return {"sunk" if name == "spent_earlier" else name: value for name, value in asdict(self).items()}

    def lines(self, price: float | None = None) -> list[str]:
        """The plan as it is printed, with its cost if there is a ``price`` per image."""
        rows = [
            ("tune", self.tune, "learn z on the training images"),
            (
                "select",
                self.select,
                f"choose among {self.candidates} candidates on {self.select_images} validation images",
            ),
            ("evaluate", self.evaluate, f"before and after on {self.evaluate_images} test images"),
            ("total", self.total, f"of a budget of {self.budget}{_each_repeated(self.repeats)}"),
        ]
        if self.part_queries:
            what = f"what each of {self.parts} parts does, on {self.part_images} validation images"
            rows.insert(2, ("parts", self.part_queries, what))
        if self.spent_earlier:
            rows.insert(-1, ("earlier", self.spent_earlier, "choice and evaluation under the smaller budget"))
        if self.watch:
            rows.insert(-1, ("watch", self.watch, "drift check on a few fixed images"))
        if self.reserve:
            rows.insert(-1, ("reserve", self.reserve, "kept back for responses that get lost"))
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
    spent_earlier: int = 0,
    reserve: float = 0.0,
    watch: int = 0,
    repeats: int = 1,
    parts: int = 0,
) -> Plan:
    """Splits ``budget`` for ``val`` and ``test`` images; ``proposal`` is the size of the estimator's first proposal.

    Evaluation comes first, as a gain that cannot be trusted is worth nothing. Choosing takes a fixed share of the rest,
    the search what is left. If that share is more than scoring all of val costs, it also measures what each of
    ``parts`` parts of the space does.

    >>> plan = make_plan(6000, val=560, test=1120, proposal=32)
    >>> plan.tune, plan.select, plan.evaluate
    (2820, 940, 2240)

    Args:
        budget: hard cap on all queries.
        val: images of the validation split.
        test: images of the test split.
        proposal: queries of the estimator's first proposal.
        spent_earlier: queries used under an earlier, smaller budget that cannot be used again.
        reserve: share of the budget kept back to score images again whose response is lost.
        watch: queries of the drift check, ``repeats`` among them.
        repeats: times every other query is scored.
        parts: parts of the space.

    Raises:
        BudgetError: too small; names the smallest budget that would do.
    """
    per_image = CANDIDATES * repeats
    evaluate = 2 * repeats * test
    min_select = per_image * min(val, MIN_SELECT_IMAGES)
    min_tune = MIN_PROPOSALS * repeats * proposal
    reserved = int(budget * reserve)
    needed = spent_earlier + watch + evaluate + min_select + min_tune
    if budget - reserved < needed:
        # The reserve grows with the budget, in whole queries.
        smallest = math.ceil(needed / (1 - reserve))
        while smallest - 1 - int((smallest - 1) * reserve) >= needed:
            smallest -= 1
        kept_back = smallest - needed
        counted = [
            (spent_earlier, "are spent"),
            (evaluate, f"queries evaluate {test} test images before and after"),
            (min_select, "choose on validation images"),
            (min_tune, "begin the search"),
            (watch, "check for drift"),
            (kept_back, "are kept back for lost responses (--reserve)"),
        ]
        listed = ", ".join(f"{count} {what}" for count, what in counted if count)
        raise BudgetError(
            f"a budget of {budget} cannot cover this job: {listed}{_each_repeated(repeats)}: together {smallest}; "
            f"give --budget {smallest} or more."
        )
    rest = budget - spent_earlier - reserved - watch - evaluate
    share = max(min_select, int(SELECT_SHARE * rest))
    images = min(val, share // per_image)
    part_images = min(images, (share - images * per_image) // (parts * repeats)) if parts else 0
    if part_images < min(val, MIN_SELECT_IMAGES):
        parts = part_images = 0
    return Plan(
        budget=budget,
        tune=rest - images * per_image - parts * repeats * part_images,
        select_images=images,
        candidates=CANDIDATES,
        evaluate_images=test,
        spent_earlier=spent_earlier,
        reserve=reserved,
        watch=watch,
        repeats=repeats,
        parts=parts,
        part_images=part_images,
    )


def _each_repeated(repeats: int) -> str:
    return f", every query scored {repeats} times" if repeats > 1 else ""
