"""Gradient-free estimators: bare ask/tell classes that know vectors and losses, and nothing of images."""

from __future__ import annotations

from difflib import get_close_matches
from inspect import Parameter, signature
from typing import Any

from blackbox_dft._utils import plugins
from blackbox_dft._utils.types import Floats
from blackbox_dft.errors import InputError
from blackbox_dft.estimators.base import Estimator

ESTIMATORS = {
    "auto": "blackbox_dft.estimators.auto:auto",
    "surface": "blackbox_dft.estimators.surface:Surface",
    "nes": "blackbox_dft.estimators.nes:Nes",
    "finite-difference": "blackbox_dft.estimators.finite_difference:FiniteDifference",
    "spsa": "blackbox_dft.estimators.spsa:Spsa",
    "cma-es": "blackbox_dft.estimators.cma_es:CmaEs",
    "random": "blackbox_dft.estimators.random_search:RandomSearch",
}


def make_estimator(spec: str, size: int, *, start: Floats, lower: Floats, upper: Floats, seed: int = 0) -> Estimator:
    """The estimator ``spec`` for vectors of ``size`` numbers.

    ``spec`` is a name, with options after a colon: ``"nes"``, ``"nes:step=0.3,pairs=16"``. Options are the keyword
    arguments of its class.

    Args:
        start: where it begins, ``(size,)``.
        lower: least values ``(size,)``, ``-inf`` where there is none.
        upper: greatest values ``(size,)``.

    Raises:
        InputError: unknown name or option, or a value that does not fit.
    """
    name, _, text = spec.partition(":")
    kind = plugins.find(name, ESTIMATORS, "estimators")
    options = _options(name, kind, text) if text else {}
    made: Estimator = kind(size, start=start, lower=lower, upper=upper, seed=seed, **options)
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
        raise InputError(f"estimator {name}: {key}={text} is below zero or endless: give a number such as {default}.")
    return value
