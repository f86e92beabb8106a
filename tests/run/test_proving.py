"""Runs whose gain is proven image by image: they stop when it is decided, go on when asked, and survive kills."""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from blackbox_dft import Config
from blackbox_dft.errors import BudgetError
from blackbox_dft.run.budget import make_sequential_plan, sequential
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.runner import optimize, reopen, resume
from tests import forked
from tests.conftest import Bbdft
from tests.helpers.serving import same_result, serving, words


def config(tiny: Path, budget: int = 500, **options: Any) -> Config:
    options = {"space": "color", "evaluate": "enough"} | options
    return Config(str(tiny / "model.onnx"), str(tiny / "labels.csv"), budget=budget, **options)


def summary(run: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return document


def test_it_stops_once_the_gain_is_decided(tiny: Path, tmp_path: Path) -> None:
    result = optimize(config(tiny), tmp_path / "run")
    found = summary(tmp_path / "run")
    proof, test = found["proof"], found["accuracy"]["test"]
    assert found["verdict"] == proof["verdict"] == "improved"
    assert proof["method"] == "betting"
    assert proof["decided_at"] <= proof["n"] == test["n"] < 80
    assert proof["e_value"] >= 1 / proof["alpha"] == 20
    assert test["ci95"][0] > 0
    assert found["queries"]["evaluate"] <= 2 * proof["n"]
    assert found["queries"]["total"] < 500
    assert "val" not in found["accuracy"]
    assert "valid whenever one stops" in found["interval"]
    # The images were drawn from the test split, and no image twice.
    assert set(result.tested) <= set(result.data.splits["test"])
    assert len(set(result.tested)) == len(result.tested)
    assert result.proof
    assert result.proof.path[-1][0] == proof["n"]


def test_it_goes_on_to_the_precision_that_is_asked_for(tiny: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = optimize(config(tiny, 3000), run).summary
    assert first.stopped_early
    _, go = reopen(run, 4000, precision=15.0)
    second = go(None).summary
    assert second.proof.precision <= 15.0
    assert second.proof.n > first.proof.n
    # The search had ended by itself: the change is the same, and what was paid for it is used again.
    assert second.queries.tune == first.queries.tune
    assert second.queries.total == second.queries.tune + second.queries.select + second.queries.evaluate


def relabelled(tiny: Path, folder: Path, labels: list[str]) -> Path:
    """The same images with other labels, in the order of the file."""
    shutil.copytree(tiny, folder)
    head, *rows = (folder / "labels.csv").read_text().splitlines()
    column = head.split(",").index("label")
    cells = [row.split(",") for row in rows]
    for row, label in zip(cells, labels, strict=True):
        row[column] = label
    (folder / "labels.csv").write_text("\n".join([head, *map(",".join, cells)]) + "\n")
    return folder


def test_a_model_that_is_right_already_is_left_alone(tiny: Path, tmp_path: Path) -> None:
    rng, folder = np.random.default_rng(0), tmp_path / "right"
    for name, level in (("dark", 90), ("bright", 170)):
        (folder / name).mkdir(parents=True)
        for number in range(60):
            pixels = rng.normal(level, 20, (16, 16, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    found = optimize(replace(config(tiny, 600), data=str(folder)), tmp_path / "run").summary
    assert found.accuracy["test"].before == 1
    assert found.verdict == "no significant change"
    assert found.accuracy["test"].after == 1


@pytest.mark.parametrize("seed", range(4))
def test_labels_without_meaning_are_not_improved(seed: int, tiny: Path, tmp_path: Path) -> None:
    names = [line.split(",")[1] for line in (tiny / "labels.csv").read_text().splitlines()[1:]]
    folder = relabelled(tiny, tmp_path / "shuffled", np.random.default_rng(seed).permutation(names).tolist())
    found = optimize(config(folder, 600, seed=seed), tmp_path / "run").summary
    assert found.verdict != "improved"


def test_a_larger_budget_goes_on_with_the_same_images(tiny: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    optimize(config(tiny, 160, seed=2), run)
    before = summary(run)
    paid = before["queries"]["total"]
    assert paid <= 160
    resume(run, 500)
    after = summary(run)
    assert after["queries"]["total"] <= 500
    assert json.loads((run / "config.json").read_text())["config"]["evaluate"] == "enough"


def test_a_number_of_images_is_scored_as_one_sample(tiny: Path, tmp_path: Path) -> None:
    result = optimize(config(tiny, 900, evaluate="30"), tmp_path / "run")
    found = result.summary
    assert found.accuracy["test"].n == len(result.tested) == 30
    assert found.queries.evaluate == 60
    assert found.proof.method == "bootstrap"
    assert found.proof.decided_at is None


def test_forty_labelled_images_are_enough_to_run(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    for name in ("dark", "bright"):
        (few / name).mkdir(parents=True)
    data = Experiment(config(tiny)).data
    for label, name in enumerate(data.classes):
        for image in np.flatnonzero(data.labels == label)[:20].tolist():
            source = tiny / data.files[image]
            shutil.copy(source, few / name / f"{image}{source.suffix}")
    done = bbdft(
        "optimize", tiny / "model.onnx", "--data", few, "--space", "color", "--budget", 300, "--evaluate", "enough",
        "--out", tmp_path / "run", code=0,
    )  # fmt: skip
    found = summary(tmp_path / "run")
    # The images that nothing was learned from: those of the test split, then the validation images.
    assert found["proof"]["n"] <= 24
    assert found["verdict"] in done.stdout


def test_nothing_in_the_plan_grows_with_the_data() -> None:
    plans = [make_sequential_plan(500, val=n // 5, held=3 * n // 5, proposal=16) for n in (2_000, 100_000, 10**7)]
    assert plans[0] == plans[1] == plans[2]
    assert plans[0].total <= 500


def test_the_plan_says_what_is_usual_and_a_range() -> None:
    # 16 first, then 300 tuning queries and 150 images usually; 208 and 32 at least.
    plan = make_sequential_plan(1000, val=560, held=1680, proposal=16)
    assert plan.expected == 16 + 300 + 300
    assert plan.range90 == (16 + 208 + 64, 1000)
    assert "nine of ten runs end between 288 and 1,000" in "\n".join(plan.lines())


@pytest.mark.parametrize("reserve", [0.0, 0.125])
def test_a_budget_that_is_too_small_names_the_least_that_would_do(reserve: float) -> None:
    def plan(budget: int) -> Any:
        return make_sequential_plan(budget, val=60, held=200, proposal=16, reserve=reserve, watch=44)

    with pytest.raises(BudgetError, match="give --budget") as refused:
        plan(90)
    least = int(str(refused.value).rsplit("--budget ", 1)[1].split()[0])
    assert plan(least).total <= least
    with pytest.raises(BudgetError):
        plan(least - 1)


@pytest.mark.parametrize(
    ("evaluate", "budget", "priced", "expected"),
    [
        ("auto", 1000, False, True),  # 2,240 queries would evaluate all
        ("auto", 3239, False, True),
        ("auto", 3240, False, False),  # 1,000 are left for the search
        ("auto", 20_000, True, True),  # a URL or a price
        ("all", 500, True, False),
        ("enough", 20_000, False, True),
    ],
)
def test_auto_proves_image_by_image_where_that_saves_money(
    evaluate: str, budget: int, priced: bool, expected: bool
) -> None:
    assert sequential(evaluate, budget, test=1120, repeats=1, priced=priced) is expected


def test_auto_counts_views() -> None:
    # Before and under three views 4,480 queries, and 448 for the choice: 72 would be left of 5,000.
    assert sequential("auto", 5000, test=1120, repeats=1, priced=False, views=3)
    assert sequential("auto", 5927, test=1120, repeats=1, priced=False, views=3)
    assert not sequential("auto", 5928, test=1120, repeats=1, priced=False, views=3)


def test_killed_in_the_middle_of_the_proof_it_ends_the_same_and_pays_nothing_twice(
    bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    options = {"batch": 2, "concurrency": 2, "budget": 400}
    with serving(tmp_path / "undisturbed") as url:
        bbdft(*words(url, tiny, tmp_path / "one", **options), code=0)
    whole = summary(tmp_path / "one")
    assert whole["proof"]["method"] == "betting"
    began = sum(whole["queries"][phase] for phase in ("tune", "select", "watch"))
    run, count, said = tmp_path / "two", tmp_path / "count", tmp_path / "said"
    with serving(count, delay=0.004) as url:
        process = forked.start(words(url, tiny, run, **options), None, said, said)
        while process.exitcode is None and int(count.read_text() or 0 if count.exists() else 0) < began + 6:
            time.sleep(0.0005)
        process.kill()
        process.join()
        assert not (run / "summary.json").exists()
        bbdft("resume", run, code=0)
    same_result(tmp_path / "one", run)
    found = summary(run)
    assert found["proof"] == whole["proof"]
    assert int(count.read_text()) <= found["queries"]["total"] <= 400
    # What was under way when it was killed may have been scored without a trace, two requests of two images.
    assert found["queries"]["total"] - whole["queries"]["total"] <= 4
