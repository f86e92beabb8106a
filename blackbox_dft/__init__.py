"""Data fine-tuning: one small change shared by all images, learned from a model one can only query.

The public names; each is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from blackbox_dft.version import __version__

if TYPE_CHECKING:
    from blackbox_dft.data import load
    from blackbox_dft.deploy.apply import apply_images
    from blackbox_dft.deploy.tuning import Tuning
    from blackbox_dft.errors import BlackboxError, BudgetError, InputError, TargetError
    from blackbox_dft.estimators import SearchSpace, make_estimator
    from blackbox_dft.objectives import make_objective
    from blackbox_dft.run.config import Config
    from blackbox_dft.run.evaluate import evaluate, open_evaluation
    from blackbox_dft.run.predict import open_prediction, predict
    from blackbox_dft.run.result import Result
    from blackbox_dft.run.runner import optimize, resume
    from blackbox_dft.spaces import make_space
    from blackbox_dft.targets import TargetOptions, make_target

_HOME = {
    "Config": "run.config",
    "TargetOptions": "targets",
    "optimize": "run.runner",
    "resume": "run.runner",
    "Result": "run.result",
    "Tuning": "deploy.tuning",
    "apply_images": "deploy.apply",
    "open_evaluation": "run.evaluate",
    "evaluate": "run.evaluate",
    "open_prediction": "run.predict",
    "predict": "run.predict",
    "load": "data",
    "make_target": "targets",
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
    "Config",
    "TargetOptions",
    "optimize",
    "resume",
    "Result",
    "Tuning",
    "apply_images",
    "open_evaluation",
    "evaluate",
    "open_prediction",
    "predict",
    "load",
    "make_target",
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
