"""docs/reference/commands.md names every command and every option of the command line, and no other."""

import re

import click
import pytest

from blackbox_dft.cli import bbdft
from tests.helpers.markdown import ROOT, section

PAGE = ROOT / "docs" / "reference" / "commands.md"
OPTION = re.compile(r"`(--[a-z0-9-]+)`")
GROUP = re.compile(r"\[[^\]]*\]\(#(options-of-[a-z-]+)\)")


def headings() -> dict[str, str]:
    """Headings of the page by the command they describe."""
    found = re.findall(r"^(## bbdft (\S+).*)$", PAGE.read_text(encoding="utf-8"), re.M)
    return {command: heading for heading, command in found}


def first_cells(text: str) -> set[str]:
    """Options in the first column of the tables."""
    return {
        option for line in text.splitlines() if line.startswith("| `") for option in OPTION.findall(line.split("|")[1])
    }


def documented(heading: str) -> set[str]:
    text = section(PAGE, heading)
    groups = (f"## {group.replace('-', ' ').capitalize()}" for group in GROUP.findall(text))
    return first_cells(text).union(*(first_cells(section(PAGE, group)) for group in groups))


def options(command: click.Command) -> set[str]:
    return {
        name
        for param in command.params
        if isinstance(param, click.Option)
        for name in (*param.opts, *param.secondary_opts)
        if name.startswith("--")
    }


def test_every_command_has_a_section() -> None:
    assert list(headings()) == [name for name in headings() if name in bbdft.commands]
    assert set(headings()) == set(bbdft.commands)


@pytest.mark.parametrize("name", bbdft.commands)
def test_every_option_is_documented(name: str) -> None:
    assert documented(headings()[name]) == options(bbdft.commands[name])


def test_options_of_the_program_itself_are_documented() -> None:
    start = PAGE.read_text(encoding="utf-8").split("\n## ")[0]
    assert {option for option in options(bbdft) if option in start} == options(bbdft)


def test_every_command_says_what_it_does() -> None:
    for name, command in bbdft.commands.items():
        assert command.help, name
        for param in command.params:
            if isinstance(param, click.Option):
                assert param.help or param.show_default, (name, param.name)
