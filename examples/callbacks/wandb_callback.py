"""Logs a run to Weights & Biases: the search step by step, the result, and a picture of images before and after.

import wandb
from blackbox_dft import optimize
from wandb_callback import WandbCallback

with wandb.init(project="data-fine-tuning") as run:
    optimize("model.onnx", "labels.csv", budget=1000, callbacks=[WandbCallback(run)])
"""

from typing import Any

import wandb

from blackbox_dft import Callback, Point, Result


class WandbCallback(Callback):
    """Logs to ``run``, which ``wandb.init`` returned."""

    def __init__(self, run: Any) -> None:
        self.run = run

    def step(self, point: Point) -> None:
        self.run.log({"queries": point.queries, "train_accuracy": point.accuracy, "train_loss": point.loss})

    def done(self, result: Result) -> None:
        test = result.accuracy
        self.run.summary.update(
            {"verdict": result.verdict, "test_before": test.before, "test_after": test.after,
             "queries": result.summary.queries.total}
        )  # fmt: skip
        self.run.log({"images": wandb.Image(result.plot_images())})
