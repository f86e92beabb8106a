"""The site in a browser: no message, nothing wider than the screen, no outside request, no serious finding of axe-core.

Skipped without Chromium or the packages of ``pip install -e '.[docs,test-pages]'``.
"""

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
VIEWS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]
CLOSELY = ("index.html", "tutorial/ten-minutes.html", "reference/api.html", "reference/files.html")
"""Pages that axe-core looks at: one of each kind."""
WIDE = """() => [
    ...(document.documentElement.scrollWidth > innerWidth ? ["the page"] : []),
    ...[...document.querySelectorAll("article *")]
        .filter(e => !e.closest(".md-typeset__scrollwrap, pre") && e.getBoundingClientRect().right > innerWidth + 1)
        .map(e => e.outerHTML.slice(0, 120)),
]"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and prints nothing."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync = pytest.importorskip("playwright.sync_api", reason="needs pip install -e '.[docs,test-pages]'")
    pytest.importorskip("axe_playwright_python", reason="needs pip install -e '.[docs,test-pages]'")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("there is no Chromium")
    with sync.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_pages_as_a_reader_sees_them(browser: Any, address: str, site: Path, width: int, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    seen: list[str] = []
    with browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme) as context:
        tab = context.new_page()
        tab.on("console", lambda m: seen.append(m.text) if m.type in ("error", "warning") else None)
        tab.on("pageerror", lambda error: seen.append(str(error)))
        tab.on("request", lambda r: None if r.url.startswith((address, "data:", "blob:")) else seen.append(r.url))
        for page in sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html")):
            tab.goto(address + page, wait_until="networkidle" if page in CLOSELY else "load")
            found = tab.evaluate(WIDE)
            if page in CLOSELY:
                report = Axe().run(tab).response["violations"]
                found += [one["id"] for one in report if one["impact"] in ("serious", "critical")]
            seen += [f"{page}: {one}" for one in found]
    assert seen == []
