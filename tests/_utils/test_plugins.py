"""Plugins: built-in names first, then entry points; unknown names get a hint."""

import json
from importlib.metadata import EntryPoint

import pytest

from blackbox_dft._utils import plugins
from blackbox_dft.errors import InputError

BUILTIN = {"json": "json:dumps", "path": "os.path:join"}


def entry_points(*, group: str, name: str | None = None) -> list[EntryPoint]:
    entries = [EntryPoint("other", "json:loads", group), EntryPoint("json", "json:loads", group)]
    return [entry for entry in entries if name in (None, entry.name)] if group == "blackbox_dft.spaces" else []


def test_built_in_names_come_before_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "entry_points", entry_points)
    assert plugins.names(BUILTIN, "spaces") == ["json", "path", "other"]
    assert plugins.find("json", BUILTIN, "spaces") is json.dumps
    assert plugins.find("other", BUILTIN, "spaces") is json.loads


def test_unknown_names_are_refused_with_a_hint() -> None:
    with pytest.raises(InputError, match=r"unknown space 'jsn': did you mean 'json'\?"):
        plugins.find("jsn", BUILTIN, "spaces")
    with pytest.raises(InputError, match=r"unknown space 'xyz': known are json, path\."):
        plugins.find("xyz", BUILTIN, "spaces")
