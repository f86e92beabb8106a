"""What ``--output all`` adds: the output map reads the age that a model returns beside the gender.

    python benchmarks/accuracy/all_outputs.py [--budget 1000] [--seeds 10]

Accuracy of whole runs on ``lfw-gender``, on all test images and outside the bill, with the output ``gender`` alone and
with ``age`` beside it; both pay for the same number of queries.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from blackbox_dft.data import load
from blackbox_dft.run.config import Config
from blackbox_dft.run.runner import optimize
from blackbox_dft.targets import make_target
from blackbox_dft.targets.options import TargetOptions

SHARED = Path(__file__).parents[2].parent / "shared"
MODEL, DATA = str(SHARED / "models/age_gender_faceapi.onnx"), str(SHARED / "data/lfw/labels_gender.csv")


def main() -> None:
    """Prints a line for each of both, and the seeds in which it is better, worse and as good."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    data = load(DATA, size=(112, 112))
    test = data.splits["test"]
    images, names = data.images[test], [data.classes[label] for label in data.labels[test]]
    config = Config(MODEL, DATA, budget=arguments.budget)
    found: dict[str, list[float]] = {}
    for output in ("gender", "all"):
        options = TargetOptions(output=output)
        for seed in range(arguments.seeds):
            with TemporaryDirectory() as folder, make_target(MODEL, options) as target:
                tuning = optimize(replace(config, seed=seed, target_options=options), Path(folder, "run")).tuning
                decided = tuning.predict(images, target).argmax(axis=1)
            right = [tuning.labels[label] == name for label, name in zip(decided, names, strict=True)]
            found.setdefault(output, []).append(float(np.mean(right)))
        print(f"--output {output}: {np.median(found[output]):.4f}  {np.round(found[output], 4).tolist()}", flush=True)
    more = np.array(found["all"]) - np.array(found["gender"])
    print(
        f"better, worse, the same: {(more > 0).sum()}, {(more < 0).sum()}, {(more == 0).sum()}; mean {more.mean():+.4f}"
    )


if __name__ == "__main__":
    main()
