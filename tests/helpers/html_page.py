"""A reader of the reports' HTML pages."""

import re
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "img", "br", "line", "path", "use", "rect", "stop"}


class Page(HTMLParser):
    """Elements, addresses and text of a page; fails if tags do not close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "action", "srcset", "data"):
                self.addresses.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["style"], []):
            self.texts.append(data)


def read_page(path: Path) -> Page:
    """The page at ``path``, which must be self-contained, without scripts and below 2 MB."""
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) < 2_000_000
    page = Page(text)
    assert "script" not in page.tags
    assert page.handlers == []
    # Nothing leaves the page: pictures are inside it, and drawings refer to their own parts.
    assert all(address.startswith(("data:image/", "#")) for address in page.addresses), page.addresses
    assert not re.findall(r"url\((?!#|&quot;#|\"#)", text)
    assert "default-src 'none'" in text
    return page
