"""Links between pages, paths and dotted names in them lead somewhere."""

import importlib
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.helpers.markdown import PAGES, ROOT, anchors, name_of, prose

LINK = re.compile(r"\]\((?!https?://)([^)\s]+)\)")
DOTTED = re.compile(r"\bblackbox_dft(?:\.[A-Za-z_]\w*)+")
PATH = re.compile(r"`((?:blackbox_dft|benchmarks|tests|docs|examples|scripts)/[\w./-]*)`")
GROUPS = {f"blackbox_dft.{kind}" for kind in ("estimators", "spaces", "objectives", "targets", "layouts")}
"""Of entry points, which need not be modules."""

pages = pytest.mark.parametrize("page", PAGES, ids=name_of)


@pages
def test_relative_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for link in LINK.findall(prose(page)):
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


@pages
def test_dotted_names_can_be_imported(page: Path) -> None:
    missing = set() if find_spec("sklearn") else {"blackbox_dft.sklearn"}
    for dotted in sorted(set(DOTTED.findall(page.read_text(encoding="utf-8"))) - GROUPS - missing):
        found = importlib.import_module("blackbox_dft")
        for part, whole in _parts(dotted):
            if not hasattr(found, part):
                importlib.import_module(whole)
            found = getattr(found, part)


def _parts(dotted: str) -> list[tuple[str, str]]:
    parts = dotted.split(".")
    return [(part, ".".join(parts[: number + 1])) for number, part in enumerate(parts) if number]


@pages
def test_paths_exist(page: Path) -> None:
    assert not [path for path in PATH.findall(prose(page)) if not (ROOT / path).exists()]
