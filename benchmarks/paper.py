"""The paper's table: data set x attribute x model, in its setting and in ours, and whether a tuning holds elsewhere.

    python benchmarks/paper.py [--quick] [--runs FOLDER] [--out benchmarks/results/paper.csv] [--page FILE.html]

Runs the rows whose data is in ``../shared`` and prints the command that fills the other rows once their data is there.
Settings are the files of ``benchmarks/paper_setting``; the run of 100,000 tuning queries continues that of 20,000.
Runs that are finished are not run again and those that were stopped continue, so that the benchmark can be stopped at
any time. ``--quick`` is a twentieth of the queries, to see that everything works.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.rivals import grey, models
from benchmarks.tables import Table, tables_page
from benchmarks.tasks import SHARED
from blackbox_dft._utils.types import Floats, ImageBytes
from blackbox_dft.data import load
from blackbox_dft.data.dataset import Dataset
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.errors import InputError
from blackbox_dft.images.encoding import through_jpeg
from blackbox_dft.images.similarity import psnr, ssim
from blackbox_dft.run.budget import CANDIDATES, SELECT_SHARE
from blackbox_dft.run.config import Config
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.runner import optimize, resume
from blackbox_dft.run.summary import compared
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.scoring.scorer import Pool, Scorer

ROOT = Path(__file__).parents[1]
FACE, MINI, GENDER = (
    f"models/{name}.onnx" for name in ("expression_faceapi", "emotion_mini_xception", "age_gender_faceapi")
)
ROWS = {
    "LFW, gender, age_gender_faceapi": ("lfw-gender", GENDER),
    "SMILEs, smile, expression_faceapi": ("smiles-faceapi", FACE),
    "SMILEs, smile, emotion_mini_xception": ("smiles-mini", MINI),
    "LFW, Smiling, expression_faceapi": ("lfw-smiling", FACE),
    "CelebA, Smiling, expression_faceapi": ("celeba-smiling", FACE),
    "CelebA, gender, age_gender_faceapi": ("celeba-gender", GENDER),
    "MUCT, gender, age_gender_faceapi": ("muct-gender", GENDER),
}
"""By what the table says: the file of benchmarks/paper_setting and the model."""
SETTINGS: dict[str, tuple[list[str], int]] = {
    "paper 20k": ([], 20_000),
    "paper 100k": ([], 100_000),
    "additive 20k": (["additive"], 20_000),
    "best 20k": (["best"], 20_000),
    "auto 20k": (["auto"], 20_000),
}
"""By column: files beside the row's own, and tuning queries."""
QUICK = 20
DARKER = 0.6
MOST_LOCAL = 5_000
"""Training images of the local model."""
NUMBERS = ["before", "after", "low", "high", "p", "threshold", "psnr", "ssim", "queries"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--runs", type=Path, default=Path(tempfile.gettempdir()) / "bbdft-paper")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "paper.csv")
    parser.add_argument("--page", type=Path, help="the tables as a page too")
    options = parser.parse_args()
    out = options.out.with_stem("paper-quick") if options.quick else options.out
    runs = options.runs / ("quick" if options.quick else "whole")
    table = (
        pd.read_csv(out, dtype={"row": str, "setting": str})
        if out.exists()
        else pd.DataFrame(columns=["row", "setting"])
    )

    def note(row: str, setting: str, make: Callable[[], dict[str, Any]]) -> None:
        nonlocal table
        if ((table["row"] == row) & (table["setting"] == setting)).any():
            return
        print(f"{row}: {setting}", file=sys.stderr, flush=True)
        found = pd.DataFrame([{"row": row, "setting": setting, **make()}])
        table = pd.concat([table, found], ignore_index=True) if len(table) else found
        out.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(out, index=False, lineterminator="\n")

    absent = []
    for row, (name, model) in ROWS.items():
        config = configured(model, [name])
        try:
            load(config.data, label=config.label, size=(8, 8))
        except InputError as error:
            absent.append((row, name, model, error))
            continue
        for setting, (more, queries) in SETTINGS.items():
            chosen = configured(model, [name, *more])
            folder = runs / name / setting.split()[0]
            note(row, setting, lambda c=chosen, q=queries, f=folder: tuned(c, q // (QUICK if options.quick else 1), f))
        if find_spec("sklearn"):
            note(row, "local model", lambda c=config: local_model(load(c.data, label=c.label, size=(48, 48))))
        else:
            print(f"{row}: no local model: pip install 'blackbox-dft[benchmarks]'", file=sys.stderr)
    for learned, applied, setting, change in transfers():
        source, target = ROWS[learned], ROWS[applied]
        run = runs / source[0] / setting
        more = [] if setting == "paper" else [setting]
        there = configured(target[1], [target[0], *more])
        if (run / "tuning.npz").exists():
            name = f"{learned} -> {applied}" if change == "as it is" else f"{learned} -> {change}"
            note(name, setting, lambda r=run, c=there, w=change: applied_to(r, c, CHANGES[w]))
    shown = tables(table)
    print("\n\n".join(map(markdown, shown)))
    if options.page:
        options.page.write_text(page(table, shown), encoding="utf-8")
    for row, name, model, error in absent:
        words = f"bbdft optimize {SHARED / model} --config benchmarks/paper_setting/{name}.toml --data DATA --out RUN"
        print(f"\n{row}: {error}\n    {words}")


def configured(model: str, names: list[str]) -> Config:
    """A row's configuration: later files win, as with ``bbdft optimize --config``."""
    values: dict[str, Any] = {}
    for name in names:
        values |= tomllib.loads((ROOT / "benchmarks" / "paper_setting" / f"{name}.toml").read_text(encoding="utf-8"))
    plain = {key.replace("-", "_"): tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    kind, colon, rest = plain["data"].rpartition(":")
    plain["data"] = f"{kind}{colon}{(ROOT / rest).resolve()}"
    return Config(str(SHARED / model), **{"early_stop": False, "evaluate": "all", **plain})


def tuned(config: Config, queries: int, run: Path) -> dict[str, Any]:
    """The numbers of a run whose search has so many queries; begun, gone on with, or grown."""
    splits = load(config.data, label=config.label, size=(8, 8), seed=config.seed).splits
    choice = min(CANDIDATES * len(splits["val"]), round(queries * SELECT_SHARE / (1 - SELECT_SHARE)))
    budget = queries + choice + 2 * len(splits["test"])
    if (run / "config.json").exists():
        summary = resume(run, budget).summary
    else:
        summary = optimize(replace(config, budget=budget), run).summary
    test = summary.accuracy["test"]
    return {
        **{"before": test.before, "after": test.after, "low": test.ci95[0], "high": test.ci95[1]},
        **{"p": summary.mcnemar_p, "threshold": summary.threshold.test, "psnr": summary.psnr_db},
        **{"ssim": summary.ssim, "queries": summary.queries.total},
    }


def local_model(data: Dataset) -> dict[str, Any]:
    """What one could do without the black box: a small model on the same training images; val chooses among some."""
    train, val, test = (data.splits[split] for split in ("train", "val", "test"))
    # Beyond some thousands of images it takes hours.
    train = np.random.default_rng(0).permutation(train)[:MOST_LOCAL]
    small = grey(data.images)
    best = (-1.0, 0.0)
    for features, model in models().values():
        x = features(small)
        model.fit(x[train], data.labels[train])
        on_val, on_test = (float(model.score(x[part], data.labels[part])) for part in (val, test))
        best = max(best, (on_val, on_test), key=lambda pair: pair[0])
    return {"after": best[1]}


def flipped(images: ImageBytes) -> ImageBytes:
    return np.ascontiguousarray(images[:, :, ::-1])


def darker(images: ImageBytes) -> ImageBytes:
    return np.rint(images * DARKER).astype(np.uint8)


CHANGES: dict[str, Callable[[ImageBytes], ImageBytes]] = {
    "as it is": lambda images: images,
    "flipped": flipped,
    "darker": darker,
    "JPEG 30": lambda images: through_jpeg(images, 30),
}


def transfers() -> list[tuple[str, str, str, str]]:
    """Learned on, applied to, setting, and what happens to the images first; single pixels fit one size only."""
    gender, face, mini = list(ROWS)[:3]
    found = [(face, mini, setting, "as it is") for setting in ("additive", "best")]
    found += [(mini, face, setting, "as it is") for setting in ("additive", "best")]
    return found + [
        (gender, gender, s, c) for s in ("paper", "additive", "best") for c in ("flipped", "darker", "JPEG 30")
    ]


def applied_to(run: Path, config: Config, change: Callable[[ImageBytes], ImageBytes]) -> dict[str, Any]:
    """A run's z on the test images of another row, or on its own after something happened to them."""
    learned = Tuning.load(run)
    experiment = Experiment(replace(config, space=learned.space, channels=learned.channels))
    data, test = experiment.data, experiment.data.splits["test"]
    images = change(data.images[test])
    digests = tuple(blake2b(image.tobytes(), digest_size=16).digest() for image in images)
    every = np.arange(len(test))
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "l.sqlite", budget=2**62) as ledger:
        scorer = Scorer(
            Pool(images, digests),
            experiment.space,
            experiment.target,
            experiment.encoding,
            ledger,
            batch=experiment.target.batch,
        )
        raw = [scorer.score("evaluate", every, z) for z in (experiment.space.initial(), learned.z)]
        scorer.close()
    decoder = experiment.decoder(raw[0])
    before, after = (decoder(answers) for answers in raw)
    found = compared(data, test, before, after)
    psnr, ssim = likeness(experiment, learned.z, images[:64])
    return {
        **{"before": found.before, "after": found.after, "low": found.ci95[0], "high": found.ci95[1]},
        **{"p": found.mcnemar_p, "psnr": psnr, "ssim": ssim, "queries": 2 * len(test)},
    }


def likeness(experiment: Experiment, z: Floats, images: ImageBytes) -> tuple[float | None, float]:
    changed = experiment.tuning(z)(images)
    return psnr(images, changed), ssim(images, changed)


def tables(table: pd.DataFrame) -> list[Table]:
    """The rows at hand, a column a setting; their intervals and prices; then where a tuning was taken elsewhere."""
    table = table.reindex(columns=["row", "setting", *NUMBERS])
    own = table[~table["row"].str.contains("->")]
    settings = [name for name in (*SETTINGS, "local model") if (own["setting"] == name).any()]
    rows, best = [], set()
    for row, found in own.groupby("row", sort=False):
        by = found.set_index("setting")
        values = [by["before"].max(), by["threshold"].max(), *(by["after"].get(name, np.nan) for name in settings)]
        rows.append([str(row), *("–" if np.isnan(value) else f"{value:.3f}" for value in values)])
        best.add((1 + int(np.nanargmax(values)), str(row)))
    head = ["data, attribute, model", "before", "free threshold", *settings]
    shown = [
        Table("Test accuracy", "After so many tuning queries; bold: the best of a row.", head, rows, frozenset(best))
    ]
    tuned = own[own["setting"] != "local model"]
    for title, caption, part in (
        ("What it gains and costs", "Gain in points with its 95 % interval, how far images moved, all queries.", tuned),
        ("Learned here, applied there", "The tunings above on other images or another model.", table.drop(own.index)),
    ):
        head = ["setting", "before", "after", "points, 95 %", "McNemar p", "PSNR", "SSIM", "queries"]
        shown.append(Table(title, caption, head, [_row(one) for one in part.itertuples()]))
    return shown


def _row(one: Any) -> list[str]:
    psnr = "unchanged" if pd.isna(one.psnr) else f"{one.psnr:.1f} dB"
    points = f"{100 * (one.after - one.before):+.1f} ({100 * one.low:+.1f} to {100 * one.high:+.1f})"
    numbers = [f"{one.before:.3f}", f"{one.after:.3f}", points, f"{one.p:.2g}", psnr, f"{one.ssim:.3f}"]
    return [f"{one.row}, {one.setting}", *numbers, f"{int(one.queries):,}"]


def markdown(table: Table) -> str:
    """For a terminal or a document."""
    lines = [table.head, ["---"] * len(table.head), *table.rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def page(table: pd.DataFrame, shown: list[Table]) -> str:
    """The same as a page, with what it says in a sentence."""
    own = table[~table["row"].str.contains("->") & (table["setting"] != "local model")]
    gains = (own["after"] - own["before"]).groupby(own["setting"], sort=False).mean()
    best = str(gains.idxmax())
    papers = [name for name in gains.index if name.startswith("paper")]
    answer = f"{best} gains most: {100 * gains[best]:+.1f} points on average of {own['row'].nunique()} rows"
    answer += f"; {papers[-1]} gains {100 * gains[papers[-1]]:+.1f}." if papers else "."
    facts = [
        ("rows", str(own["row"].nunique())),
        ("runs", str(len(own))),
        ("queries", f"{int(own['queries'].sum()):,}"),
    ]
    notes = [
        "One seed. All accuracies are of held-out test images; z was chosen on validation images, or kept at none."
    ]
    return tables_page("Data fine-tuning: the paper's setting and ours", answer, facts, shown, notes)


if __name__ == "__main__":
    main()
