"""Pages in a browser: no message, nothing wider than the screen, no request, no barrier that axe-core calls serious.

Skipped without Chromium or the packages of ``pip install -e '.[test-pages]'``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.tables import Table, tables_page
from blackbox_dft._utils.types import Floats, ImageBytes
from blackbox_dft.report.run_report import write_run_report
from tests.conftest import Bbdft
from tests.helpers.hostile import write_hostile
from tests.helpers.predictions import with_answers

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTHS = (1280, 390)
SCHEMES = ("light", "dark")
WIDE = """() => [
    ...(document.documentElement.scrollWidth > innerWidth ? ["the page"] : []),
    ...[...document.querySelectorAll("body *")]
        .filter(e => !e.closest(".scroll, svg") && e.getBoundingClientRect().right > innerWidth + 1)
        .map(e => e.outerHTML.slice(0, 120)),
]"""


@dataclass(frozen=True)
class Seen:
    """What a browser shows of a page."""

    messages: tuple[str, ...]
    """Errors and warnings on the console, exceptions, dialogs."""
    requests: tuple[str, ...]
    """Addresses beyond its own, also of those that its content policy would have stopped."""
    wide: tuple[str, ...]
    """Elements that reach beyond the screen, but for those in a box that scrolls by itself."""
    barriers: tuple[str, ...]
    """Findings that axe-core calls serious or critical."""


def blind(images: ImageBytes) -> Floats:
    """Scores that are the same for every image."""
    return np.tile([0.6, 0.4], (len(images), 1))


def look(browser: Browser, page: Path, width: int, scheme: str) -> Seen:
    """Opens ``page`` and all that folds in it, and again without its content policy, which would keep axe-core out."""
    from axe_playwright_python.sync_playwright import Axe

    messages: list[str] = []
    requests: list[str] = []
    wide: list[str] = []
    barriers: list[str] = []
    for free in (False, True):
        options = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme, "bypass_csp": free}
        with browser.new_context(**options) as context:  # type: ignore[arg-type]
            tab = context.new_page()
            tab.on("console", lambda m: messages.append(m.text) if m.type in ("error", "warning") else None)
            tab.on("pageerror", lambda error: messages.append(str(error)))
            tab.on("dialog", lambda dialog: (messages.append(dialog.message), dialog.dismiss()))
            tab.on("request", lambda request: requests.append(request.url))
            tab.goto(page.as_uri())
            tab.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
            if not free:
                wide += tab.evaluate(WIDE)
                continue
            found = Axe().run(tab).response["violations"]
            barriers += [
                f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:160]}"
                for one in found
                if one["impact"] in ("serious", "critical")
            ]
    away = [url for url in requests if url != page.as_uri() and not url.startswith("data:")]
    return Seen(tuple(messages), tuple(away), tuple(wide), tuple(barriers))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    reason = "needs pip install -e '.[test-pages]'"
    playwright = pytest.importorskip("playwright.sync_api", reason=reason)
    pytest.importorskip("axe_playwright_python", reason=reason)
    if (chromium := next(filter(None, map(shutil.which, NAMES)), None)) is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        with driver.chromium.launch(executable_path=chromium, args=flags) as opened:
            yield opened


@pytest.fixture(scope="module")
def pages(
    browser: Browser, bbdft: Bbdft, tiny: Path, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Pages of runs on faces, of many kinds, with names that are all markup; of a comparison; of tables."""
    folder = tmp_path_factory.mktemp("pages")
    faces = [shared / "models/age_gender_faceapi.onnx", "--data", shared / "data/lfw/labels_gender.csv"]
    space = ["--space", "affine+color+dct:8"]
    bbdft("optimize", *faces, *space, "--budget", 3500, "--out", folder / "run", code=0)
    experiment = [tiny / "model.onnx", "--data", tiny / "labels.csv", "--budgets", "200,400,2000", "--seeds", 2]
    variants = ["--estimator", "nes", "--estimator", "spsa", "--space", "affine", "--space", "color"]
    bbdft("compare", *experiment, *variants, "--out", folder / "compare", "--processes", 1, code=0)
    words = write_hostile(tiny, folder / "a<b>&'\"c")
    bbdft(*words, "--space", "color+dct:2", "--budget", 600, "--out", folder / "hostile", code=0)
    job = [tiny / "model.onnx", "--data", tiny / "labels.csv"]
    sequential = ["--space", "affine+color", "--views", 2, "--evaluate", "enough", "--budget", 900]
    bbdft("optimize", *job, *sequential, "--out", folder / "sequential", code=0)
    # A model that does not look at the images: nothing is found.
    blind = ["tests.report.test_pages:blind", "--data", tiny / "labels.csv", "--model-classes", "dark,bright"]
    more = ["--size", 16, "--space", "dct:2", "--budget", 700]
    bbdft("optimize", *blind, *more, "--out", folder / "useless", code=0)
    write_run_report(with_answers(folder / "sequential", folder / "many", 1000))
    markup = "<b onclick=alert(1)>&'\"</b>"
    rows = [[f"{markup} {number}", *(f"{number}.{place:03}" for place in range(12))] for number in range(5)]
    table = Table(markup, markup, [markup] * 13, rows, frozenset({(2, rows[1][0])}))
    tables = folder / "tables.html"
    tables.write_text(tables_page(markup, markup, [(markup, markup)], [table, table], [markup]), encoding="utf-8")
    return {
        "tables": tables,
        "faces": folder / "run/report.html",
        "comparison": folder / "compare/compare.html",
        "hostile": folder / "hostile/report.html",
        "sequential": folder / "sequential/report.html",
        "useless": folder / "useless/report.html",
        "many": folder / "many/report.html",
    }


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["faces", "comparison", "hostile", "tables", "sequential", "useless", "many"])
@pytest.mark.slow
def test_a_page_is_whole_in_a_browser(
    name: str, width: int, scheme: str, browser: Browser, pages: dict[str, Path]
) -> None:
    assert look(browser, pages[name], width, scheme) == Seen((), (), (), ())


def first_screen(browser: Browser, page: Path, width: int) -> dict[str, float]:
    """Where the parts of the verdict end, in pixels from the top, without scrolling."""
    with browser.new_context(viewport={"width": width, "height": 600}) as context:
        tab = context.new_page()
        tab.goto(page.as_uri())
        found: dict[str, float] = tab.evaluate(
            """() => Object.fromEntries([".word", ".big", ".range", ".now"].map(
                name => [name, document.querySelector(".hero " + name).getBoundingClientRect().bottom]))"""
        )
    return found


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["faces", "comparison", "hostile", "sequential", "useless", "many"])
@pytest.mark.slow
def test_verdict_interval_and_what_to_do_are_on_the_first_screen(
    name: str, width: int, browser: Browser, pages: dict[str, Path]
) -> None:
    assert max(first_screen(browser, pages[name], width).values()) <= 600


def test_faults_of_a_page_are_seen(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text(
        "<!doctype html><title>Bad</title><body><main><h1>Bad</h1><div style='width: 2000px'>wide</div>"
        "<img src='http://127.0.0.1:9/away.png'><script>console.error('broken')</script></main>"
    )
    seen = look(browser, page, 390, "light")
    assert "broken" in seen.messages
    assert set(seen.requests) == {"http://127.0.0.1:9/away.png"}
    assert seen.wide[0] == "the page"
    assert any(barrier.startswith("image-alt (critical)") for barrier in seen.barriers)
