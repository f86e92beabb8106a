"""The verdict of a run as lines for a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

RESULT_FILES = ("report.html", "tuning.npz", "summary.json", "contact.png", "curve.png")


def verdict_lines(summary: dict[str, Any], out: Path | None = None, price: float | None = None) -> list[str]:
    """The lines of ``summary``, the verdict first; with the files in ``out`` and the cost at ``price``, if given."""
    test, threshold, queries = summary["accuracy"]["test"], summary["threshold"], summary["queries"]
    low, high = (100 * x for x in test["ci95"])
    points = 100 * (test["after"] - test["before"])
    against = 100 * (test["after"] - threshold["test"])
    if summary["beats_threshold"]:
        beside = f"the tuning beats it by {against:.1f} points (95 %: {_interval(threshold['ci95'])})"
    else:
        beside = f"the tuning does not clearly beat it ({against:+.1f} points, 95 %: {_interval(threshold['ci95'])})"
    cost = f", {queries['total'] * price:.2f} paid" if price is not None else ""
    doubt = f", {queries['in_doubt']:,} in doubt" if queries["in_doubt"] else ""
    likeness = f"ssim {summary['ssim']:.3f}"
    if summary["psnr_db"] is not None:
        likeness = f"psnr {summary['psnr_db']:.1f} dB, {likeness}"
    lines = [
        f"{summary['verdict']}: test accuracy {test['before']:.3f} -> {test['after']:.3f} "
        f"({points:+.1f} points, 95 %: {low:+.1f} to {high:+.1f}; {test['n']:,} images)",
        f"  free threshold shift: {threshold['test']:.3f}; {beside}",
        *_calibrated(summary),
        *_image_and_output(summary),
        *_parts(summary),
        f"  kept: {summary['chosen']}; McNemar p = {summary['mcnemar_p']:.2g}; {likeness}",
        f"  queries: {queries['total']:,} of {summary['budget']:,} ({queries['tune']:,} tune, {queries['select']:,} "
        f"select, {queries['evaluate']:,} evaluate; {queries['cached']:,} free from the ledger{doubt}){cost}",
        *_stopped(summary),
        f"  {summary['seconds']:.1f} s, {summary['images_per_second']:,.0f} images/s",
    ]
    if out is not None:
        written = [name for name in RESULT_FILES if (out / name).exists()]
        lines.append(f"  written: {out}/{', '.join(written)}")
        lines.append(f"  next: bbdft apply {out} IMAGES CHANGED")
    return lines


def _calibrated(summary: dict[str, Any]) -> list[str]:
    # Summaries of earlier versions have no such key.
    if not (calibrated := summary.get("calibrated")):
        return []
    points = 100 * (calibrated["test"] - summary["threshold"]["test"])
    return [
        f"  with the threshold fitted again: {calibrated['test']:.3f}, {points:+.1f} points (95 %: "
        f"{_interval(calibrated['ci95'])}) over the free threshold alone"
    ]


def _stopped(summary: dict[str, Any]) -> list[str]:
    # Summaries of earlier versions have no such key.
    early = summary.get("stopped_early")
    return ["  the search stopped early: going on promised less than 0.4 points"] if early else []


def _image_and_output(summary: dict[str, Any]) -> list[str]:
    """What the change of images and the output map do apart; nothing for summaries of earlier versions."""
    parts = summary.get("parts")
    if not isinstance(parts, dict) or parts["output"] == summary["accuracy"]["test"]["before"] == parts["both"]:
        return []
    return [
        f"  image change alone: {parts['image']:.3f}; output map alone, on unchanged images: {parts['output']:.3f}; "
        f"as kept: {parts['both']:.3f}"
    ]


def _parts(summary: dict[str, Any]) -> list[str]:
    # Summaries of earlier versions have the list under another name.
    parts = summary.get("space_parts") or []
    shares = (f"{part['part']} {100 * part['gain']:+.1f} ({_interval(part['ci95'])})" for part in parts)
    return [f"  each part's points, by leaving it out, on val: {', '.join(shares)}"] if parts else []


def _interval(ci95: list[float]) -> str:
    return f"{100 * ci95[0]:+.1f} to {100 * ci95[1]:+.1f}"
