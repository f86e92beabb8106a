"""Table of predictions, one row an image: label, probabilities, error; as CSV, JSON lines or Parquet."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blackbox_dft._utils.files import write_atomically
from blackbox_dft._utils.text import shortened
from blackbox_dft._utils.types import Floats
from blackbox_dft.errors import InputError
from blackbox_dft.objectives.losses import decide, lacks_score

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("file", "label", "probability", "no_score", "error")
"""Before those of the labels."""
SUFFIXES = (".csv", ".jsonl", ".parquet")
DIGITS = 6
"""Of a probability."""


def check_suffix(path: Path) -> None:
    """Checks that a table can be written to ``path``, before anything is paid for.

    Raises:
        InputError: its suffix is not known, or a library is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path} does not end in .csv, .jsonl or .parquet: rename it.")
    if suffix == ".parquet" and not importlib.util.find_spec("pyarrow"):
        raise InputError(f"{path} needs pyarrow: pip install 'blackbox-dft[parquet]', or write .csv or .jsonl.")


@dataclass(frozen=True, eq=False)
class PredictionTable:
    """Probabilities of L labels for N images.

    >>> import numpy as np
    >>> table = PredictionTable(("cat", "dog"), ("a.png", "b.png"), np.array([[0.2, 0.8], [np.nan, np.nan]]), ("", ""))
    >>> print(table.text(".csv").decode(), end="")
    file,label,probability,no_score,error,cat,dog
    a.png,dog,0.8,0,,0.2,0.8
    b.png,,,1,,,
    >>> table
    PredictionTable(2 images, labels cat, dog; to_pandas() has the rows)
    """

    labels: tuple[str, ...]
    files: tuple[str, ...]
    probabilities: Floats
    """``(N, L)``; NaN for an image without a score."""
    errors: tuple[str, ...]
    """Why an image could not be read; empty for the others."""

    def __repr__(self) -> str:
        labels = shortened(self.labels)
        return f"PredictionTable({len(self.files):,} images, labels {labels}; to_pandas() has the rows)"

    @cached_property
    def decided(self) -> tuple[str | None, ...]:
        """The label of each image; ``None`` without a score, or if all labels have the same probability."""
        if not len(self.files):
            return ()
        return tuple(self.labels[n] if n >= 0 else None for n in decide(self.probabilities).tolist())

    @cached_property
    def no_score(self) -> tuple[bool, ...]:
        """Whether the target returned no usable score for an image that was sent."""
        missing = lacks_score(self.probabilities).tolist()
        return tuple(lacks and not error for lacks, error in zip(missing, self.errors, strict=True))

    @property
    def label_columns(self) -> tuple[str, ...]:
        """Columns of the labels: their names, unless another column is called so."""
        return tuple(f"probability of {label}" if label in COLUMNS else label for label in self.labels)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each image as a dictionary, ``probabilities`` by label in it."""
        for number, file in enumerate(self.files):
            label, row = self.decided[number], self.probabilities[number].round(DIGITS).tolist()
            scored = row[0] == row[0]  # NaN
            yield {
                "file": file,
                "label": label,
                "probability": max(row) if label is not None else None,
                "no_score": self.no_score[number],
                "error": self.errors[number] or None,
                "probabilities": dict(zip(self.labels, row, strict=True)) if scored else None,
            }

    def to_pandas(self) -> pd.DataFrame:
        """The rows as a DataFrame, with a column for each label."""
        import pandas as pd

        rows = list(self.rows())
        frame = pd.DataFrame({name: [row[name] for row in rows] for name in COLUMNS})
        return frame.assign(**dict(zip(self.label_columns, self.probabilities.T.round(DIGITS), strict=True)))

    def text(self, suffix: str, *, header: bool = True) -> bytes:
        """The table as CSV, with its ``header`` or without, or for ``.jsonl`` as lines of JSON."""
        out = io.StringIO(newline="")
        if suffix == ".jsonl":
            for row in self.rows():
                out.write(json.dumps(row) + "\n")
        else:
            writer = csv.writer(out, lineterminator="\n")
            if header:
                writer.writerow([*COLUMNS, *self.label_columns])
            for row in self.rows():
                each = row["probabilities"] or {}
                cells = [row["file"], row["label"], row["probability"], int(row["no_score"]), row["error"]]
                writer.writerow([*cells, *(each.get(label) for label in self.labels)])
        # Names of files need not be UTF-8.
        return out.getvalue().encode(errors="surrogateescape")

    def write(self, path: str | Path) -> None:
        """Writes the table whole, or not at all, in the format that the suffix of ``path`` names.

        Raises:
            InputError: the suffix is not known, a library is not installed, or the file cannot be written.
        """
        path = Path(path)
        check_suffix(path)
        if path.suffix.lower() == ".parquet":
            write_atomically(path, lambda file: self.to_pandas().to_parquet(file))
        else:
            write_atomically(path, lambda file: file.write(self.text(path.suffix.lower())))

    def append(self, path: Path) -> None:
        """Adds the rows to a ``.csv`` or ``.jsonl`` that is new, or that ``recorded_files`` has read."""
        with path.open("ab") as file:
            file.write(self.text(path.suffix.lower(), header=not file.tell()))
            file.flush()
            os.fsync(file.fileno())


def recorded_files(path: Path, labels: Sequence[str]) -> set[str]:
    """The files that a table of these ``labels`` holds already; a row that a kill left unfinished is cut off.

    Raises:
        InputError: it is no such table.
    """
    if not path.exists():
        return set()
    try:
        with path.open("rb+") as file:
            data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            file.truncate(len(whole))
        lines = whole.decode(errors="surrogateescape").splitlines(keepends=True)
        if path.suffix.lower() == ".jsonl":
            rows = [json.loads(line) for line in lines]
        else:
            reader = csv.DictReader(lines)
            rows = list(reader)
            header = [*COLUMNS, *PredictionTable(tuple(labels), (), np.zeros((0, len(labels))), ()).label_columns]
            if lines and reader.fieldnames != header:
                raise ValueError(f"its columns are not {', '.join(header)}")
        return {str(row["file"]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} holds no predictions of this run ({error}): take another name.") from error
