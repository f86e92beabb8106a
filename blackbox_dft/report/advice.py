"""What to do with a finished run: one sentence, and the command for it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from blackbox_dft.report.outcome import gain_of
from blackbox_dft.run.config import Config
from blackbox_dft.run.provenance import command, public


@dataclass(frozen=True)
class Advice:
    """What to do now."""

    sentence: str
    """Without its end."""
    command: str

    def __str__(self) -> str:
        return f"{self.sentence}: {self.command}"


def advice(summary: Mapping[str, Any], run: Path | str, config: Config | None = None) -> Advice:
    """What to do now with the run in the folder ``run``, by its verdict.

    >>> summary = {"verdict": "improved", "target": "model.onnx"}
    >>> str(advice(summary, "run"))
    'Put the change and the model into one file: bbdft export run tuned.onnx --fuse model.onnx'

    Args:
        summary: of the run.
        run: its folder, for the command.
        config: of the run; without it commands name DATA where they need it.
    """
    target = str(summary["target"])
    is_file = target.lower().endswith(".onnx")
    fused = config is None or config.path != "array"
    if summary["verdict"] == "improved":
        if is_file and fused:
            words = ["export", str(run), "tuned.onnx", "--fuse", target]
            return _advice("Put the change and the model into one file", *words)
        return _advice("Label new images with it", "predict", str(run), "IMAGES", "--out", "labels.csv")
    # Summaries of earlier versions have no proof.
    proof = summary.get("proof") or {}
    open_proof = proof.get("method") == "betting" and proof.get("decided_at") is None
    gained = gain_of(summary) > 0
    if summary["verdict"] != "worse" and (open_proof or gained):
        why = "Not proven is not refuted; a larger budget" if gained else "Undecided; a larger budget"
        longer = "searches longer, more labelled images prove smaller gains"
        what = "scores more held-out images" if open_proof else longer
        return _advice(f"{why} {what}", "resume", str(run), "--budget", str(2 * int(summary["budget"])))
    if summary["verdict"] != "worse" and summary["accuracy"]["test"]["before"] == 1:
        harder = "All test images are right as they are; measure images that are not"
        return _advice(harder, "evaluate", str(run), "--data", "DATA", "--split", "all")
    begin = "Leave the images as they are" if summary["verdict"] == "worse" else "Nothing was found that helps"
    if is_file:
        words = ["inspect", target, "--data", "DATA" if config is None else config.data, "--find-input"]
        if config and config.label:
            words += ["--label", config.label]
        return _advice(f"{begin}; see whether the model is fed as it was trained", *words)
    if config is None:
        return _advice(
            f"{begin}; a larger budget may find more", "resume", str(run), "--budget", str(2 * summary["budget"])
        )
    wider = command(replace(config, space="auto", path="auto", budget=2 * config.budget), f"{run}-2")
    return Advice(f"{begin}; a wider space and a larger budget may find more", wider)


def _advice(sentence: str, *words: str) -> Advice:
    return Advice(sentence, shlex.join(["bbdft", *map(public, words)]))
