"""The callbacks for MLflow and Weights & Biases log what they should, to stand-ins where these are not installed."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from blackbox_dft import optimize
from tests.helpers.tone_arrays import Bright, tone_arrays

FOLDER = Path(__file__).parents[2] / "examples" / "callbacks"
OPTIONS = {"budget": 600, "space": "color", "evaluate": "enough", "progress": False}


class Recorder(ModuleType):
    """A module whose functions record their arguments."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.calls: list[tuple[str, Any, Any]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def record(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, args, kwargs))
            return args

        return record


def example(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_mlflow_gets_options_steps_and_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder("mlflow")
    monkeypatch.setitem(sys.modules, "mlflow", recorder)
    callback = example("mlflow_callback").MlflowCallback()
    result = optimize(Bright(), tone_arrays(), callbacks=[callback], **OPTIONS)  # type: ignore[call-overload]
    steps = [kwargs["step"] for name, _, kwargs in recorder.calls if name == "log_metrics" and kwargs]
    assert steps == result.to_frame()["queries"].tolist()
    assert ("set_tag", ("verdict", "improved"), {}) in recorder.calls
    assert all(Path(args[0]).is_file() for name, args, _ in recorder.calls if name == "log_artifact")


def test_mlflow_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="needs pip install mlflow-skinny")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(tmp_path.as_uri())
    with mlflow.start_run(experiment_id=mlflow.create_experiment("tuning")) as run:
        callback = example("mlflow_callback").MlflowCallback()
        optimize(Bright(), tone_arrays(), callbacks=[callback], **OPTIONS)  # type: ignore[call-overload]
    logged = mlflow.get_run(run.info.run_id).data
    assert (logged.tags["verdict"], logged.params["space"]) == ("improved", "color")
    assert logged.metrics["test_after"] > logged.metrics["test_before"]


def test_weights_and_biases_gets_steps_and_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", Recorder("wandb"))
    logged: list[dict[str, Any]] = []

    class Run:
        summary: dict[str, Any] = {}  # noqa: RUF012

        def log(self, values: dict[str, Any]) -> None:
            logged.append(values)

    run = Run()
    callback = example("wandb_callback").WandbCallback(run)
    result = optimize(Bright(), tone_arrays(), callbacks=[callback], **OPTIONS)  # type: ignore[call-overload]
    assert [one["queries"] for one in logged[:-1]] == result.to_frame()["queries"].tolist()
    assert "images" in logged[-1]
    assert (run.summary["verdict"], run.summary["queries"]) == ("improved", result.summary.queries.total)
