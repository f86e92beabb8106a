"""Troubleshooting: what it quotes is what the package says."""

import ast
import re
from functools import cache
from itertools import pairwise

import pytest

from tests.helpers.markdown import ROOT

PAGE = (ROOT / "docs/how-to/troubleshooting.md").read_text(encoding="utf-8")
QUOTED = [*re.findall(r"\*\*`([^`]+)`\*\*", PAGE), *re.findall(r'^### "(.*)"$', PAGE, re.MULTILINE)]
EXAMPLE = re.compile(r"\S*[0-9'\"(=_/]\S*|\.\.\.")
"""Words of a quoted message that stand for others."""
MIN_SHARE = 0.6
"""Of the pairs of words in a row that must be found; messages are put together from parts."""


@cache
def said() -> str:
    """All texts in the package's code, with gaps where something is filled in."""
    texts = []
    for path in (ROOT / "blackbox_dft").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "\0" for part in node.values)
                texts.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\1".join(texts)


@pytest.mark.parametrize("quoted", QUOTED)
def test_what_is_quoted_is_said(quoted: str) -> None:
    runs = [run.replace(":", "").split() for run in EXAMPLE.split(quoted)]
    pairs = [" ".join(pair) for run in runs for pair in pairwise(run)] or [word for run in runs for word in run]
    assert sum(pair.strip(",") in said() for pair in pairs) >= MIN_SHARE * len(pairs)
