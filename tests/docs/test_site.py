"""The site: every page is in its menu, and it builds without a warning."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import blackbox_dft
from tests.helpers.markdown import PAGES, ROOT, name_of


class Loader(yaml.SafeLoader):
    """Reads ``mkdocs.yml``, whose functions of Python it does not make."""


Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: suffix)


def entries(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    return [page for one in (nav.values() if isinstance(nav, dict) else nav) for page in entries(one)]


@pytest.fixture(scope="module")
def menu() -> list[str]:
    return entries(yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader)["nav"])


def outside() -> dict[str, str]:
    """Pages beside ``docs/`` and their place in the site, as the hooks have them."""
    text = (ROOT / "scripts/site_hooks.py").read_text(encoding="utf-8")
    return dict(re.findall(r'^    "(\S+\.md)": "(\S+\.md)",$', text, re.M))


def test_every_page_is_in_the_menu(menu: list[str]) -> None:
    pages = {name_of(page) for page in PAGES}
    inside = {page.removeprefix("docs/") for page in pages if page.startswith("docs/")}
    assert sorted(menu) == sorted([*inside, *outside().values()])
    # The README is the first page of the site in other words; the plug-in's is a chapter of the tutorial.
    assert pages - set(outside()) - {"README.md", "examples/plugin/README.md"} == {f"docs/{page}" for page in inside}


def test_every_chapter_lists_its_pages() -> None:
    for index in ROOT.glob("docs/*/index.md"):
        text = index.read_text(encoding="utf-8")
        pages = [path.relative_to(index.parent).as_posix() for path in index.parent.rglob("*.md") if path != index]
        assert [page for page in pages if f"]({page})" not in text] == []


@pytest.mark.slow
def test_the_site_builds_and_holds_all_public_names(site: Path) -> None:
    text = (site / "reference/api.html").read_text(encoding="utf-8")
    names = [name for name in blackbox_dft.__all__ if name != "__version__"]
    assert [name for name in names if f'id="blackbox_dft.{blackbox_dft._HOME[name]}.{name}"' not in text] == []
    # Signatures, options and examples, as they stand in the code.
    assert "<code>early_stop</code>" in text
    assert '<span class="gp">&gt;&gt;&gt; </span>' in text


@pytest.mark.slow
def test_the_help_of_every_command_is_there(site: Path) -> None:
    from blackbox_dft.cli import bbdft

    text = (site / "reference/cli.html").read_text(encoding="utf-8")
    assert [name for name in bbdft.commands if f'id="bbdft-{name}"' not in text] == []
    assert "--early-stop / --no-early-stop" in text


@pytest.mark.slow
def test_pages_ask_nothing_of_other_servers(site: Path) -> None:
    loads = re.compile(
        r'<(?:script|img|iframe)[^>]* src="(?:https?:)?//|<link[^>]*rel="stylesheet"[^>]*href="(?:https?:)?//'
    )
    assert [page.name for page in site.rglob("*.html") if loads.search(page.read_text(encoding="utf-8"))] == []


@pytest.mark.slow
def test_every_page_leads_back(site: Path) -> None:
    for path in site.rglob("*.html"):
        if path.name != "404.html":
            assert 'class="md-tabs__link"' in path.read_text(encoding="utf-8"), path
