"""A page of tables, in the frame of the package's reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from blackbox_dft.report.html import render
from blackbox_dft.version import __version__


@dataclass(frozen=True)
class Table:
    """A table as it is shown; the first column names its rows."""

    title: str
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    best: frozenset[tuple[int, str]] = frozenset()
    """Cells in bold: number of the column, name of the row."""


def tables_page(
    title: str, answer: str, facts: Sequence[tuple[str, str]], tables: Sequence[Table], notes: Sequence[str] = ()
) -> str:
    """One HTML file that needs nothing else: the result in a sentence, facts, tables, and how it was measured."""
    values = {"title": title, "answer": answer, "facts": facts, "tables": tables, "notes": notes}
    return render("tables.html", Path(__file__).parent, version=__version__, **values)
