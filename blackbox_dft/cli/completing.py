"""What the shell may complete beyond choices and paths: names of spaces, estimators, objectives and profiles; files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Complete = Callable[[click.Context, click.Parameter, str], list["CompletionItem"]]

WITH_NUMBER = {"dct": "dct:8", "grid": "grid:8"}
"""Parts of spaces that need a number, with one."""


def spaces(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The next part of a space: ``affine+co`` becomes ``affine+color`` or ``affine+contrast``."""
    from blackbox_dft._utils import plugins
    from blackbox_dft.spaces import SPACES
    from blackbox_dft.spaces.specs import AUTO

    before, plus, _ = incomplete.rpartition("+")
    used = {part.partition(":")[0] for part in before.split("+")}
    names = [name for name in plugins.names(SPACES, "spaces") if name not in used]
    first = [] if plus else [AUTO]
    return _beginning_with(incomplete, (f"{before}{plus}{WITH_NUMBER.get(name, name)}" for name in [*first, *names]))


def estimators(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of estimators."""
    from blackbox_dft._utils import plugins
    from blackbox_dft.estimators import ESTIMATORS

    return _beginning_with(incomplete, plugins.names(ESTIMATORS, "estimators"))


def objectives(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of objectives."""
    from blackbox_dft._utils import plugins
    from blackbox_dft.objectives import OBJECTIVES

    return _beginning_with(incomplete, ["auto", *plugins.names(OBJECTIVES, "objectives")])


def profiles(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of profiles; a file of one's own, if it looks like a path."""
    from blackbox_dft.targets.http.profile_schema import profile_names

    return _beginning_with(incomplete, ["v2", *profile_names()]) or files(ctx, param, incomplete)


def metrics(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of metrics."""
    from blackbox_dft.evaluation.metric_names import COST, NAMES

    return _beginning_with(incomplete, (f"{name}:" if name == COST else name for name in NAMES))


def files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files and folders, by the shell itself."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


COMPLETE: dict[str, Complete] = {
    "space": spaces,
    "estimator": estimators,
    "objective": objectives,
    "metric": metrics,
    "profile": profiles,
    "data": files,
    "known": files,
    "cert": files,
    "start": files,
}
"""Completion of fields of ``Config`` and ``TargetOptions`` that take a text, by name."""


def _beginning_with(incomplete: str, words: Iterable[str]) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(word) for word in words if word.startswith(incomplete)]
