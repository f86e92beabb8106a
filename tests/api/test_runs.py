"""optimize, resume and what follows, from objects: the same as from files, and honest about what cannot be replayed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from blackbox_dft import (
    BudgetError,
    Callback,
    Config,
    InputError,
    Point,
    Result,
    TargetError,
    check,
    evaluate,
    evaluate_parts,
    load,
    load_run,
    make_target,
    optimize,
    plan,
    predict,
    resume,
)
from blackbox_dft.demo import assets
from tests.api.conftest import OPTIONS
from tests.conftest import Bbdft
from tests.helpers.tone_arrays import Bright, bright, model_bytes, tone_arrays


class StopAt(Callback):
    """Raises after so many tuning queries."""

    def __init__(self, queries: int) -> None:
        self.queries, self.steps = queries, 0

    def step(self, point: Point) -> None:
        self.steps += 1
        if point.queries >= self.queries:
            raise TimeoutError("enough")


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A run of arrays and an object that a callback stopped."""
    with pytest.raises(TimeoutError):
        optimize(Bright(), tone_arrays(), out=tmp_path / "run", callbacks=[StopAt(100)], **OPTIONS)
    return tmp_path / "run"


def test_a_run_of_objects_gains(tuned: Result) -> None:
    assert tuned.verdict == "improved"
    assert tuned.accuracy.after > tuned.accuracy.before + 0.1
    assert (tuned.config.target, tuned.config.data) == ("<callable Bright>", "<arrays>")


@pytest.mark.parametrize("kind", ["path", "session", "target", "function"])
def test_every_kind_of_target_gives_the_same_run(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(model_bytes())
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    kinds: dict[str, Any] = {"path": path, "session": session, "target": make_target(path), "function": bright}
    result = optimize(kinds[kind], tone_arrays(), **OPTIONS)
    assert result.verdict == "improved"
    names = {"function": "tests.helpers.tone_arrays:bright"}
    assert result.config.target == names.get(kind, str(path))


def test_arrays_and_the_files_they_came_from_give_the_same_run(tmp_path: Path) -> None:
    model, table = assets() / "digits.onnx", assets() / "labels.csv"
    options = {"budget": 700, "space": "color", "progress": False}
    named = optimize(model, table, out=tmp_path / "named", **options)  # type: ignore[call-overload]
    data = load(table)
    held = optimize(model, data, out=tmp_path / "held", **options)  # type: ignore[call-overload]
    assert np.array_equal(named.tuning.z, held.tuning.z)
    inputs = [json.loads((tmp_path / name / "config.json").read_text())["inputs"] for name in ("named", "held")]
    assert inputs[0] == inputs[1]


def test_a_config_is_taken_as_before(tiny: Path, tmp_path: Path) -> None:
    config = Config(str(tiny / "model.onnx"), str(tiny / "labels.csv"), space="color", budget=500)
    result = optimize(config, tmp_path / "run", progress=False)
    assert load_run(tmp_path / "run").summary == result.summary
    with pytest.raises(InputError, match="a Config has all options: give it seed= instead"):
        optimize(config, tmp_path / "other", seed=3)  # type: ignore[call-overload]


def test_a_raising_callback_stops_resumably(stopped: Path) -> None:
    target, steps = Bright(), StopAt(10_000)
    result = resume(stopped, target=target, data=tone_arrays(), callbacks=[steps], progress=False)
    whole = optimize(Bright(), tone_arrays(), **OPTIONS)
    assert np.array_equal(result.tuning.z, whole.tuning.z)
    assert result.summary.queries.total == whole.summary.queries.total
    # What was scored before the stop is not scored again, and its steps are reported again.
    assert target.scored < whole.summary.queries.total - 100
    assert steps.steps == len(whole.to_frame())


def test_the_error_says_how_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError) as caught:
        optimize(Bright(), tone_arrays(), callbacks=[StopAt(100)], **OPTIONS)
    (note,) = caught.value.__notes__
    assert note.startswith("All scores are kept: blackbox_dft.resume('")
    assert note.endswith("', target=..., data=...) goes on from there.")
    # The folder was a temporary one, and is kept.
    kept = Path(note.split("'")[1])
    assert resume(kept, target=Bright(), data=tone_arrays(), progress=False).verdict == "improved"
    with pytest.raises(TargetError) as failed:
        optimize(lambda images: 1 / 0, tone_arrays(), **OPTIONS)
    assert not hasattr(failed.value, "__notes__")


def test_objects_have_to_be_given_again(stopped: Path, bbdft: Bbdft) -> None:
    said = f"{stopped} was started from Python with the target <callable Bright> and data <arrays>: pass target="
    with pytest.raises(InputError) as caught:
        resume(stopped)
    assert str(caught.value).startswith(said)
    with pytest.raises(InputError, match=r"with the data <arrays>: pass data=\.\.\. again"):
        resume(stopped, target=Bright())
    done = bbdft("resume", stopped, code=2)
    assert "the target of the run is <callable Bright>, given from Python" in done.stderr


def test_other_objects_are_noticed(stopped: Path) -> None:
    images, labels = tone_arrays()
    with pytest.raises(InputError, match="<arrays>: the images changed"):
        resume(stopped, target=Bright(), data=(255 - images, labels))
    with pytest.raises(InputError, match="<arrays>: the labels changed"):
        resume(stopped, target=Bright(), data=(images, 1 - labels))
    with pytest.raises(InputError, match="<callable Bright>: the target changed"):
        resume(stopped, target=bright, data=(images, labels))


def test_a_function_of_a_module_is_resumed_by_name(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        optimize(bright, tone_arrays(), out=tmp_path / "run", callbacks=[StopAt(100)], **OPTIONS)
    assert resume(tmp_path / "run", data=tone_arrays(), progress=False).verdict == "improved"


def test_a_result_holds_its_objects(tmp_path: Path) -> None:
    result = optimize(Bright(), tone_arrays(), **OPTIONS)
    longer = resume(result, budget=1500, precision=8, progress=False)
    assert longer.summary.proof.n > result.summary.proof.n
    assert evaluate(result, progress=False).accuracy["test"].n == len(result.data.splits["test"])
    other = evaluate(result, tone_arrays(60, seed=9), progress=False)
    assert other.accuracy["all"].n == 60
    assert other.accuracy["all"].after > other.accuracy["all"].before
    assert not check(result, progress=False).drift


def test_what_follows_a_loaded_run_takes_the_objects(tuned: Result, tmp_path: Path) -> None:
    images, labels = tone_arrays(20, seed=4)
    run = tmp_path / "run"
    shown = tuned.path
    tuned.save(run)
    tuned.path = shown
    with pytest.raises(InputError, match=r"with the target <callable Bright>: pass target=\.\.\. again"):
        predict(run, images)
    target = Bright()
    found = predict(run, images, target=target, progress=False)
    assert (np.array(found.table.decided) == labels.astype(str)).mean() > 0.9
    assert (found.queries, target.scored) == (20, 20)
    # The ledger remembers images by their pixels.
    assert predict(load_run(run), list(images), target=target, progress=False).queries == 0
    with pytest.raises(InputError, match=r"pass data=\.\.\. again"):
        check(run, target=target)
    assert not check(run, target=target, data=tone_arrays(), progress=False).drift


def test_new_images_may_be_paths_or_pictures(tmp_path: Path) -> None:
    result = optimize(assets() / "digits.onnx", assets() / "labels.csv", budget=500, space="color", progress=False)
    path = assets() / "images" / "000.png"
    one = predict(result, path, progress=False)
    image = load(assets() / "labels.csv").images[0]
    for same in ([path], [image], image, image[None], image.transpose(2, 0, 1)[None] / 255):
        again = predict(result, same, progress=False)
        assert again.queries == 0
        assert np.allclose(again.table.probabilities, one.table.probabilities)
    with pytest.raises(InputError, match="there are no images"):
        predict(result, [])


def test_parts_of_a_change_are_measured() -> None:
    result = optimize(
        assets() / "digits.onnx", assets() / "labels.csv", budget=500, space="affine+color", progress=False
    )
    assert [row.name for row in evaluate_parts(result, progress=False).rows] == ["affine alone", "color alone", "all"]


def test_a_plan_costs_nothing() -> None:
    target = Bright()
    found = plan(target, tone_arrays(), budget=600, space="color")
    assert (found.total <= 600, target.scored) == (True, 0)
    with pytest.raises(BudgetError, match=r"pass budget=\d+ or more"):
        plan(target, tone_arrays(), budget=30)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"target": "https://scores.example/v2/models/m"}, "may cost: pass budget=..., the most that may be sent"),
        ({"price": 0.01}, "may cost: pass budget=..."),
        ({"data": None}, "there is no data: pass a path"),
        ({"data": "none.csv"}, "none.csv does not exist: pass data= a CSV"),
        ({"target": 3}, "int is no target"),
        ({"cluster": "local", "budget": 500}, "cluster= needs a model by its name"),
        ({"fit": "keep", "budget": 500}, "one size, and fit='keep' leaves them their own: pass the path"),
        ({"max_side": 100, "budget": 500}, "max_side= is for photos that keep their own: leave it out"),
        ({"find_input": "yes", "budget": 500}, "from image files only, and these images were given from Python"),
    ],
)
def test_what_is_refused(given: dict[str, Any], said: str) -> None:
    values = {"target": Bright(), "data": tone_arrays(), **given}
    with pytest.raises(InputError) as caught:
        optimize(values.pop("target"), values.pop("data"), progress=False, **values)
    assert said in str(caught.value)


def test_the_finder_leaves_images_from_python_alone_if_nobody_asked_for_it(tmp_path: Path) -> None:
    images, digits = load(assets() / "labels.csv").images[:200], load(assets() / "labels.csv").labels[:200]
    options: dict[str, Any] = {"budget": 500, "space": "color", "progress": False, "find_input": "auto"}
    found = optimize(assets() / "digits.onnx", (images, digits), **options)
    assert found.summary.queries.input == 0


def test_a_folder_that_holds_a_run_is_not_replaced(tmp_path: Path) -> None:
    optimize(Bright(), tone_arrays(), out=tmp_path / "run", **OPTIONS)
    with pytest.raises(InputError, match=r"resume\('.*run'\), pass another out=, or replace it with overwrite=True"):
        optimize(Bright(), tone_arrays(), out=tmp_path / "run", **OPTIONS)
    optimize(Bright(), tone_arrays(), out=tmp_path / "run", overwrite=True, **OPTIONS)


def test_scores_of_another_run_are_reused(tuned: Result) -> None:
    target = Bright()
    again = optimize(target, tone_arrays(), reuse=[tuned.path / "ledger.sqlite"], **OPTIONS)
    assert (target.scored, again.summary.accuracy) == (0, tuned.summary.accuracy)


def test_importing_the_package_loads_none_of_what_it_uses() -> None:
    code = (
        "import sys, blackbox_dft\n"
        "print([name for name in ('numpy', 'pandas', 'onnxruntime', 'cv2', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
