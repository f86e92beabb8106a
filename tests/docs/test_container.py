"""Dockerfile and compose.yaml, as far as they can be checked without a builder."""

import json
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from blackbox_dft.cli import bbdft
from tests.helpers.markdown import ROOT


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in lines]


def all_of(name: str) -> list[str]:
    return [rest for word, rest in instructions() if word == name]


def copied() -> list[str]:
    words = [rest.split() for rest in all_of("COPY") if not rest.startswith("--from")]
    return [source for line in words for source in line[:-1]]


def test_what_is_copied_exists_and_is_sent_to_the_builder() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert sorted(kept) == sorted(copied())
    assert all((ROOT / source).exists() for source in copied())


def test_the_package_is_whole() -> None:
    # All that is installed lies in what is copied.
    for pattern in re.findall(r"^    (\S+/\*)$", (ROOT / "setup.cfg").read_text(), re.M):
        assert list((ROOT / "blackbox_dft").glob(pattern)), pattern
    templates = [path.relative_to(ROOT / "blackbox_dft").as_posix() for path in ROOT.glob("blackbox_dft/**/*.html")]
    patterns = re.findall(r"^    (\S+/\*)$", (ROOT / "setup.cfg").read_text(), re.M)
    assert all(any(fnmatch(path, pattern) for pattern in patterns) for path in templates)
    assert "'.[serve]'" in " ".join(all_of("RUN"))


def test_it_runs_without_root_and_without_writing() -> None:
    user, _, group = all_of("USER")[-1].partition(":")
    assert int(user) > 0 < int(group)
    environment = " ".join(all_of("ENV"))
    assert "BBDFT_CACHE=none" in environment
    assert json.loads(all_of("ENTRYPOINT")[-1]) == ["bbdft"]
    # Nothing writes to the image after the user was chosen.
    words = [word for word, _ in instructions()]
    assert not {"RUN", "COPY", "ADD"} & set(words[words.index("USER") :])


@pytest.fixture
def service() -> dict[str, object]:
    (found,) = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"].values()
    return dict(found)


def test_the_composed_command_is_one_that_bbdft_takes(service: dict[str, object], tmp_path: Path) -> None:
    name, *words = map(str, service["command"])  # type: ignore[call-overload]
    taken = bbdft.commands[name].make_context(name, words).params
    assert (str(taken["place"]), taken["host"], taken["key"]) == ("/work/run", "0.0.0.0", "env:SERVICE_KEY")
    assert f"{taken['port']}:{taken['port']}" in str(service["ports"])
    assert str(taken["port"]) in all_of("EXPOSE")
    assert int(str(service["stop_grace_period"]).rstrip("s")) >= taken["deadline"] + 5


def test_the_composed_service_may_write_nothing_and_gain_no_rights(service: dict[str, object]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert str(service["volumes"]).endswith(":ro']")
    assert "SERVICE_KEY" in dict(service["environment"])  # type: ignore[call-overload]
