"""Results: verdict, table, figures, a short view, and reading one again without its model."""

import gc
import json
import shutil
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from blackbox_dft import InputError, Result, load_run, optimize, plots
from tests.api.conftest import OPTIONS
from tests.helpers.tone_arrays import Bright, tone_arrays

METHODS = ("plot_trajectory", "plot_proof", "plot_images", "plot_parts", "plot_reliability")


@pytest.fixture(scope="module")
def saved(tuned: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(tuned.path, tmp_path_factory.mktemp("saved") / "run"))


def test_a_loaded_run_is_the_same(tuned: Result, saved: Path) -> None:
    again = load_run(saved)
    assert again.summary == tuned.summary
    assert again.to_frame().equals(tuned.to_frame())
    assert (again.before == tuned.before).all()
    assert (again.after == tuned.after).all()
    assert (again.tuning.z == tuned.tuning.z).all()
    assert str(again) == str(tuned)


def test_loading_reads_the_summary_alone(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    shutil.copy(saved / "summary.json", tmp_path / "run")
    assert load_run(tmp_path / "run").verdict == "improved"


def test_the_table_has_a_row_a_step(tuned: Result) -> None:
    frame = tuned.to_frame()
    assert list(frame.columns) == ["queries", "loss", "accuracy"]
    assert frame["queries"].is_monotonic_increasing
    assert frame["queries"].iloc[-1] == tuned.summary.queries.tune


def test_it_says_itself_in_one_line(tuned: Result) -> None:
    assert repr(tuned).startswith("Result(improved: test accuracy 0.")
    assert len(repr(tuned)) < 200
    assert str(tuned).startswith("improved: test accuracy 0.")


def test_a_notebook_shows_the_verdict_and_three_pairs(tuned: Result, saved: Path) -> None:
    shown = tuned._repr_html_()
    assert "Improved: " in shown
    assert shown.count("<img") == 6
    assert len(shown) < 60_000
    # The images of a run of before are not at hand.
    again = load_run(saved)._repr_html_()
    assert "<img" not in again
    assert "given from Python" in again


@pytest.mark.parametrize("name", METHODS)
def test_figures_are_figures_that_a_notebook_shows(tuned: Result, name: str) -> None:
    figure = getattr(tuned, name)()
    assert isinstance(figure, Figure)
    assert figure._repr_png_().startswith(b"\x89PNG")
    of_module = getattr(plots, name.removeprefix("plot_"))(tuned)
    assert of_module.get_size_inches().tolist() == figure.get_size_inches().tolist()


def test_figures_of_a_folder(saved: Path) -> None:
    assert isinstance(plots.trajectory(saved), Figure)
    with pytest.raises(InputError, match="given from Python"):
        plots.images(saved)


def test_without_a_proof_there_is_no_figure_of_it() -> None:
    result = optimize(Bright(), tone_arrays(), **{**OPTIONS, "evaluate": "all"})  # type: ignore[call-overload]
    with pytest.raises(InputError, match="without a sequential proof: pass evaluate='enough'"):
        result.plot_proof()


def test_a_temporary_folder_goes_with_its_result(tmp_path: Path) -> None:
    result = optimize(Bright(), tone_arrays(), **OPTIONS)  # type: ignore[call-overload]
    temporary = result.path
    assert temporary.is_dir()
    assert result.save(tmp_path / "kept") == result.path == tmp_path / "kept"
    del result
    gc.collect()
    assert not temporary.exists()
    assert load_run(tmp_path / "kept").verdict == "improved"


def test_nothing_is_replaced_by_saving(tuned: Result, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="exists: take another name"):
        tuned.save(tmp_path)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "holds no run"),
        ({"config.json": "{}"}, r"is not finished: go on with resume\('"),
        ({"summary.json": "{"}, "cannot be read"),
        ({"summary.json": json.dumps({"target": "m"})}, r"cannot be read \('space'\): give resume\('"),
    ],
)
def test_what_is_no_finished_run(files: dict[str, str], said: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=said):
        load_run(tmp_path)
