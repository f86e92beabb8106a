"""Data fine-tuning: one small change shared by all images, learned from a model one can only query.

The public names; each is imported when it is first asked for. ``blackbox_dft.plots`` has figures, and
``blackbox_dft.sklearn`` a scikit-learn estimator.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from blackbox_dft.version import __version__

if TYPE_CHECKING:
    from blackbox_dft.api.comparing import Comparison, compare
    from blackbox_dft.api.exports import export_onnx, fuse_onnx, write_report
    from blackbox_dft.api.inspecting import find_input, inspect
    from blackbox_dft.api.options import Options, load_options
    from blackbox_dft.api.progress import Callback, RunWarning
    from blackbox_dft.api.result import Result, load_run
    from blackbox_dft.api.runs import check, evaluate, evaluate_parts, optimize, plan, predict, resume
    from blackbox_dft.data import Dataset, load
    from blackbox_dft.deploy.apply import apply_images
    from blackbox_dft.deploy.tuning import Tuning
    from blackbox_dft.errors import BlackboxError, BudgetError, InputError, TargetError
    from blackbox_dft.estimators import SearchSpace, make_estimator
    from blackbox_dft.objectives import make_objective
    from blackbox_dft.run.config import Config
    from blackbox_dft.run.evaluate import open_evaluation
    from blackbox_dft.run.predict import open_prediction
    from blackbox_dft.run.summary import Accuracy, Summary
    from blackbox_dft.search.progress import Point
    from blackbox_dft.spaces import make_space
    from blackbox_dft.targets import TargetOptions, make_target
    from blackbox_dft.targets.base import Target

_HOME = {
    "optimize": "api.runs",
    "resume": "api.runs",
    "plan": "api.runs",
    "load_run": "api.result",
    "Result": "api.result",
    "Summary": "run.summary",
    "Accuracy": "run.summary",
    "Tuning": "deploy.tuning",
    "evaluate": "api.runs",
    "evaluate_parts": "api.runs",
    "predict": "api.runs",
    "check": "api.runs",
    "apply_images": "deploy.apply",
    "export_onnx": "api.exports",
    "fuse_onnx": "api.exports",
    "write_report": "api.exports",
    "inspect": "api.inspecting",
    "find_input": "api.inspecting",
    "compare": "api.comparing",
    "Comparison": "api.comparing",
    "Options": "api.options",
    "load_options": "api.options",
    "Config": "run.config",
    "TargetOptions": "targets",
    "Callback": "api.progress",
    "Point": "search.progress",
    "RunWarning": "api.progress",
    "Dataset": "data",
    "load": "data",
    "Target": "targets.base",
    "make_target": "targets",
    "open_evaluation": "run.evaluate",
    "open_prediction": "run.predict",
    "make_space": "spaces",
    "make_objective": "objectives",
    "make_estimator": "estimators",
    "SearchSpace": "estimators",
    "BlackboxError": "errors",
    "InputError": "errors",
    "BudgetError": "errors",
    "TargetError": "errors",
}

__all__ = [  # noqa: RUF022
    "optimize",
    "resume",
    "plan",
    "load_run",
    "Result",
    "Summary",
    "Accuracy",
    "Tuning",
    "evaluate",
    "evaluate_parts",
    "predict",
    "check",
    "apply_images",
    "export_onnx",
    "fuse_onnx",
    "write_report",
    "inspect",
    "find_input",
    "compare",
    "Comparison",
    "Options",
    "load_options",
    "Config",
    "TargetOptions",
    "Callback",
    "Point",
    "RunWarning",
    "Dataset",
    "load",
    "Target",
    "make_target",
    "open_evaluation",
    "open_prediction",
    "make_space",
    "make_objective",
    "make_estimator",
    "SearchSpace",
    "BlackboxError",
    "InputError",
    "BudgetError",
    "TargetError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
