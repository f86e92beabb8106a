"""Images that teach the output map after a search."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from blackbox_dft import Config
from blackbox_dft.run import phases
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.runner import optimize, reopen
from blackbox_dft.search.map_images import answers_worth_having
from tests.helpers.models import tone_model


def test_a_map_of_more_numbers_learns_from_more_answers_up_to_a_limit() -> None:
    found = [answers_worth_having(numbers, worth=1e-5) for numbers in (0, 4, 100, 10_000)]
    assert found[0] == 0
    assert found[1] < found[2] == found[3]
    assert answers_worth_having(100, worth=4e-5) == found[2] // 2


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``model.onnx`` tells ten tones apart, all images are a little darker than it knows."""
    import cv2

    folder = tmp_path_factory.mktemp("many")
    centres = 0.1 + 0.08 * np.arange(10)
    model = tone_model((2 * centres * 300)[None], -(centres**2) * 300, side=8)
    onnx.save(model, folder / "model.onnx")
    rng, lines = np.random.default_rng(0), ["file,label"]
    for number in range(800):
        label = number % 10
        level = centres[label] - 0.06 + rng.normal(0, 0.02)
        pixels = (255 * level + rng.normal(0, 4, (8, 8, 3))).clip(0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), pixels)
        lines.append(f"{number}.png,{label}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def config(many: Path, budget: int, **options: Any) -> Config:
    options = {"space": "color", "evaluate": "enough"} | options
    return Config(str(many / "model.onnx"), str(many / "labels.csv"), budget=budget, **options)


def tuned(many: Path, run: Path, budget: int, **options: Any) -> int:
    return optimize(config(many, budget, **options), run).summary.queries.tune


def test_what_a_stopped_search_leaves_teaches_the_map(many: Path, tmp_path: Path) -> None:
    plain = tuned(many, tmp_path / "plain", 3000, output_map="none")
    taught = tuned(many, tmp_path / "taught", 3000)
    plan = Experiment(config(many, 3000)).plan
    # Ten by ten numbers: as many answers as they are worth, but never more than the share of the search.
    assert plain < taught <= plan.tune
    assert taught == min(plan.tune, plain + 320, answers_worth_having(100, 0.02 / 3000))
    # The plan counts these queries as usual.
    assert plan.expected - Experiment(config(many, 3000, output_map="none")).plan.expected == 320
    assert "to learn z and an output map" in "\n".join(plan.lines())


def test_a_query_with_a_price_teaches_no_map(many: Path, tmp_path: Path) -> None:
    plain = tuned(many, tmp_path / "plain", 3000, output_map="none", price=0.01)
    assert tuned(many, tmp_path / "priced", 3000, price=0.01) == plain


def test_a_larger_budget_proves_the_same_map(many: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = optimize(config(many, 2000), run)
    _, go = reopen(run, 6000, precision=1.5)
    second = go(None)
    assert second.summary.proof.n > first.summary.proof.n
    assert second.summary.queries.tune == first.summary.queries.tune
    answers = np.random.default_rng(0).dirichlet(np.ones(10), 50).astype(np.float32)
    assert np.array_equal(second.tuning.decide(answers), first.tuning.decide(answers))


def test_a_price_that_is_given_later_takes_no_map_images_back(many: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = optimize(config(many, 2000), run).summary
    _, go = reopen(run, price=0.01)
    assert go(None).summary.queries == first.queries


def test_a_run_of_a_version_without_map_images_stays_what_it_was(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as earlier:
        earlier.setattr(phases, "_map_images", lambda *args: None)
        first = optimize(config(many, 2000), run)
    again = reopen(run)[1](None)
    assert again.summary.queries == first.summary.queries
    assert again.summary.accuracy == first.summary.accuracy


def test_a_proof_that_gives_way_to_all_test_images_leaves_a_plan_that_knows_what_is_spent(
    many: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    optimize(config(many, 2000), run)
    experiment, go = reopen(run, evaluate="all")
    # 320 map images, and those of the proof under z, which are of no use to another z.
    assert experiment.plan.spent_earlier > 320
    assert experiment.plan.total <= 2000
    queries = go(None).summary.queries
    assert queries.total <= 2000
    assert queries.total - queries.tune - queries.select - queries.evaluate == experiment.plan.spent_earlier
