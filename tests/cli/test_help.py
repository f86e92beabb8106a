"""Help: a short first page, all options in groups, any width."""

import pytest

from blackbox_dft.cli import bbdft as commands
from blackbox_dft.cli.command import BY_HAND, GROUPS
from tests.conftest import Bbdft

COMMON = 2
"""Options that every command has: -v and --log-json."""
SHORT = ("optimize", "compare", "inspect", "predict", "serve")


def options(name: str) -> set[str]:
    return {flag for param in commands.commands[name].params for flag in param.opts if flag.startswith("--")}


def shown(text: str) -> set[str]:
    """The options at the beginnings of lines."""
    return {word.rstrip(",") for line in text.splitlines() if line.startswith("  -") for word in line.split()[:2]}


@pytest.mark.parametrize("name", SHORT)
def test_the_first_page_is_short_and_names_the_rest(name: str, bbdft: Bbdft, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    page = bbdft(name, "--help", code=0).stdout
    lines = page.splitlines()
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 80
    assert f"bbdft {name} --help-all" in page
    assert "docs/reference/commands.md" in page
    assert "Examples:" in page
    required = {p.opts[0] for p in commands.commands[name].params if p.required and p.opts[0].startswith("-")}
    assert required <= shown(page)
    left = int(next(line for line in lines if "more options" in line).split()[0])
    assert left == len(commands.commands[name].params) - arguments(name) - len(shown(page) & options(name)) + COMMON


def arguments(name: str) -> int:
    return sum(param.param_type_name == "argument" for param in commands.commands[name].params)


@pytest.mark.parametrize("name", commands.commands)
def test_all_options_are_on_the_whole_page(name: str, bbdft: Bbdft) -> None:
    page = bbdft(name, "--help-all" if name in SHORT else "--help", code=0).stdout
    assert options(name) | {"--verbose", "--log-json"} <= shown(page)


def test_groups_are_in_their_order(bbdft: Bbdft) -> None:
    page = bbdft("optimize", "--help-all", code=0).stdout
    headings = [line.rstrip(":").lower() for line in page.splitlines() if line.endswith(":") and line[0] != " "]
    assert headings == [*GROUPS, "examples"]
    assert set(BY_HAND) == set(GROUPS)


def test_examples_have_options_that_exist() -> None:
    for command in commands.commands.values():
        for line in getattr(command, "examples", ()):
            words = line.split("bbdft ")[1].split("|")[0].split()
            assert words[0] == command.name
            assert {word for word in words if word.startswith("--")} <= options(words[0])
