"""summary.json is read back into what was written."""

import json
from pathlib import Path

import pytest

from blackbox_dft.run.summary import Summary
from blackbox_dft.run.summary_file import read_summary, summary_of


@pytest.fixture
def document(finished: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((finished / "run" / "summary.json").read_text())
    return found


def test_a_summary_comes_back_as_it_was(finished: Path, document: dict[str, object]) -> None:
    summary = read_summary(finished / "run")
    assert isinstance(summary, Summary)
    assert summary.to_json() == document
    assert summary.accuracy["test"].ci95 == tuple(document["accuracy"]["test"]["ci95"])  # type: ignore[index]
    assert summary_of(json.loads(json.dumps(summary.to_json()))) == summary


def test_parts_and_prices_come_back_too(document: dict[str, object]) -> None:
    document["space_parts"] = [{"part": "color", "gain": 0.1, "ci95": [0.05, 0.15]}]
    document["price"] = {"per_image": 0.01, "spent": 3}
    found = summary_of(document)
    assert (found.space_parts[0].part, found.space_parts[0].ci95) == ("color", (0.05, 0.15))
    assert found.price
    assert (found.price.spent, isinstance(found.price.spent, float)) == (3.0, True)


def test_keys_of_other_versions(document: dict[str, object]) -> None:
    later = summary_of({**document, "of_a_later_version": 1})
    # What is missing has its default, if it has one.
    del document["views"]
    assert summary_of(document) == later
    del document["verdict"]
    with pytest.raises(KeyError, match="verdict"):
        summary_of(document)
