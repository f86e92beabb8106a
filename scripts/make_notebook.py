"""Writes ``examples/notebooks/tutorial.ipynb`` from ``docs/tutorial/ten-minutes.md``: python scripts/make_notebook.py.

Text stays text, commands and Python become cells; a test holds both files together.
"""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/tutorial/ten-minutes.md"
NOTEBOOK = ROOT / "examples/notebooks/tutorial.ipynb"
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.M | re.S)
NOT_RUN = re.compile(r"<!-- not run[^\n]*-->\n$")
LINK = re.compile(r"\[([^\]]*)\]\((?!https?:)[^)]*\)")


def cells(page: str) -> list[tuple[str, str]]:
    """Kind (``markdown`` or ``code``) and source of each cell."""
    found: list[tuple[str, str]] = []
    text, place = "", 0
    for block in BLOCK.finditer(page):
        text += page[place : block.start()]
        place = block.end()
        language, code = block[1], block[2].strip("\n")
        if NOT_RUN.search(text):
            text = NOT_RUN.sub("", text) + block[0]
            continue
        found.append(("markdown", text))
        text = ""
        if language == "python":
            found.append(("code", code))
        else:
            found.append(("code", f"%{code}" if code.startswith("cd ") else f"%%bash\n{code}"))
    found.append(("markdown", text + page[place:]))
    plain = [(kind, LINK.sub(r"\1", source).strip("\n") if kind == "markdown" else source) for kind, source in found]
    return [(kind, source) for kind, source in plain if source]


def notebook(page: str) -> str:
    """The notebook as the text of its file, without outputs."""
    document: dict[str, Any] = {
        "cells": [_cell(number, kind, source) for number, (kind, source) in enumerate(cells(page))],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _cell(number: int, kind: str, source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}}
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
    return cell | {"source": source.splitlines(keepends=True)}


if __name__ == "__main__":
    NOTEBOOK.write_text(notebook(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
