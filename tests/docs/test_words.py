"""The words of the project: some do not occur, others have one meaning (CONTRIBUTING.md, "The words")."""

import re
from pathlib import Path

import pytest

from tests.helpers.markdown import PAGES, ROOT, name_of

NOWHERE = re.compile(r"\b(nobody|somebody|everybody|whoever|anew|gladly|canary|canaries)\b", re.I)
ESTIMATORS_ONLY = re.compile(r"\b(hears?|heard|told)\b", re.I)
"""Losses are told to an estimator, by the loop of the search, and to nothing else."""
ALLOWED = (
    "blackbox_dft/estimators/",
    "blackbox_dft/search/",
    "benchmarks/own_time.py",
    "benchmarks/peer_adapters.py",
    "docs/reference/estimators/",
    "docs/research/query_efficiency.md",
)
ROOMS = sorted(path.name for path in (ROOT / "blackbox_dft").iterdir() if path.is_dir() and path.name != "__pycache__")
SUFFIXES = {".py", ".html", ".toml", ".md"}


def texts(folder: Path, pattern: str = "**/*") -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if path.suffix in SUFFIXES)


def faults(files: list[Path]) -> list[str]:
    found = []
    for path in files:
        name = name_of(path)
        patterns = [NOWHERE] if name.startswith(ALLOWED) else [NOWHERE, ESTIMATORS_ONLY]
        # The table of words names them.
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if name == "CONTRIBUTING.md" and line.startswith("| "):
                continue
            found += [f"{name}:{number}: {match[0]}" for one in patterns for match in one.finditer(line)]
    return found


@pytest.mark.parametrize("room", ["", *ROOMS])
def test_words_of_the_package(room: str) -> None:
    folder = ROOT / "blackbox_dft"
    assert not faults(texts(folder / room) if room else texts(folder, "*"))


def test_words_of_the_pages() -> None:
    assert not faults(PAGES)


def test_words_of_benchmarks_and_examples() -> None:
    assert not faults([*texts(ROOT / "benchmarks"), *texts(ROOT / "examples")])
