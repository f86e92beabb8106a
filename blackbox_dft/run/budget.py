"""Budget: how many queries each phase of a run may use, split before the first query, or refused."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from blackbox_dft.errors import BudgetError
from blackbox_dft.search.views import view_queries

SELECT_SHARE = 0.25
"""Share of the queries left by evaluation that choose z on the validation split."""
CANDIDATES = 2
"""Candidates for z scored on the validation split, the identity among them."""
MIN_SELECT_IMAGES = 64
"""Fewer validation images than this cannot tell candidates apart."""
VIEW_SHARE = 0.2
"""Share of the queries left by evaluation that choose further views, if there may be any."""
MIN_VIEW_IMAGES, MAX_VIEW_IMAGES = 32, 64
"""Training images in each of two rounds."""
MIN_PROPOSALS = 4
"""Proposals that the budget must allow the search."""

FREE_QUERIES = 1000
"""Left beside the evaluation of all test images, from which on a local model's budget is spent on that."""
FIRST_IMAGES = 16
"""Unchanged images that show what the target returns, before the search of a run with a sequential proof."""
TUNE_SHARE = 0.45
"""Of a budget with a sequential proof: the most that the search gets."""
MIN_PROOF_IMAGES = 12
"""Images that the budget must allow the proof; no gain is proven by fewer than eight."""
USUAL_TUNE, USUAL_PROOF = (208, 300), (32, 150)
"""Tuning queries and images of a proof: the least (one run in twenty needs less) and the median over the tasks of
``benchmarks/accuracy/bill.py``; how many the next run takes depends on a gain that is not known before."""
USUAL_LONG_TUNE = (208, 1300)
"""The same if all test images are scored, where a query is worth less."""


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
    known: int = 0
    """Queries of unchanged images among select and evaluate whose scores the user has already."""
    stops_early: bool = False
    """Whether the search may end before its share is used."""
    sequential: bool = False
    """Whether the gain is proven image by image, until it is decided."""
    queries_per_image: int = 1
    """Views under which an image is scored at use, at most."""
    view_images: int = 0
    """Training images in each of the two rounds that choose them."""
    input: int = 0
    """Queries that find which form of its images the model wants, at most or as they were."""
    map_answers: int = 0
    """Answers that the output map should learn from: if the search stops earlier, what it leaves is used for more."""
    map_images: int = 0
    """Training images, each of which gives one more answer at most."""

    @property
    def views(self) -> int:
        """Queries that choose the views, at most."""
        return self.repeats * view_queries(self.view_images, self.queries_per_image)

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
        return (1 + self.queries_per_image) * self.repeats * self.evaluate_images

    @property
    def total(self) -> int:
        """All queries planned."""
        phases = self.tune + self.select + self.part_queries + self.views + self.evaluate - self.known
        return phases + self.spent_earlier + self.reserve + self.watch + self.input

    def to_json(self) -> dict[str, Any]:
        """The plan as ``bbdft optimize --dry-run --json`` prints it."""
        named = {"sunk" if name == "spent_earlier" else name: value for name, value in asdict(self).items()}
        named["views"] = self.views
        return {**named, "total": self.total, "expected": self.expected, "range90": list(self.range90)}

    @property
    def expected(self) -> int:
        """Queries that a run with this plan usually takes."""
        usual = USUAL_TUNE[1] if self.sequential else USUAL_LONG_TUNE[1]
        return self._taking(usual, USUAL_PROOF[1])

    @property
    def range90(self) -> tuple[int, int]:
        """Queries between which nine of ten runs end."""
        if self.sequential:
            # A proof goes on as long as the budget lasts: what was planned and not needed elsewhere included.
            return self._taking(USUAL_TUNE[0], USUAL_PROOF[0]), self.budget
        least = self._taking(USUAL_LONG_TUNE[0], 0)
        if self.stops_early:
            # If unchanged images are kept, they are evaluated once, and no part is measured.
            least -= self.repeats * self.evaluate_images * self.queries_per_image + self.part_queries
        return least, self.total

    def _taking(self, tune: int, images: int) -> int:
        images = min(self.evaluate_images, images) if self.sequential else self.evaluate_images
        share = images / max(1, self.evaluate_images)
        evaluate = (1 + self.queries_per_image) * self.repeats * images - int(share * self.known)
        answers = max(tune, min(self.map_answers, tune + self.map_images))
        search = min(self.tune, self.repeats * answers) if self.stops_early else self.tune
        rest = self.part_queries + self.views + self.spent_earlier + self.watch + self.input
        return self.select + search + evaluate + rest + (0 if self.stops_early else self.reserve)

    def lines(self, price: float | None = None) -> list[str]:
        """The plan as it is printed, with its cost if there is a ``price`` per image."""
        low, high = self.range90
        if self.sequential:
            learned = "at most, to learn z on the training images; stops when going on does not pay"
            if self.stops_early and self.map_answers:
                learned = "at most, to learn z and an output map on training images; stops when going on does not pay"
            rows = [
                ("first", self.select, f"{self.select_images} unchanged images: what the target returns"),
                ("tune", self.tune, learned),
                (
                    "evaluate",
                    self.evaluate,
                    f"at most, before and after on {self.evaluate_images} held-out images, until the gain is proven",
                ),
                ("total", self.total, f"at most, of a budget of {self.budget}{_each_repeated(self.repeats)}"),
                ("expected", self.expected, f"usually; nine of ten runs end between {low:,} and {high:,}"),
            ]
        else:
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
            if self.stops_early and self.expected < self.total:
                said = (
                    f"usually, as the search ends when going on does not pay; nine of ten between {low:,} and {high:,}"
                )
                rows.append(("expected", self.expected, said))
        if self.input:
            rows.insert(0, ("input", self.input, "at most, to find which form of its images the model wants"))
        last = -2 if rows[-1][0] == "expected" else -1
        if self.part_queries:
            what = f"what each of {self.parts} parts does, on {self.part_images} validation images"
            rows.insert(2 + bool(self.input), ("parts", self.part_queries, what))
        if self.views:
            what = f"at most, to choose up to {self.queries_per_image - 1} further views of an image"
            rows.insert(last - 1, ("views", self.views, what))
        if self.spent_earlier:
            rows.insert(last, ("earlier", self.spent_earlier, "choice and evaluation under the smaller budget"))
        if self.watch:
            rows.insert(last, ("watch", self.watch, "drift check on a few fixed images"))
        if self.known:
            rows.insert(last, ("known", -self.known, "scores of unchanged images that you have already"))
        if self.reserve:
            rows.insert(last, ("reserve", self.reserve, "kept back for responses that get lost"))
        cost = [f"{queries * price:>10.2f}" if price is not None else "" for _, queries, _ in rows]
        lines = [
            f"  {name:<9}{queries:>9,} queries{money}   {what}"
            for (name, queries, what), money in zip(rows, cost, strict=True)
        ]
        return [*lines, *_use_lines(self.queries_per_image, price)]


def sequential(evaluate: str, budget: int, *, test: int, repeats: int, priced: bool, views: int = 1) -> bool:
    """Whether the proof is sequential, by the option ``--evaluate``.

    ``auto``: for a target with a price; and for a local model if evaluating all ``test`` images, and choosing up to so
    many ``views``, would leave the search neither half of the budget nor ``FREE_QUERIES``.

    >>> sequential("auto", 1000, test=1120, repeats=1, priced=False)
    True
    >>> sequential("auto", 5000, test=1120, repeats=1, priced=False)
    False
    >>> sequential("auto", 5000, test=1120, repeats=1, priced=False, views=3)
    True
    """
    if evaluate != "auto":
        return evaluate == "enough"
    cost = repeats * ((1 + views) * test + view_queries(MIN_VIEW_IMAGES, views))
    return priced or (2 * cost > budget and budget - cost < FREE_QUERIES)


def make_sequential_plan(
    budget: int,
    *,
    val: int,
    held: int,
    proposal: int,
    reserve: float = 0.0,
    watch: int = 0,
    repeats: int = 1,
    views: int = 1,
    known: float = 0.0,
    found: int = 0,
    first_proof: int = 0,
) -> Plan:
    """Splits ``budget`` for a run that stops as soon as its gain is proven, on ``held`` images at most.

    Arguments as for ``make_plan``; ``known`` is the share of the held images whose unchanged scores the user has, and
    ``first_proof`` the images after which the proof may first be looked at.
    Nothing in it grows with the data.

    >>> plan = make_sequential_plan(1000, val=560, held=1680, proposal=16)
    >>> plan.select, plan.tune, plan.evaluate, plan.expected
    (16, 450, 534, 616)

    Raises:
        BudgetError: too small; names the smallest budget that would do.
    """
    first = repeats * min(val, FIRST_IMAGES)
    each = (1 + views) * repeats
    least_tune, least_proof = MIN_PROPOSALS * repeats * proposal, each * min(held, max(MIN_PROOF_IMAGES, first_proof))
    race = repeats * view_queries(MIN_VIEW_IMAGES, views)
    kept = int(budget * reserve)
    if budget - kept < first + least_tune + race + least_proof + watch + found:
        needed = first + least_tune + race + least_proof + watch + found
        smallest = _smallest(needed, reserve)
        raise BudgetError(
            f"a budget of {budget} cannot cover this job: {first} queries show what the target returns, {least_tune} "
            f"begin the search, {least_proof} begin the proof"
            + (f", {race} choose views" if race else "")
            + (f", {watch} check for drift" if watch else "")
            + (f", {found} find the input form" if found else "")
            + (f", {smallest - needed} are kept back for lost responses (--reserve)" if smallest > needed else "")
            + f"{_each_repeated(repeats)}: together {smallest}; give --budget {smallest} or more."
        )
    left = budget - kept - race - found
    tune = max(least_tune, int(TUNE_SHARE * left))
    tune = min(tune, left - first - watch - least_proof)
    images = min(held, int((left - first - watch - tune) / (each - known * repeats)))
    return Plan(
        budget=budget,
        tune=tune,
        select_images=min(val, FIRST_IMAGES),
        candidates=1,
        evaluate_images=images,
        known=int(known * images),
        reserve=kept,
        watch=watch,
        repeats=repeats,
        stops_early=True,
        sequential=True,
        queries_per_image=views,
        view_images=MIN_VIEW_IMAGES if views > 1 else 0,
        input=found,
    )


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
    known_val: float = 0.0,
    known_test: int = 0,
    views: int = 1,
    found: int = 0,
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
        known_val: share of the validation images whose unchanged scores the user has.
        known_test: test images whose unchanged scores the user has.
        views: that an image is scored under at use, at most.
        found: queries that find the input form.

    Raises:
        BudgetError: too small; names the smallest budget that would do.
    """
    per_image = CANDIDATES * repeats
    evaluate = (1 + views) * repeats * test - known_test
    min_select = per_image * min(val, MIN_SELECT_IMAGES)
    min_tune = MIN_PROPOSALS * repeats * proposal
    reserved = int(budget * reserve)
    min_views = repeats * view_queries(MIN_VIEW_IMAGES, views)
    needed = spent_earlier + watch + evaluate + min_select + min_tune + min_views + found
    if budget - reserved < needed:
        smallest = _smallest(needed, reserve)
        kept_back = smallest - needed
        counted = [
            (spent_earlier, "are spent"),
            (evaluate, f"queries evaluate {test} test images before and after{_each_viewed(views)}"),
            (min_select, "choose on validation images"),
            (min_views, "choose views"),
            (min_tune, "begin the search"),
            (watch, "check for drift"),
            (found, "find the input form"),
            (kept_back, "are kept back for lost responses (--reserve)"),
        ]
        listed = ", ".join(f"{count} {what}" for count, what in counted if count)
        raise BudgetError(
            f"a budget of {budget} cannot cover this job: {listed}{_each_repeated(repeats)}: together {smallest}; "
            f"give --budget {smallest} or more."
        )
    rest = budget - spent_earlier - reserved - watch - evaluate - found
    view_images = 0
    if views > 1:
        view_share = min(int(VIEW_SHARE * rest), rest - min_select - min_tune)
        fitting = view_share // (repeats * view_queries(1, views))
        view_images = min(max(MIN_VIEW_IMAGES, fitting), MAX_VIEW_IMAGES)
        rest -= repeats * view_queries(view_images, views)
    share = max(min_select, int(SELECT_SHARE * rest))
    images = min(val, share // per_image)
    part_images = min(images, (share - images * per_image) // (parts * repeats)) if parts else 0
    if part_images < min(val, MIN_SELECT_IMAGES):
        parts = part_images = 0
    known_first = int(known_val * images)
    return Plan(
        budget=budget,
        known=known_test + known_first,
        tune=rest + known_first - images * per_image - parts * repeats * part_images,
        select_images=images,
        candidates=CANDIDATES,
        evaluate_images=test,
        spent_earlier=spent_earlier,
        reserve=reserved,
        watch=watch,
        repeats=repeats,
        parts=parts,
        part_images=part_images,
        queries_per_image=views,
        view_images=view_images,
        input=found,
    )


def _use_lines(queries_per_image: int, price: float | None) -> list[str]:
    """What an image costs at use, if it may be scored under several views."""
    if queries_per_image == 1:
        return []
    cost = f", {queries_per_image * price:g} an image" if price is not None else ""
    return [f"  at use: up to {queries_per_image} queries an image{cost}"]


def _each_viewed(views: int) -> str:
    return f" under up to {views} views" if views > 1 else ""


def _smallest(needed: int, reserve: float) -> int:
    """The smallest budget that leaves ``needed`` queries beside the reserve, which grows with it in whole queries."""
    smallest = math.ceil(needed / (1 - reserve))
    while smallest - 1 - int((smallest - 1) * reserve) >= needed:
        smallest -= 1
    return smallest


def _each_repeated(repeats: int) -> str:
    return f", every query scored {repeats} times" if repeats > 1 else ""
