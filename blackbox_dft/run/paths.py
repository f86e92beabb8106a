"""Paths of a run, absolute and relative to its folder: it resumes from anywhere, and may move with its data."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from blackbox_dft.errors import InputError
from blackbox_dft.run.config import Config
from blackbox_dft.targets.http.secrets import secret_files

Place = Mapping[str, str]
"""``absolute`` path, ``relative`` to the folder of the run (not on another drive), and ``prefix`` as ``lfw:``."""

MODULE = "module"
"""Key of the folder from which the module of ``module:function`` is imported."""
SECRET = "secret "
"""Begins the keys of files that headers name as ``{file:PATH}``."""


def record_paths(config: Config, run: Path) -> dict[str, Place]:
    """Places of the files and folders that a configuration names, by option."""
    places: dict[str, Place] = {}
    for name, text in _texts(config).items():
        if found := _find_path(name, text):
            prefix, path = found
            places[name] = _place(path, run) | ({"prefix": prefix} if prefix else {})
    for text in config.target_options.headers:
        for name in secret_files(text):
            if Path(name).expanduser().exists():
                places[SECRET + name] = _place(Path(name).expanduser(), run)
    if "target" not in places and (folder := _module_folder(config.target)):
        places[MODULE] = _place(folder, run)
    return places


def restore_paths(config: Config, places: Mapping[str, Place], run: Path) -> Config:
    """``config`` with the paths that lead from the working directory to what was recorded for the run's folder.

    A path beside the run goes first: it is there too if both were copied or moved. A text that leads there already is
    left as it is.
    """
    texts, headers = _texts(config), config.target_options.headers
    for name, place in places.items():
        found = next((path for path in _candidates(place, run) if path.exists()), None)
        if name == MODULE:
            if found and str(found) not in sys.path:
                # The working directory goes before it, as at the start of the run.
                sys.path.append(str(found))
        elif name.startswith(SECRET) and found:
            own = name.removeprefix(SECRET)
            if not (Path(own).expanduser().exists() and found.samefile(Path(own).expanduser())):
                headers = tuple(text.replace(f"{{file:{own}}}", f"{{file:{found}}}") for text in headers)
        elif name in texts:
            given = Path(texts[name].removeprefix(place.get("prefix", "")))
            if not (found and given.exists() and given.samefile(found)):
                texts[name] = f"{place.get('prefix', '')}{found or place['absolute']}"
    options = replace(config.target_options, profile=texts["profile"], cert=texts["cert"] or None, headers=headers)
    return replace(config, target=texts["target"], data=texts["data"], known=texts["known"], target_options=options)


def require_files(config: Config, run: Path, names: Sequence[str] = ("target", "data")) -> None:
    """Checks that the files that a restored ``config`` names are there.

    Raises:
        InputError: one is gone; says where it was.
    """
    for name in names:
        path = Path(_texts(config)[name])
        # What is not found stays a name, or becomes the absolute path that it had.
        if path.is_absolute() and not path.exists():
            raise InputError(
                f"{path}, the {name} of {run}, is gone: put it back there, or where it was beside the run's folder."
            )


def _texts(config: Config) -> dict[str, str]:
    options = config.target_options
    return {
        "target": config.target,
        "data": config.data,
        "profile": options.profile,
        "cert": options.cert or "",
        "known": config.known,
    }


def _find_path(name: str, text: str) -> tuple[str, Path] | None:
    """The prefix and the path in an option's value; None if it names nothing that exists."""
    if not text or "://" in text or (name == "profile" and not text.endswith(".toml")):
        return None
    if Path(text).exists():
        return "", Path(text)
    prefix, colon, rest = text.partition(":")
    # What follows the colon of module:function is no path, even if there is a file of that name.
    is_path = name == "data" or "." in rest or "/" in rest
    return (f"{prefix}:", Path(rest)) if colon and rest and is_path and Path(rest).exists() else None


def _module_folder(target: str) -> Path | None:
    """The folder from which the module of ``module:function`` was imported, unless it is installed."""
    module = sys.modules.get(target.partition(":")[0].partition(".")[0])
    file = getattr(module, "__file__", None)
    if "://" in target or file is None:
        return None
    path = Path(file).absolute()
    folder = path.parents[1] if path.name == "__init__.py" else path.parent
    return None if {"site-packages", "dist-packages"} & set(folder.parts) else folder


def _place(path: Path, run: Path) -> dict[str, str]:
    place = {"absolute": str(path.absolute())}
    try:
        place["relative"] = Path(os.path.relpath(path.absolute(), run.resolve())).as_posix()
    except ValueError:
        # Another drive of Windows.
        return place
    return place


def _candidates(place: Place, run: Path) -> list[Path]:
    beside = [Path(os.path.normpath(run.resolve() / place["relative"]))] if "relative" in place else []
    return [*beside, Path(place["absolute"])]
