"""What ``--metric`` changes where labels are not equally frequent: ``lfw-gender`` with 85 % men.

    python benchmarks/accuracy/metrics.py [--budget 1000] [--seeds 5]

Whole runs with each metric; what they kept is measured by all metrics, on all test images and outside the bill. An
error on a woman costs 5, one on a man 1.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from blackbox_dft import evaluate, optimize
from blackbox_dft._utils.types import Floats

SHARED = Path(__file__).parents[2].parent / "shared"
MODEL, DATA = SHARED / "models/age_gender_faceapi.onnx", SHARED / "data/lfw/labels_gender.csv"
MEN = 0.85
COSTS = 'cost:{"female": {"female": 0, "male": 5}, "male": {"female": 1, "male": 0}}'
JUDGED = ("accuracy", "balanced-accuracy", COSTS)
MEASURED = (*JUDGED, "f1:female", "auc:female")


def imbalanced(folder: Path) -> Path:
    """A CSV of all men and as many women, drawn at random, as are 15 % of each split."""
    with DATA.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    rng, kept = np.random.default_rng(0), []
    for split in ("train", "val", "test"):
        men = [row for row in rows if (row["split"], row["class"]) == (split, "male")]
        women = [row for row in rows if (row["split"], row["class"]) == (split, "female")]
        count = round(len(men) * (1 - MEN) / MEN)
        kept += men + [women[at] for at in sorted(rng.permutation(len(women))[:count].tolist())]
    path = folder / "labels.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "label", "split", "person"])
        writer.writerows(
            [DATA.parent / row["file"], "female" if row["label"] == "1" else "male", row["split"], row["person"]]
            for row in kept
        )
    return path


def main() -> None:
    """Prints a row for unchanged images, and one for the runs of each metric."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        data = imbalanced(Path(folder))
        for number, metric in enumerate(JUDGED):
            before, after, queries, verdicts = [], [], [], []
            for seed in range(arguments.seeds):
                result = optimize(MODEL, data, budget=arguments.budget, seed=seed, metric=metric, progress=False)
                queries.append(result.summary.queries.total)
                verdicts.append(result.verdict)
                # Scores of the first measurement are free for the others.
                found = [evaluate(result, metric=each, progress=False).metric for each in MEASURED]
                before.append([one.before for one in found])
                after.append([one.after for one in found])
            if not number:
                print(f"| kept by | improved | queries | {' | '.join(one.title for one in found)} |")
                print("|---|---|---" + "|---" * len(found) + "|")
                print(f"| unchanged images | | | {_row(np.array(before))} |")
            counts = f"{verdicts.count('improved')} of {len(verdicts)} | {np.median(queries):.0f}"
            print(f"| {found[number].title} | {counts} | {_row(np.array(after))} |", flush=True)


def _row(levels: Floats) -> str:
    return " | ".join(f"{level:.3f}" for level in np.median(levels, axis=0))


if __name__ == "__main__":
    main()
