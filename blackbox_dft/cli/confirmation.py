"""Confirmation before money is spent: the one rule of all commands that send images to a URL.

A command sends images to a URL, or to any target with a price, only after a yes on a terminal, with ``--yes``, or if
they are no more than ``--confirm-above``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from blackbox_dft.cli.streams import say
from blackbox_dft.errors import InputError

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Consent:
    """What the user says about spending: ``--yes`` and ``--confirm-above``, taken out of a command's arguments."""

    yes: bool
    above: int

    @classmethod
    def take(cls, values: dict[str, Any]) -> Consent:
        """Takes both out of a command's keyword arguments."""
        return cls(values.pop("yes"), values.pop("confirm_above"))

    def require(
        self,
        target: str,
        queries: int | None,
        price: float | None = None,
        *,
        budget: int | None = None,
        opening: Callable[[], Sequence[str]] = tuple,
        always: bool = False,
    ) -> bool:
        """Returns if the images may be sent; whether a question was put for it, under the lines of ``opening()``.

        Args:
            target: where they are sent.
            queries: images that this command may still send; ``None`` if it has no limit.
            price: cost of one of them.
            budget: what is compared with ``--confirm-above``; by default ``queries``.
            opening: what the user should know to decide.
            always: whether a terminal is asked however few they are, if there is a price.

        Raises:
            InputError: there is neither a yes nor a terminal.
            click.exceptions.Exit: the answer was no.
        """
        if queries is None:
            return self._require_without_limit(target, price)
        above = queries > 0 and (queries if budget is None else budget) > self.above
        if self.yes or not (above or (always and price and _terminal())) or not ("://" in target or price):
            return False
        cost = f", for up to {queries * price:,.2f}" if price is not None else ""
        if not _terminal():
            raise InputError(
                f"up to {queries:,} images would be sent to {_public(target)}{cost}, and there is no terminal to ask "
                f"for a yes: give --yes, or --confirm-above {queries if budget is None else budget}."
            )
        if lines := opening():
            say("\n".join(lines))
        if not click.confirm(f"Up to {queries:,} images will be sent to {_public(target)}{cost}. Go on?", err=True):
            say("bbdft: nothing was sent.")
            raise click.exceptions.Exit(2)
        return True

    def _require_without_limit(self, target: str, price: float | None) -> bool:
        if self.yes or not ("://" in target or price):
            return False
        cost = f", for {price:,.4g} each" if price is not None else ""
        if not _terminal():
            raise InputError(
                f"every image of a client would be sent to {_public(target)}{cost}, and there is no terminal to ask "
                f"for a yes: give --yes, or a --budget of at most {self.above:,} (--confirm-above)."
            )
        if not click.confirm(f"Every image of a client will be sent to {_public(target)}{cost}. Go on?", err=True):
            say("bbdft: nothing was sent.")
            raise click.exceptions.Exit(2)
        return True


def _terminal() -> bool:
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


def _public(target: str) -> str:
    from blackbox_dft.run.provenance import public

    return public(target)


def consent_options(command: Command) -> Command:
    """``--confirm-above`` and ``--yes``."""
    above = click.option(
        "--confirm-above",
        type=click.IntRange(0),
        default=1000,
        show_default=True,
        help="For a URL, or with a price: ask before more queries, or refuse them if there is no terminal.",
    )
    return above(click.option("--yes", is_flag=True, help="Do not ask.")(command))
