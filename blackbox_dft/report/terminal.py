"""The verdict of a run as lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blackbox_dft.report.advice import advice
from blackbox_dft.report.outcome import Outcome, accuracy_beside
from blackbox_dft.run.config import Config

ADDITIVE = ("pixel", "tanh", "dct", "grid")
"""Spaces that only add to pixels: PSNR and SSIM say nothing of images that are moved or toned."""
RESULT_FILES = ("report.html", "tuning.npz", "summary.json", "contact.png", "curve.png")


def verdict_lines(
    summary: dict[str, Any], out: Path | None = None, price: float | None = None, config: Config | None = None
) -> list[str]:
    """The lines of ``summary``, the verdict first.

    Args:
        summary: of a run.
        out: its folder, for the files in it and what to do next.
        price: of one image scored.
        config: of the run, for what to do next.
    """
    shown, queries = Outcome.of(summary), summary["queries"]
    beside = f"; {text}" if (text := accuracy_beside(summary)) else ""
    rests = f"; {text}" if (text := rests_on_no_score(summary)) else ""
    cost = f", {queries['total'] * price:.2f} paid" if price is not None else ""
    # Summaries of earlier versions have no "watch" and no "views".
    drift = f", {queries['watch']:,} drift check" if queries.get("watch") else ""
    views = f", {queries['views']:,} views" if queries.get("views") else ""
    doubt = f", {queries['in_doubt']:,} in doubt" if queries["in_doubt"] else ""
    found = f"{queries['input']:,} input, " if queries.get("input") else ""
    lines = [
        f"{summary['verdict']}: test {shown.title} {shown.level(shown.before)} -> {shown.level(shown.after)} "
        f"({shown.change(shown.gain)} {shown.unit}, 95 %: {shown.interval(shown.ci95)}{beside}; "
        f"{shown.n:,} images){rests}",
        *_proof(summary),
        # Summaries of earlier versions have no such key.
        *([f"  input: {summary['input']['sentence']}"] if summary.get("input") else []),
        *(f"  {text}" for text in no_score_texts(summary)),
        f"  free threshold shift: {shown.level(shown.threshold)}; {_against_threshold(summary)}",
        *_calibrated(summary),
        *_image_and_output(summary),
        *_parts(summary),
        f"  kept: {summary['chosen']}; McNemar p = {summary['mcnemar_p']:.2g}{_likeness(summary)}",
        f"  queries: {queries['total']:,} of {summary['budget']:,} ({found}{queries['tune']:,} tune, "
        f"{queries['select']:,} select{views}, {queries['evaluate']:,} evaluate{drift}{doubt}; "
        f"{queries['cached']:,} free from the ledger)"
        f"{cost}",
        *(f"  {text}" for text in views_texts(summary, price)),
        *_stopped(summary),
        *(f"  warning: {text}" for text in summary.get("warnings", ())),
        f"  {summary['seconds']:.1f} s{_rate(summary)}",
    ]
    if out is not None:
        written = [name for name in RESULT_FILES if (out / name).exists()]
        lines.append(f"  written: {out}/{', '.join(written)}")
        lines.append(f"  now: {advice(summary, out, config)}")
    return lines


def _rate(summary: Mapping[str, Any]) -> str:
    """Nothing if all scores were taken from the ledger."""
    return f", {rate:,.0f} images/s" if (rate := summary["images_per_second"]) else ""


def is_additive(space: str) -> bool:
    """Whether all parts of a space only add to pixels, so that it means something how like images stay.

    >>> is_additive("dct:8"), is_additive("affine+color+dct:8")
    (True, False)
    """
    return all(part.partition(":")[0].strip() in ADDITIVE for part in space.split("+"))


def _likeness(summary: Mapping[str, Any]) -> str:
    if summary["psnr_db"] is None or not is_additive(summary["space"]):
        return ""
    return f"; psnr {summary['psnr_db']:.1f} dB, ssim {summary['ssim']:.3f}"


def free_threshold_sentence(summary: Mapping[str, Any]) -> str:
    """How the tuning stands to the free threshold, the decision shifted without a query, as a sentence."""
    shown = Outcome.of(summary)
    over, (low, high) = shown.over_threshold, shown.threshold_ci95
    free, interval = shown.shown(shown.threshold), f"95 %: {shown.interval(shown.threshold_ci95)}"
    if high >= 0 and shown.worse_than_before(shown.threshold):
        # To beat what harms is no merit, and to do as well as that is none of the threshold.
        return f"The free threshold does not help: {free} with it, {shown.shown(shown.before)} before"
    if low > 0:
        return f"It beats the free threshold ({free}) by {shown.amount(over)} {shown.unit} ({interval})"
    if high < 0:
        above = "more saved an image than by" if shown.less_is_better else "points above"
        more = f"{shown.amount(over)} {above} the change"
        return (
            f"The free threshold is better: {free}, {more} (95 %: {shown.interval((-high, -low))}), and it costs no "
            "query"
        )
    return f"The free threshold ({free}) does as well within the error ({shown.change(over)} {shown.unit}, {interval})"


def _against_threshold(summary: Mapping[str, Any]) -> str:
    shown = Outcome.of(summary)
    low, high = shown.threshold_ci95
    over, interval = f"{shown.change(shown.over_threshold)} {shown.unit}", f"95 %: {shown.interval((low, high))}"
    if high >= 0 and shown.worse_than_before(shown.threshold):
        return f"it does not help, {shown.level(shown.before)} before (the tuning is {over} from it, {interval})"
    if low > 0:
        return f"the tuning beats it by {shown.amount(shown.over_threshold)} {shown.unit} ({interval})"
    if high < 0:
        return f"it is better than the tuning, which is {over} from it ({interval})"
    return f"the tuning does not clearly beat it ({over}, {interval})"


def rests_on_no_score(summary: Mapping[str, Any]) -> str:
    """Says so if the verdict is another one for the images with a score before and after; else empty."""
    shown = Outcome.of(summary)
    if not (scored := shown.scored):
        return ""
    low, high = scored["ci95"]
    if {"improved": low > 0, "worse": high < 0}.get(summary["verdict"], True):
        return ""
    gained = summary["verdict"] == "improved"
    return (
        f"this comes from images that {'had no score before' if gained else 'lost their score'}: "
        f"of the {scored['n']:,} with a score before and after, {shown.level(scored['before'])} -> "
        f"{shown.level(scored['after'])} (95 %: {shown.interval(scored['ci95'])})"
    )


def no_score_texts(summary: Mapping[str, Any]) -> list[str]:
    """How many test images have no score, if any."""
    # Summaries of earlier versions have no such key.
    found = summary.get("no_score") or {"before": 0, "after": 0}
    if not any(found.values()):
        return []
    n = summary["accuracy"]["test"]["n"]
    return [f"no score: {found['before']:,} of {n:,} test images before, {found['after']:,} after; they count as wrong"]


def views_texts(summary: Mapping[str, Any], price: float | None = None) -> list[str]:
    """Under which views an image is scored at use, and what that costs, if there are several."""
    # Summaries of earlier versions have no such key.
    if (count := summary.get("queries_per_image", 1)) == 1:
        return []
    cost = f", {count * price:g} an image" if price is not None else ""
    return [f"at use: {count} queries an image{cost} (views: {', '.join(summary['views'])})"]


def _calibrated(summary: dict[str, Any]) -> list[str]:
    # Summaries of earlier versions have no such key.
    if not (calibrated := summary.get("calibrated")):
        return []
    points = 100 * (calibrated["test"] - summary["threshold"]["test"])
    accuracy = "" if Outcome.of(summary).is_accuracy else "accuracy "
    return [
        f"  {accuracy}with the threshold fitted again: {calibrated['test']:.3f}, {points:+.1f} points (95 %: "
        f"{_interval(calibrated['ci95'])}) over the free threshold alone"
    ]


def _stopped(summary: dict[str, Any]) -> list[str]:
    # Summaries of earlier versions have no such key.
    early = summary.get("stopped_early")
    return ["  the search stopped early: going on promised less than it costs"] if early else []


def proof_sentence(summary: Mapping[str, Any]) -> str:
    """What the sequential proof found, as a sentence without its end; empty if there was none."""
    # Summaries of earlier versions have no such key.
    proof = summary.get("proof") or {}
    if proof.get("method") != "betting":
        return ""
    shown = Outcome.of(summary)
    if proof["decided_at"] is not None:
        word = "gain" if proof["verdict"] == "improved" else "loss"
        found = f"the {word} was decided after {proof['decided_at']:,} of {proof['n']:,} draws"
    else:
        low, high = map(shown.change, proof["ci95"])
        found = f"undecided after {proof['n']:,} draws: the gain lies between {low} and {high} {shown.unit}"
    return f"{found}; the interval is valid whenever one stops (e-value {proof['e_value']:.3g})"


def _proof(summary: dict[str, Any]) -> list[str]:
    return [f"  proof: {text}"] if (text := proof_sentence(summary)) else []


def _image_and_output(summary: dict[str, Any]) -> list[str]:
    """What the change of images and the output map do apart; nothing for summaries of earlier versions."""
    shown = Outcome.of(summary)
    if not (parts := shown.parts) or parts["output"] == shown.before == parts["both"]:
        return []
    image, output, both = (shown.level(parts[name]) for name in ("image", "output", "both"))
    return [f"  image change alone: {image}; output map alone, on unchanged images: {output}; as kept: {both}"]


def _parts(summary: dict[str, Any]) -> list[str]:
    # Summaries of earlier versions have the list under another name.
    parts, shown = summary.get("space_parts") or [], Outcome.of(summary)
    shares = (f"{part['part']} {shown.change(part['gain'])} ({shown.interval(part['ci95'])})" for part in parts)
    what = "saving" if shown.less_is_better else "points"
    return [f"  each part's {what}, by leaving it out, on val: {', '.join(shares)}"] if parts else []


def _interval(ci95: Sequence[float]) -> str:
    return f"{100 * ci95[0]:+.1f} to {100 * ci95[1]:+.1f}"
