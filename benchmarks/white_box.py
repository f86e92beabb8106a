"""The ceiling of additive spaces: gradient descent through the model itself, which a black box does not allow.

    pip install '.[benchmarks]'
    python benchmarks/white_box.py [--seeds 3] [--space dct:8] [--out benchmarks/results/white_box.csv]

Adam on the sigmoid of the margin over minibatches of training images; the perturbation, its bound and the choice of z
on val are a tuning's, and accuracies are the ONNX model's on 8-bit images. Rows already in the CSV are not run again.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))
import numpy as np
import torch
from torch import Tensor

from benchmarks.peers import append, read
from benchmarks.tasks import TASKS, experiment, unchanged
from benchmarks.torch_model import TorchModel
from blackbox_dft._utils.types import Array, Floats
from blackbox_dft.objectives import make_objective
from blackbox_dft.objectives.losses import decide
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.search.loop import SEGMENTS, Task, Trajectory
from blackbox_dft.search.minibatches import StratifiedSampler
from blackbox_dft.search.selection import select
from blackbox_dft.spaces.additive import Separable

RESULT = Path(__file__).parent / "results" / "white_box.csv"
COLUMNS = (
    "task",
    "space",
    "seed",
    "steps",
    "rate",
    "before",
    "accuracy",
    "train_before",
    "train_accuracy",
    "n",
    "chosen",
)
STEPS, IMAGES, RATE = 300, 128, 0.1


def basis(space: Separable) -> Array:
    """The perturbation of each coordinate at 1, ``(k, H, W, C)``, before it is bounded."""
    fields = [
        np.outer(space.rows[:, place // space.columns.shape[1]], space.columns[:, place % space.columns.shape[1]])[
            ..., None
        ]
        * colour
        for colour in space.mix
        for place in space.order
    ]
    return np.array(fields, np.float32)


def loss(model: TorchModel, label_matrix: Tensor, images: Tensor, labels: Tensor) -> Tensor:
    """Mean sigmoid of the negative margin; ``images (N, H, W, C)``."""
    logs = torch.log((model(images.permute(0, 3, 1, 2)) @ label_matrix).clamp(1e-4, 1))
    true = logs.gather(1, labels[:, None])[:, 0]
    others = logs.scatter(1, labels[:, None], -float("inf")).max(dim=1).values
    return torch.sigmoid(others - true).mean()


def descend(here: Experiment, label_matrix: Floats, seed: int) -> Trajectory:
    """The course of Adam from the identity."""
    space, data = here.space, here.data
    if not isinstance(space, Separable):
        raise SystemExit(f"{space.spec} is not additive: give dct:N or grid:N")
    model = TorchModel(Path(here.config.target), here.config.target_options.output)
    spans = torch.from_numpy(basis(space).reshape(space.size, -1))
    z = torch.zeros(space.size, requires_grad=True)
    adam = torch.optim.Adam([z], lr=RATE)
    draw = StratifiedSampler(data.splits["train"], data.labels, seed)
    trajectory = Trajectory(space.initial())
    weights = torch.from_numpy(label_matrix.astype(np.float32))
    for step in range(STEPS):
        chosen = draw(IMAGES)
        images = torch.from_numpy(data.images[chosen].astype(np.float32) / 255)
        field = (z @ spans).clamp(-space.bound, space.bound).reshape(1, *here.shape)
        adam.zero_grad()
        loss(model, weights, (images + field).clamp(0, 1), torch.from_numpy(data.labels[chosen])).backward()
        adam.step()
        trajectory.visit(z.detach().numpy().astype(np.float64), step * SEGMENTS // STEPS)
    return trajectory


def measure(task: str, space: str, seed: int) -> tuple[object, ...]:
    """A row of the CSV."""
    here = experiment(task, space)
    data, identity = here.data, here.space.initial()
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "l.sqlite", budget=2**62) as ledger:
        ledger.reuse(unchanged(task))
        scorer = here.scorer(ledger)
        val = data.splits["val"]
        decoder = here.decoder(scorer.score("select", val, identity))
        run = Task(scorer, decoder, make_objective("sigmoid"), data.labels)
        choice = select(run, descend(here, decoder.label_matrix, seed), val, identity)
        right = [
            float(
                np.mean(decide(run.probabilities("evaluate", data.splits[split], z)) == data.labels[data.splits[split]])
            )
            for split in ("test", "train")
            for z in (identity, choice.z)
        ]
        scorer.close()
    rounded = [round(value, 6) for value in right]
    return (task, space, seed, STEPS, RATE, *rounded, len(data.splits["test"]), choice.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--space", default="dct:8")
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    done = {(row["task"], row["space"], row["seed"]) for row in read(options.out)}
    for seed in range(options.seeds):
        for task in options.tasks.split(","):
            if (task, options.space, str(seed)) not in done:
                append(options.out, COLUMNS, measure(task, options.space, seed))
    print("| task | space | before | white box, test (train) |\n|---|---|---|---|")
    rows = read(options.out)
    for task, space in dict.fromkeys((row["task"], row["space"]) for row in rows):
        here = [row for row in rows if (row["task"], row["space"]) == (task, space)]
        middle = [
            float(np.median([float(row[name]) for row in here])) for name in ("before", "accuracy", "train_accuracy")
        ]
        print(f"| {task} | {space} | {middle[0]:.3f} | {middle[1]:.3f} ({middle[2]:.3f}) |")


if __name__ == "__main__":
    main()
