"""Costs of decisions, ``costs[true label][decided label]``: read from CSV or JSON, and written into one line."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from blackbox_dft._utils.types import Floats
from blackbox_dft.errors import InputError

EXAMPLE = 'cost:{"ill": {"ill": 0, "well": 5}, "well": {"ill": 1, "well": 0}}'


def read_costs(source: str, labels: Sequence[str]) -> Floats:
    """Costs ``(L, L)`` of each decision (column) for images of each true label (row), in the order of ``labels``.

    Args:
        source: a CSV file whose header names the decided labels, and whose first column the true ones; a JSON file with
            an object of objects, ``{true: {decided: cost}}``; or the text of such an object.
        labels: names of all labels ``(L,)``.

    >>> read_costs('{"ill": {"ill": 0, "well": 5}, "well": {"ill": 1, "well": 0}}', ["ill", "well"])
    array([[0., 5.],
           [1., 0.]])

    Raises:
        InputError: it cannot be read, lacks a label, has another one, or a cost is no finite number.
    """
    inline = source.startswith("{")
    where = "--metric cost" if inline else f"--metric cost:{source}"
    rows = _json(source, where) if inline else _file(Path(source), where)
    _require_labels(rows, labels, where, "row")
    costs = np.zeros((len(labels), len(labels)))
    for i, true in enumerate(labels):
        _require_labels(rows[true], labels, where, f"column in the row {true!r}")
        for j, decided in enumerate(labels):
            costs[i, j] = _number(rows[true][decided], true, decided, where)
    if bool((costs == costs[:, :1]).all()):
        raise InputError(f"{where}: all decisions cost the same, so that none is better: give other costs.")
    return costs


def costs_text(costs: Floats, labels: Sequence[str]) -> str:
    """Costs ``(L, L)`` as a text that ``read_costs`` reads, so that a run needs the file no more.

    >>> costs_text(np.array([[0, 5], [1, 0.5]]), ["ill", "well"])
    '{"ill": {"ill": 0, "well": 5}, "well": {"ill": 1, "well": 0.5}}'
    """
    plain = [[int(cost) if float(cost).is_integer() else cost for cost in row] for row in costs.tolist()]
    return json.dumps({true: dict(zip(labels, row, strict=True)) for true, row in zip(labels, plain, strict=True)})


def _file(path: Path, where: str) -> Mapping[str, Mapping[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise InputError(
            f"{where} cannot be read ({reason}): give a CSV with a row a true label and a column a decision, or JSON."
        ) from error
    if path.suffix.lower() == ".json" or text.lstrip().startswith("{"):
        return _json(text, where)
    lines = [line for line in csv.reader(text.splitlines()) if any(cell.strip() for cell in line)]
    if len(lines) < 2:
        raise InputError(
            f"{where} has no rows: its first line names the decided labels, and each other one a true label."
        )
    header = [cell.strip() for cell in lines[0][1:]]
    rows: dict[str, Mapping[str, Any]] = {}
    for line in lines[1:]:
        true = line[0].strip()
        if len(line) - 1 != len(header):
            raise InputError(
                f"{where}: the row {true!r} has {len(line) - 1} costs, and the header names {len(header)} labels: give "
                "one cost a label."
            )
        if true in rows or len(set(header)) < len(header):
            raise InputError(f"{where} names a label twice: give each one row and one column.")
        rows[true] = dict(zip(header, line[1:], strict=True))
    return rows


def _json(text: str, where: str) -> Mapping[str, Mapping[str, Any]]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InputError(f"{where} is not JSON ({error}): give {EXAMPLE}, or a file of that.") from error
    if not isinstance(found, dict) or not all(isinstance(row, dict) for row in found.values()):
        raise InputError(f"{where} must be an object of objects, {{true: {{decided: cost}}}}: give {EXAMPLE}.")
    return found


def _require_labels(found: Mapping[str, Any], labels: Sequence[str], where: str, what: str) -> None:
    if missing := [label for label in labels if label not in found]:
        raise InputError(f"{where} has no {what} for the label {missing[0]!r}: add it.")
    if more := [name for name in found if name not in labels]:
        listed = ", ".join(labels[:8]) + (" ..." if len(labels) > 8 else "")
        raise InputError(
            f"{where} has a {what} for {more[0]!r}, which is no label of the data ({listed}): leave it out."
        )


def _number(value: Any, true: str, decided: str, where: str) -> float:
    try:
        cost = float("" if isinstance(value, bool) else value)
    except (TypeError, ValueError):
        cost = math.nan
    if not math.isfinite(cost):
        raise InputError(
            f"{where}: the cost of {decided!r} for {true!r} is {value!r}, not a number: give a finite one."
        )
    return cost
