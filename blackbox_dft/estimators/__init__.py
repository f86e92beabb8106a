"""Gradient-free estimators: ask/tell classes that know vectors and losses, and nothing of images."""

from __future__ import annotations

from difflib import get_close_matches
from inspect import Parameter, signature
from typing import Any

from blackbox_dft._utils import plugins
from blackbox_dft.errors import InputError
from blackbox_dft.estimators.base import Estimator
from blackbox_dft.estimators.search_space import SearchSpace

__all__ = ["ESTIMATORS", "Estimator", "SearchSpace", "make_estimator"]

ESTIMATORS = {
    "auto": "blackbox_dft.estimators.auto:auto",
    "surface": "blackbox_dft.estimators.surface:Surface",
    "nes": "blackbox_dft.estimators.nes:Nes",
    "finite-difference": "blackbox_dft.estimators.finite_difference:FiniteDifference",
    "spsa": "blackbox_dft.estimators.spsa:Spsa",
    "cma-es": "blackbox_dft.estimators.cma_es:CmaEs",
    "random": "blackbox_dft.estimators.random_search:RandomSearch",
}


def make_estimator(spec: str, space: SearchSpace, *, seed: int = 0) -> Estimator:
    """Constructs the estimator ``spec`` for a search space.

    >>> import numpy as np
    >>> space = SearchSpace(np.zeros(2), np.full(2, -9.0), np.full(2, 9.0))
    >>> nes = make_estimator("nes:step=0.2,pairs=4", space, seed=1)
    >>> proposal = nes.ask()
    >>> proposal.candidates.shape
    (8, 2)
    >>> nes.tell(proposal, (proposal.candidates**2).sum(axis=1))
    >>> nes.best.shape
    (2,)

    Args:
        spec: a name, with options after a colon: ``"nes"``, ``"nes:step=0.3,pairs=16"``. Names are those of
            ``ESTIMATORS`` and of the entry points ``blackbox_dft.estimators``; options are the keyword arguments of the
            class, which is called as ``Class(space, seed=seed, **options)``.
        space: where the search starts, and its bounds.
        seed: of the estimator's random numbers.

    Raises:
        InputError: unknown name or option, or a value that does not fit.
    """
    name, _, text = spec.partition(":")
    kind = plugins.find(name, ESTIMATORS, "estimators")
    options = _options(name, kind, text) if text else {}
    made: Estimator = kind(space, seed=seed, **options)
    return made


def _options(name: str, kind: Any, text: str) -> dict[str, Any]:
    known = {
        p.name: p.default
        for p in signature(kind).parameters.values()
        if p.kind is Parameter.KEYWORD_ONLY and p.default is not Parameter.empty and p.name != "seed"
    }
    options = {}
    for part in text.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}=VALUE?" if near else f"it has {', '.join(known)}."
            raise InputError(f"estimator {name} has no option {part.strip()!r}: {hint}")
        options[key] = _value(name, key, value, known[key])
    return options


def _value(name: str, key: str, text: str, default: Any) -> Any:
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(default, str):
            return text
        value = type(default)(text)
    except (KeyError, ValueError) as error:
        wanted = {bool: "true or false", int: "a whole number", float: "a number"}.get(type(default), "another value")
        raise InputError(f"estimator {name}: {key}={text} is not {wanted}, such as {default}.") from error
    if not 0 <= value < float("inf"):
        raise InputError(f"estimator {name}: {key}={text} is negative or infinite: give a number such as {default}.")
    return value
