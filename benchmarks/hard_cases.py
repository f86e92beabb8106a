"""Targets with little information in their scores, and cases without anything to gain.

    python benchmarks/hard_cases.py hard [--seeds 5]
    python benchmarks/hard_cases.py useless [--seeds 100] [--budget 1000]

Whole runs with the estimator ``auto``. *Hard*: what is left of the gain if a target returns labels only, rounded or
noisy scores, or the likeliest class alone; ``lfw-gender``, space ``auto``, about 5,000 tuning queries. *Useless*: the
verdict if labels are shuffled, the target ignores its input or the model is right already; ``smile-mini``, geometry
and tone, about 1,000. With a ``--budget`` of 1,000 the proof is sequential; what is kept is then judged on the whole
test split, outside the budget.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.tasks import config
from blackbox_dft._utils.types import Floats, ImageBytes, Scores
from blackbox_dft.data import load
from blackbox_dft.objectives.losses import decide
from blackbox_dft.run.config import Config
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.runner import optimize, start
from blackbox_dft.run.summary import Summary
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.targets import make_target
from blackbox_dft.targets.base import Target
from blackbox_dft.targets.options import TargetOptions

HARD, USELESS = "lfw-gender", "smile-mini"
HARD_BUDGET, USELESS_BUDGET = 9_000, 4_400


@lru_cache(maxsize=1)
def _model() -> Target:
    return make_target(config(HARD).target, TargetOptions())


def whole(images: ImageBytes) -> Scores:
    """All that the model says."""
    return _model().scores(images)


def labels_only(images: ImageBytes) -> Floats:
    """The class alone, as a one-hot row."""
    return np.eye(2)[whole(images).argmax(1)]


def rounded(images: ImageBytes) -> Scores:
    """Scores in hundredths."""
    return np.round(whole(images), 2)


def noisy(images: ImageBytes) -> Floats:
    """Scores with noise of standard deviation 0.02, its own for every image as sent."""
    noise = [np.random.default_rng(list(blake2b(image.tobytes(), digest_size=8).digest())).normal() for image in images]
    first = np.clip(whole(images)[:, 0] + 0.02 * np.array(noise), 0, 1)
    return np.stack([first, 1 - first], 1)


def top_one(images: ImageBytes) -> Floats:
    """The score of the likeliest class, nothing of the other."""
    scores = whole(images)
    return np.where(scores == scores.max(1, keepdims=True), scores, 0.0)


def blind(images: ImageBytes) -> Floats:
    """The same for every image."""
    return np.tile([0.6, 0.4], (len(images), 1))


KINDS = (whole, labels_only, rounded, noisy, top_one)
for kind in (*KINDS, blind):
    kind.workers = 2  # type: ignore[attr-defined]


def measured(what: Config, seed: int) -> Summary:
    """The summary of a run."""
    with tempfile.TemporaryDirectory() as folder:
        return optimize(replace(what, seed=seed), Path(folder) / "run").summary


def judged(what: Config, seed: int) -> tuple[Summary, float]:
    """The summary of a run, and accuracy after minus before on the whole test split."""
    experiment = Experiment(replace(what, seed=seed))
    data, test = experiment.data, experiment.data.splits["test"]
    with tempfile.TemporaryDirectory() as folder:
        result = start(experiment, Path(folder) / "run")
        found = result.summary.accuracy["test"]
        if found.n == len(test) or result.summary.chosen == "identity":
            return result.summary, found.after - found.before
        with Ledger(Path(folder) / "whole.sqlite", budget=2**62) as ledger:
            scorer = experiment.scorer(ledger)
            zs = (experiment.space.initial(), result.tuning.z)
            before, after = (scorer.score("evaluate", test, z) for z in zs)
            scorer.close()
    kept, plain = result.tuning.decide(after), experiment.decoder(before)(before)
    right = [(decide(probabilities) == data.labels[test]).mean() for probabilities in (kept, plain)]
    return result.summary, float(right[0] - right[1])


def hard(seeds: int) -> None:
    """A row for each kind of scores: before, after and share of the gain kept."""
    print("| answers | before | after, median | worst | share of the gain |\n|---|---|---|---|---|")
    base = config(HARD, space="auto", budget=HARD_BUDGET, early_stop=False)
    about = _model()
    options = TargetOptions(classes=about.classes, size=about.image_size)
    gain = None
    for kind in KINDS:
        what = replace(base, target=f"benchmarks.hard_cases:{kind.__name__}", target_options=options)
        tests = [measured(what, seed).accuracy["test"] for seed in range(seeds)]
        after = np.array([test.after for test in tests])
        middle, before = float(np.median(after)), tests[0].before
        gain = gain or middle - before
        share = (middle - before) / gain
        print(f"| {kind.__name__} | {before:.3f} | {middle:.3f} | {after.min():.3f} | {share:.0%} |", flush=True)


def relabelled(what: Config, path: Path, seed: int | None) -> Config:
    """``what`` with its labels shuffled within each split, or (no seed) with those that the model gives itself.

    ``path`` lies in a copy of its folder.
    """
    data = load(what.data)
    names = np.array(data.classes)[data.labels]
    if seed is None:
        experiment = Experiment(what)
        with experiment.target:
            raw = experiment.target.scores(experiment.data.images)
        given = decide(experiment.decoder(raw)(raw))
        # An image that is not decided keeps its label.
        names = np.array(data.classes)[np.where(given < 0, data.labels, given)]
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "label", "split"])
        for split, indices in data.splits.items():
            order = indices if seed is None else np.random.default_rng(seed).permutation(indices)
            files = [data.files[place] for place in indices]
            rows.writerows(zip(files, names[order], [split] * len(files), strict=True))
    return replace(what, data=str(path))


def useless(seeds: int, budget: int) -> None:
    """A row for each case: what was said, how far accuracy fell, how often z left the identity."""
    print(
        "| case | no significant change | improved | worse | kept z | worst, points | below by over .5 |\n"
        + "|---" * 7
        + "|"
    )
    base = config(USELESS, space="affine+color", budget=budget)
    sightless = replace(base, target="benchmarks.hard_cases:blind", map=())
    sightless = replace(sightless, target_options=TargetOptions(classes=("nonsmile", "smile"), size=(64, 64)))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(Path(base.data).parent, Path(folder) / "data"))
        own = relabelled(base, copy / "own.csv", None)
        for case in ("labels shuffled", "target ignores its input", "model already right"):
            said: Counter[str] = Counter()
            changes, kept = [], 0
            for seed in range(seeds):
                what = {"labels shuffled": base, "target ignores its input": sightless}.get(case, own)
                if what is base:
                    what = relabelled(base, copy / "shuffled.csv", seed)
                summary, change = judged(what, seed)
                said[summary.verdict] += 1
                changes.append(100 * change)
                kept += summary.chosen != "identity"
            counts = " | ".join(str(said[word]) for word in ("no significant change", "improved", "worse"))
            low = sum(change < -0.5 for change in changes)
            print(f"| {case} | {counts} | {kept} | {min(changes):+.1f} | {low} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["hard", "useless"])
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--budget", type=int, default=USELESS_BUDGET, help="of a useless case")
    options = parser.parse_args()
    if options.what == "hard":
        hard(options.seeds or 5)
    else:
        useless(options.seeds or 100, options.budget)


if __name__ == "__main__":
    main()
