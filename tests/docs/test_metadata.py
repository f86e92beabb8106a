"""What says who made the package and under which terms: CITATION.cff, setup.cfg, badges."""

import re
from configparser import ConfigParser

import pytest
import yaml

from tests.helpers.markdown import ROOT


@pytest.fixture(scope="module")
def setup() -> ConfigParser:
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_the_citation_is_that_of_the_package(setup: ConfigParser) -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "type"} <= set(citation)
    assert (citation["title"], citation["license"]) == (setup["metadata"]["name"], setup["metadata"]["license"])
    (paper,) = citation["references"]
    assert paper["url"] in setup["metadata"]["project_urls"]
    assert [author["family-names"] for author in paper["authors"]] == ["Chhabra", "Majumdar", "Vatsa", "Singh"]


def test_the_badges_say_what_setup_cfg_says(setup: ConfigParser) -> None:
    def badge(name: str) -> str:
        (title,) = re.findall("<title>(.*)</title>", (ROOT / f"docs/images/badge-{name}.svg").read_text())
        return str(title)

    versions = re.findall(r"Python :: (3\.\d+)", setup["metadata"]["classifiers"])
    assert badge("python") == f"python: {' | '.join(versions)}"
    assert badge("licence") == f"licence: {setup['metadata']['license']}"
