"""Report of a run, ``report.html`` and ``report.txt``, made from the files in its folder without a query."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from blackbox_dft._utils.files import write_text
from blackbox_dft._utils.text import duration, percent
from blackbox_dft._utils.types import ImageBytes, Ints
from blackbox_dft.data import Dataset
from blackbox_dft.data.photos import Photos
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.errors import InputError
from blackbox_dft.images.sample_card import card
from blackbox_dft.objectives.losses import decide
from blackbox_dft.report import breakdown, change
from blackbox_dft.report.advice import advice
from blackbox_dft.report.figures import run_pictures
from blackbox_dft.report.figures.before_after import of_one_size
from blackbox_dft.report.figures.charts import MARK_DASHES, Axes, bar_svg, legend, line_svg
from blackbox_dft.report.figures.proof_chart import proof_chart
from blackbox_dft.report.figures.search_curve import ESTIMATE, search_curve
from blackbox_dft.report.html import drawn, render
from blackbox_dft.report.outcome import MEANINGS, Outcome, accuracy_beside
from blackbox_dft.report.terminal import (
    free_threshold_sentence,
    no_score_texts,
    proof_sentence,
    rests_on_no_score,
    verdict_lines,
    views_texts,
)
from blackbox_dft.run.config import Config
from blackbox_dft.run.predictions import Predictions
from blackbox_dft.run.provenance import command, provenance, public, short_name
from blackbox_dft.run.record import RunRecord
from blackbox_dft.search.mapped_selection import BOTH, MAP_ALONE
from blackbox_dft.search.selection import IDENTITY, LAST_QUARTER
from blackbox_dft.spaces.base import Additive
from blackbox_dft.version import __version__

MAX_MATRIX_LABELS = 12
"""Labels up to which confusions are shown as a matrix."""
MAX_HISTOGRAMS = 6
"""Labels whose histograms are drawn: those whose accuracy changed most."""
PSNR_IMAGES = 64
"""Images that parts of a composition are measured on."""
MAX_HARMED = 6
"""Names of classes and groups that are worse off."""
TERMS = (
    ("points", "", "Hundredths of the test images: from 74.0% to 75.0% is one point."),
    ("95 % interval", "", "Where the gain on all such images lies; one interval of twenty misses it."),
    (
        "output map",
        "",
        "From all scores of the model to your labels; learned from the search's answers.",
    ),
)
"""Name and meaning of words that stand on the page without being facts."""
KEPT = {
    IDENTITY: "nothing: images and decisions stay as they are",
    LAST_QUARTER: "the image change",
    MAP_ALONE: "the output map, on unchanged images",
    BOTH: "the image change and the output map",
}
"""What is kept, in the words of the page."""
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
"""In English, whatever the locale."""
FREE_THRESHOLD = (
    "The unchanged model with its decision shifted, fitted on held-out images that it is not judged by: what the same "
    "labels give at no query."
)


def write_run_report(
    run: Path,
    data: Dataset | None = None,
    *,
    by: Sequence[str] = (),
    price: float | None = None,
    marks: Mapping[str, float] | None = None,
) -> list[str]:
    """Writes ``report.html`` and ``report.txt`` of a finished run; returns their names.

    Args:
        run: its folder.
        data: its images if they are in memory; else they are read again, and left out if they are gone.
        by: traits (columns of the CSV, or of a published data set) to break the result down by; by default, all with
            2 to 12 values.
        price: of one image scored.
        marks: more test accuracies to draw as lines, by name, such as that of a local model.

    Raises:
        InputError: the run is not finished, a file is damaged, or a trait is unknown.
    """
    summary, config, predictions, tuning = read_run(run)
    if unknown := [name for name in by if name.lower() not in {trait.lower() for trait in predictions.traits}]:
        known = f"it has {', '.join(predictions.traits)}" if predictions.traits else "it has only files and labels"
        raise InputError(f"{public(config.data)} has no column {unknown[0]!r}: {known}.")
    wanted = {name.lower() for name in by}
    traits = [name for name in predictions.traits if name.lower() in wanted] or breakdown.usual_traits(predictions)
    write_text(run / "report.txt", "\n".join(text_lines(run, summary, predictions, traits, price)) + "\n")
    images, lack = run_pictures.images(config, tuning, predictions, data)
    page = _page(run, summary, config, predictions, tuning, images, lack, traits, price, marks or {})
    write_text(run / "report.html", page)
    return ["report.html", "report.txt"]


def read_run(run: Path) -> tuple[dict[str, Any], Config, Predictions, Tuning]:
    """Summary, configuration, predictions and tuning of a finished run.

    Raises:
        InputError: there is no run, it is not finished, or a file is damaged.
    """
    config = RunRecord.read(run).config
    path = run / "summary.json"
    try:
        summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _ = summary["accuracy"]["test"]["ci95"], summary["threshold"]["test"], summary["queries"]["total"]
    except FileNotFoundError as error:
        raise InputError(f"{run} is not finished: go on with 'bbdft resume {run}'.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read: give 'bbdft resume {run}', which writes it again.") from error
    return summary, config, Predictions.read(run), Tuning.load(run)


def sentence(summary: Mapping[str, Any]) -> str:
    """The verdict of a summary in words, with its interval, beside the free threshold."""
    shown = Outcome.of(summary)
    before, after = shown.shown(shown.before), shown.shown(shown.after)
    what = f"{after} of the {shown.n:,} test images are classified rightly"
    if not shown.is_accuracy:
        what = f"the {shown.title} of the {shown.n:,} test images is {after}"
    beside = f"; {text}" if (text := accuracy_beside(summary)) else ""
    begin = {
        "improved": "Improved",
        "worse": "Worse",
    }.get(summary["verdict"], "No significant change")
    rests = f" {text[0].upper()}{text[1:]}." if (text := rests_on_no_score(summary)) else ""
    return (
        f"{begin}: {what}, {before} before: {shown.change(shown.gain)} {shown.unit} (95 % interval "
        f"{shown.interval(shown.ci95)}{beside}).{rests} "
        f"{free_threshold_sentence(summary)}."
    )


def text_lines(
    run: Path, summary: dict[str, Any], predictions: Predictions, traits: Sequence[str], price: float | None
) -> list[str]:
    """The lines of ``report.txt``."""
    lines = [sentence(summary), "", *verdict_lines(summary, None, price)[1:]]
    tables = [("class", breakdown.per_class(predictions))]
    tables += [(name, breakdown.per_trait(predictions, name)) for name in traits]
    if not (shown := Outcome.of(summary)).is_accuracy:
        lines += ["", f"the tables below are of accuracy, not of {shown.title}:"]
    for name, rows in tables:
        wide = max(len(name), *(len(_one_line(row.name)) for row in breakdown.listed(rows)))
        lines += ["", f"{name:<{wide}}  images  before   after  points  95 %"]
        for row in breakdown.listed(rows):
            interval = f"{_interval(row.ci95)} {row.word}" if row.ci95 else row.word
            numbers = f"{row.n:>6,}   {row.before:.3f}   {row.after:.3f}  {100 * row.change:+6.1f}  {interval}"
            lines.append(f"{_one_line(row.name):<{wide}}  {numbers}".rstrip())
        if len(rows) > breakdown.MAX_LISTED:
            lines.append(f"those that changed most, of {len(rows):,}")
    config = RunRecord.read(run).config
    return [*lines, "", f"now: {advice(summary, run, config)}", f"again: {command(config)}"]


def _page(
    run: Path,
    summary: dict[str, Any],
    config: Config,
    predictions: Predictions,
    tuning: Tuning,
    images: ImageBytes | Photos | None,
    lack: str,
    traits: Sequence[str],
    price: float | None,
    marks: Mapping[str, float],
) -> str:
    versions, digests = provenance(run)
    classes = breakdown.per_class(predictions)
    tables = [("class", classes), *((name, breakdown.per_trait(predictions, name)) for name in traits)]
    return render(
        "run.html",
        version=__version__,
        run=str(run),
        name=run.resolve().name,
        model=short_name(config.target),
        images_of=short_name(config.data),
        date=_date(run, tuning),
        target=public(config.target),
        data=public(config.data),
        summary=summary,
        verdict=_verdict(summary),
        now=advice(summary, run, config),
        remarks=[
            text[0].upper() + text[1:]
            for text in (*no_score_texts(summary), *views_texts(summary), *summary.get("warnings", ()))
        ],
        free=free_threshold_sentence(summary),
        harmed=_harmed(tables),
        facts=(facts := _facts(summary, tuning, price)),
        facts_terms=[(name, meaning) for name, _, meaning in [*_terms(summary), *facts]],
        shown=Outcome.of(summary),
        percent=percent,
        steps=_steps(summary),
        curve=_curve(summary, predictions, marks),
        proof=_proof(summary, predictions),
        galleries=[] if images is None else run_pictures.galleries(predictions, tuning, images),
        lack=lack,
        tables=[_table(name, rows) for name, rows in tables],
        matrices=_matrices(predictions),
        histograms=_histograms(predictions, classes),
        effects=_effects(run, tuning, images),
        pictures=run_pictures.pictures(tuning),
        cost=_cost(summary, price),
        command=command(config),
        dashes=MARK_DASHES,
        versions=versions,
        digests=digests,
    )


def _terms(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    shown = Outcome.of(summary)
    if shown.is_accuracy:
        return list(TERMS)
    return [(shown.unit, "", shown.unit_meaning), *TERMS[1:]]


def _date(run: Path, tuning: Tuning) -> str:
    """When the run was finished."""
    # Files of earlier versions do not say so, but reports do not write the summary again.
    made = str(tuning.made.get("at", ""))
    day = datetime.fromisoformat(made) if made else datetime.fromtimestamp((run / "summary.json").stat().st_mtime)
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _verdict(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict as one number, its interval, and where both lie on a line with 0."""
    shown = Outcome.of(summary)
    low, high = shown.ci95
    points = shown.gain
    test = summary["accuracy"]["test"]
    tone, mark, word = {
        "improved": ("good", "✓", "Improved"),
        "worse": ("bad", "✗", "Worse"),
    }.get(summary["verdict"], ("open", "?", "Not proven"))
    rests = rests_on_no_score(summary)
    first, last = min(low, 0.0, points), max(high, 0.0, points)
    margin = 0.06 * (last - first) or 0.01
    first, last = first - margin, last + margin

    def place(value: float) -> str:
        return f"{100 * (value - first) / (last - first):.2f}%"

    return {
        "tone": "open" if rests else tone,
        "mark": mark,
        "word": word,
        "points": shown.change(points),
        "unit": shown.unit,
        "low": shown.change(low),
        "high": shown.change(high),
        "before": shown.shown(shown.before),
        "after": shown.shown(shown.after),
        "title": "" if shown.is_accuracy else shown.title[0].upper() + shown.title[1:],
        "accuracy": (percent(test["before"]), percent(test["after"])),
        "n": shown.n,
        "rests": rests[:1].upper() + rests[1:],
        "zero": place(0.0),
        "at": place(points),
        "from": place(low),
        "width": f"{100 * (high - low) / (last - first):.2f}%",
    }


def _steps(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Test accuracies from the unchanged model to what is kept, each with its place on a common scale."""
    shown = Outcome.of(summary)
    rows = [
        ("unchanged", "the model as it is", shown.before, False),
        ("free threshold", "only the decision is shifted, at no query", shown.threshold, False),
    ]
    if parts := shown.parts:
        if parts["output"] != shown.before:
            rows.append(("output map alone", "unchanged images, scores mapped to the labels", parts["output"], False))
        if parts["image"] not in (shown.before, shown.after):
            rows.append(("image change alone", "changed images, decided by the model itself", parts["image"], False))
    chosen = KEPT.get(str(summary.get("chosen")), str(summary.get("chosen")))
    if (count := summary.get("queries_per_image", 1)) > 1:
        chosen += f", {count} views of each image"
    rows.append(("kept", chosen, shown.after, True))
    levels = [level for _, _, level, _ in rows]
    low, high = min(levels), max(levels)
    margin = max(0.08 * (high - low), 0.01)
    # Shares lie between 0 and 1; costs may be less, if a decision earns something.
    low, high = max(min(0.0, low), low - margin), high + margin if shown.less_is_better else min(1.0, high + margin)
    return {
        "rows": [
            {
                "name": name,
                "note": note,
                "level": shown.shown(level),
                "kept": kept,
                "at": f"{100 * (level - low) / (high - low):.2f}%",
            }
            for name, note, level, kept in rows
        ],
        "low": f"{low:.3g}" if shown.less_is_better else f"{100 * low:.0f}%",
        "high": f"{high:.3g}" if shown.less_is_better else f"{100 * high:.0f}%",
        "share": "Share of the test images that are classified rightly."
        if shown.is_accuracy
        else f"{shown.title[0].upper()}{shown.title[1:]} on the test images. {shown.meaning}",
    }


def _harmed(tables: Sequence[tuple[str, Sequence[breakdown.Subset]]]) -> str:
    """The classes and groups that are surely worse off, in words; a long list is cut."""
    names = [f"{_one_line(row.name)} ({table})" for table, rows in tables for row in rows if row.word == "worse"]
    more = f" and {len(names) - MAX_HARMED} more" if len(names) > MAX_HARMED else ""
    return ", ".join(names[:MAX_HARMED]) + more


def _table(name: str, rows: Sequence[breakdown.Subset]) -> dict[str, Any]:
    """The rows of a breakdown; of a long one those that changed most, and all of them for who wants to see them."""
    shown = breakdown.listed(rows)
    return {"name": name, "rows": shown, "all": rows if len(rows) > len(shown) else []}


def _facts(summary: Mapping[str, Any], tuning: Tuning, price: float | None) -> list[tuple[str, str, str]]:
    """Name, value and explanation of what stands under the verdict."""
    queries, shown = summary["queries"], Outcome.of(summary)
    facts = [
        ("free threshold", shown.shown(shown.threshold), FREE_THRESHOLD),
        ("queries", f"{queries['total']:,} of {summary['budget']:,}", "Images scored, each of which may cost money."),
        (
            "McNemar's p",
            f"{summary['mcnemar_p']:.2g}",
            "Chance of so one-sided a change by luck alone.",
        ),
        *_metric_fact(summary, shown),
        ("space", summary["space"], "Which changes of an image were allowed."),
        ("estimator", summary["estimator"], "The method that searched for the change."),
    ]
    if calibrated := summary.get("calibrated"):
        name = f"{'' if shown.is_accuracy else 'accuracy, '}threshold fitted again"
        facts.insert(1, (name, percent(calibrated["test"]), "The change, with the decision shifted after it."))
    additive = all(isinstance(part, Additive) for part in change.parts(tuning.make_space()))
    if additive and summary["psnr_db"] is not None:
        facts.append(("PSNR", f"{summary['psnr_db']:.1f} dB", "How faint the change is: from 40 dB on, hardly seen."))
        facts.append(("SSIM", f"{summary['ssim']:.3f}", "How like the images stay to the eye; 1 is the same."))
    # Summaries of earlier versions have no such key.
    if any((missing := summary.get("no_score") or {}).values()):
        both = f"{missing['before']:,} and {missing['after']:,}"
        facts.append(("no score, before and after", both, "Test images without an answer; they count as wrong."))
    if (count := summary.get("queries_per_image", 1)) > 1:
        facts.append(("queries an image at use", str(count), "Each image is scored under several views."))
        if price is not None:
            facts.append(("paid an image at use", f"{price * count:g}", "The price of those queries."))
    if price is not None:
        facts.append(("paid", f"{price * queries['total']:,.2f}", "Price of one query times their number."))
    facts.append(("time", duration(summary["seconds"]), "Of the whole run."))
    return facts


def _metric_fact(summary: Mapping[str, Any], shown: Outcome) -> list[tuple[str, str, str]]:
    """Accuracy beside the metric that the run is judged by."""
    if shown.is_accuracy:
        return []
    test = summary["accuracy"]["test"]
    both = f"{percent(test['before'])} → {percent(test['after'])}"
    return [("judged by", shown.title, shown.meaning), ("accuracy", both, MEANINGS["accuracy"])]


def _curve(summary: Mapping[str, Any], predictions: Predictions, more: Mapping[str, float]) -> dict[str, Any] | None:
    chart = search_curve(predictions, summary, more)
    if chart is None:
        return None
    name = f"{next(iter(chart.series))} against tuning queries; the numbers are in the legend below."
    values = legend(chart)
    return {
        "svg": drawn(line_svg(chart, name[0].upper() + name[1:])),
        "series": values[: len(chart.series)],
        "marks": values[len(chart.series) :],
        "of_estimate": ESTIMATE in chart.series,
    }


def _proof(summary: Mapping[str, Any], predictions: Predictions) -> dict[str, Any]:
    """How many decisions changed; of a sequential proof its chart, and what it found in a sentence."""
    right = [decide(p) == predictions.labels for p in (predictions.before, predictions.after)]
    found: dict[str, Any] = {
        "mended": int((~right[0] & right[1]).sum()),
        "broken": int((right[0] & ~right[1]).sum()),
        "svg": "",
        "sentence": "",
    }
    if len(predictions.proof):
        shown = Outcome.of(summary)
        name = f"The gain of the images drawn so far, in {shown.unit}, and the interval that closes about it."
        text = proof_sentence(summary)
        found["svg"] = drawn(line_svg(proof_chart(predictions.proof, shown.unit, shown.factor), name))
        found["sentence"] = text[:1].upper() + text[1:]
    return found


def _matrices(predictions: Predictions) -> dict[str, Any]:
    before, after = (breakdown.confusion(p, predictions.labels) for p in (predictions.before, predictions.after))
    columns = [*predictions.classes, breakdown.NO_DECISION]
    if not (before[:, -1].any() or after[:, -1].any()):
        before, after, columns = before[:, :-1], after[:, :-1], columns[:-1]
    if len(predictions.classes) <= MAX_MATRIX_LABELS:
        pairs = (("before", before), ("after", after))
        shares = [(name, counts, counts / np.maximum(1, counts.sum(axis=1, keepdims=True))) for name, counts in pairs]
        return {
            "classes": predictions.classes,
            "columns": columns,
            "pairs": [(name, counts.tolist(), share.tolist()) for name, counts, share in shares],
            "moves": [],
        }
    moved: Ints = after - before
    np.fill_diagonal(moved, 0)
    order = np.argsort(-np.abs(moved), axis=None, kind="stable")[:MAX_MATRIX_LABELS]
    found = [divmod(int(at), len(columns)) for at in order]
    moves = [
        (columns[true], columns[taken], int(before[true, taken]), int(after[true, taken]))
        for true, taken in found
        if moved[true, taken]
    ]
    return {"classes": predictions.classes, "columns": columns, "pairs": [], "moves": moves}


def _histograms(predictions: Predictions, classes: Sequence[breakdown.Subset]) -> list[dict[str, Any]]:
    order = np.argsort([-abs(one.change) for one in classes], kind="stable")[:MAX_HISTOGRAMS]
    axes = Axes("probability of the true class", "share of its images")
    charts = []
    # Not every label has a test image.
    for label in sorted(predictions.classes.index(classes[at].name) for at in order):
        before, after = breakdown.histogram(predictions, label)
        name = f"Histogram of the probability of {predictions.classes[label]} on its own images, before and after."
        charts.append({"name": predictions.classes[label], "svg": drawn(bar_svg(before, after, axes, name))})
    return charts


def _effects(run: Path, tuning: Tuning, images: ImageBytes | Photos | None) -> dict[str, Any]:
    sample = card(tuning.shape)[None] if images is None else of_one_size(images, PSNR_IMAGES, tuning)
    gains = None
    path = run / "parts.json"
    if path.exists():
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            gains = [
                {"name": str(row["name"]), "test": float(row["accuracy"]), "ci95": [float(x) for x in row["ci95"]]}
                for row in document["rows"]
            ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} cannot be read: give 'bbdft evaluate {run} --parts' again.") from error
    return {"list": change.part_effects(tuning, sample), "gains": gains}


def _cost(summary: Mapping[str, Any], price: float | None) -> list[tuple[str, str, str]]:
    queries = summary["queries"]
    names = {
        "input": "finding the input form",
        "tune": "search",
        "select": "choice on validation images",
        "views": "choice of further views",
        "evaluate": "measuring on test images, before and after",
        "watch": "drift check",
        "in_doubt": "sent, and no response came",
    }
    always = ("tune", "select", "evaluate")
    rows = [(words, queries.get(key, 0)) for key, words in names.items() if queries.get(key, 0) or key in always]
    rows.append(("in all", queries["total"]))
    return [(words, f"{count:,}", "" if price is None else f"{count * price:,.2f}") for words, count in rows]


def _interval(ci95: Sequence[float]) -> str:
    return f"{100 * ci95[0]:+.1f} to {100 * ci95[1]:+.1f}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
