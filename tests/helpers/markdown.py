"""The pages for readers, and what tests look for in them: headings, links, fenced blocks."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("benchmarks/**/*.md"),
        *ROOT.glob("examples/**/*.md"),
    ]
)
FENCE = re.compile(
    r"(?:^<!-- not run[^\n]*?: (?P<reason>[^\n]*) -->\n)?^```(?P<language>\S*)\n(?P<text>.*?)^```$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    page: Path
    line: int
    language: str
    text: str
    reason: str | None
    """Why it is not run, by the comment before it."""


def name_of(page: Path) -> str:
    """The page as it is named from the root of the project."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """All fenced blocks, in their order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found["language"], found["text"], found["reason"])
        for found in FENCE.finditer(text)
    ]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors of its headings, as GitHub makes them.

    >>> sorted(_anchor(heading) for heading in ("What `inspect` measures", "A, b + c (k = 2), 5 / 6"))
    ['a-b--c-k--2-5--6', 'what-inspect-measures']
    """
    return {_anchor(heading) for heading in re.findall(r"^#+ (.+)$", prose(page), re.M)}


def section(page: Path, heading: str) -> str:
    """The text between a heading and the next one of its level or above, without fenced blocks."""
    level = len(heading) - len(heading.lstrip("#"))
    text = prose(page)
    start = text.index(f"\n{heading}\n") + len(heading) + 2
    end = re.compile(rf"^#{{1,{level}}} ", re.M).search(text, start)
    return text[start : end.start() if end else None]


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
