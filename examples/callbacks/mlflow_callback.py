"""Logs a run to MLflow: its options, the search step by step, the result, and the learned change.

import mlflow
from blackbox_dft import optimize
from mlflow_callback import MlflowCallback

with mlflow.start_run():
    optimize("model.onnx", "labels.csv", budget=1000, callbacks=[MlflowCallback()])
"""

import mlflow

from blackbox_dft import Callback, Point, Result


class MlflowCallback(Callback):
    """Logs to the active run of MLflow."""

    def step(self, point: Point) -> None:
        mlflow.log_metrics({"train_accuracy": point.accuracy, "train_loss": point.loss}, step=point.queries)

    def done(self, result: Result) -> None:
        summary, test = result.summary, result.accuracy
        mlflow.log_params(
            {"space": summary.space, "estimator": summary.estimator, "budget": summary.budget, "seed": summary.seed}
        )
        mlflow.log_metrics({"test_before": test.before, "test_after": test.after, "queries": summary.queries.total})
        mlflow.set_tag("verdict", result.verdict)
        for name in ("tuning.npz", "summary.json"):
            mlflow.log_artifact(str(result.path / name))
