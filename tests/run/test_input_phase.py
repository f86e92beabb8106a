"""A run that begins by finding the form of its images: plan, record, proof on other images, what follows."""

import json
from pathlib import Path

import numpy as np
import pytest

from blackbox_dft import Config, TargetOptions, Tuning, optimize, resume
from blackbox_dft.data.originals import Originals
from blackbox_dft.errors import BudgetError, TargetError
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.predictions import Predictions
from blackbox_dft.targets.onnx.target import OnnxTarget
from tests.conftest import Bbdft
from tests.helpers.colours import write_colours

BUDGET = 1200


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_colours(tmp_path_factory.mktemp("colours"))


def config(folder: Path, **options: object) -> Config:
    settings = {"budget": BUDGET, "space": "color", "find_input": "yes", **options}
    target = TargetOptions(provider="cpu", channels="bgr")
    return Config(str(folder / "model.onnx"), str(folder / "labels.csv"), target_options=target, **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run(colours: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "run"
    optimize(config(colours), out)
    return out


def test_the_form_is_found_and_is_part_of_all_that_follows(colours: Path, run: Path, bbdft: Bbdft) -> None:
    summary = json.loads((run / "summary.json").read_text())
    assert summary["input"]["order"] == "rgb"
    assert summary["input"]["fit"].startswith("crop")
    assert summary["accuracy"]["test"]["before"] > 0.95
    queries = summary["queries"]
    assert queries["input"] == summary["input"]["queries"] > 100
    assert queries["total"] == sum(queries[name] for name in ("input", "tune", "select", "evaluate")) <= BUDGET
    assert Tuning.load(run).fitting.fit == summary["input"]["fit"]
    recorded = json.loads((run / "config.json").read_text())
    assert recorded["config"]["target_options"]["channels"] == "rgb"
    assert recorded["found_input"]["options"] == summary["input"]["options"]
    assert "input: this model wants RGB" in bbdft("resume", run, code=0).stdout
    again = json.loads(bbdft("evaluate", run, "--json", code=0).stdout)
    assert again["accuracy"]["test"]["before"] == summary["accuracy"]["test"]["before"]


def test_the_form_is_found_on_training_images_only(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[str] = set()
    read = Originals.image

    def image(self: Originals, number: int) -> object:
        seen.add(self.listing.rows[int(self.rows[number])].file)
        return read(self, number)

    monkeypatch.setattr(Originals, "image", image)
    optimize(config(colours), tmp_path / "run")
    data = Experiment(config(colours)).data
    assert seen <= {data.files[index] for index in data.splits["train"]}
    assert not seen & set(Predictions.read(tmp_path / "run").files)


def test_the_plan_names_its_queries_and_too_small_a_budget_is_refused(colours: Path, bbdft: Bbdft) -> None:
    plan = Experiment(config(colours)).plan
    assert (plan.input, plan.total) == (360, BUDGET)
    assert "  input          360 queries" in plan.lines()[0]
    assert Experiment(config(colours, find_input="no")).plan.input == 0
    with pytest.raises(BudgetError, match="--find-input takes 30% of the budget"):
        Experiment(config(colours, budget=160))


def test_auto_looks_if_the_file_leaves_it_open_and_there_is_room(colours: Path, tmp_path: Path) -> None:
    assert optimize(config(colours, find_input="auto"), tmp_path / "wrong").summary.queries.input > 100
    right = Config(
        str(colours / "model.onnx"),
        str(colours / "labels.csv"),
        target_options=TargetOptions(provider="cpu", channels="rgb"),
        fit="crop:.5",
        space="color",
        budget=BUDGET,
        find_input="auto",
    )
    found = optimize(right, tmp_path / "right").summary
    assert found.input is not None
    # A first look, and no race.
    assert (found.input["changed"], found.queries.input) == (False, 28)
    assert Experiment(config(colours, find_input="auto", price=0.01)).input_queries == 0


def test_interrupted_in_its_first_phase_it_ends_the_same(
    colours: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores, calls = OnnxTarget.scores, 0

    def failing(self: OnnxTarget, images: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == 20:
            raise TargetError("it stopped.")
        return scores(self, images)

    monkeypatch.setattr(OnnxTarget, "scores", failing)
    with pytest.raises(TargetError, match="it stopped"):
        optimize(config(colours), tmp_path / "run")
    monkeypatch.undo()
    assert not (tmp_path / "run/tuning.npz").exists()
    resume(tmp_path / "run")
    one, two = (json.loads((path / "summary.json").read_text()) for path in (run, tmp_path / "run"))
    assert one["input"] == two["input"]
    # What the failure left unanswered costs nothing here.
    assert one["queries"] == two["queries"] | {"in_doubt": 0}
    np.testing.assert_array_equal(Tuning.load(run).z, Tuning.load(tmp_path / "run").z)
