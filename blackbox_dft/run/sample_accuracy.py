"""What a few scored images say of accuracy, and which of the model's classes count for which label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from blackbox_dft._utils.types import Ints, Scores
from blackbox_dft.errors import InputError
from blackbox_dft.objectives.heads import split_heads
from blackbox_dft.objectives.losses import decide
from blackbox_dft.objectives.outputs import Kind, OutputDecoder, class_count_for, label_matrix
from blackbox_dft.targets.base import SeveralOutputs, Target


def sample_accuracy(
    raw: Scores, truth: Ints, labels: Sequence[str], target: Target, kind: Kind, table: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Accuracy of unchanged images, JSON-ready: ``label_mapping``, ``accuracy``; or a note why there is none.

    Args:
        raw: scores ``(N, K)`` of the images, as the target returned them.
        truth: labels ``(N,)``, indices into ``labels``.
        labels: the user's.
        target: whose scores they are.
        kind: what the scores are.
        table: classes for each label, as from ``parse_map``.
    """
    widths = target.head_widths if isinstance(target, SeveralOutputs) else ()
    own, _ = split_heads(raw, widths)
    count = class_count_for(own, kind, target.classes, labels)
    try:
        matrix = label_matrix(labels, target.classes, count, table)
    except InputError as error:
        return {"notes": [f"no accuracy: {error}"]}
    names = target.classes or tuple(map(str, range(count)))
    right = int((decide(OutputDecoder(kind, matrix)(own)) == truth).sum())
    return {
        "label_mapping": {
            label: [name for name, counts in zip(names, column, strict=True) if counts]
            for label, column in zip(labels, matrix.T, strict=True)
        },
        "accuracy": {"unchanged": right / len(truth), "right": right, "images": len(truth)},
    }
