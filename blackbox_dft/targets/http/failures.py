"""Failure bodies: what a service says in a response of status 2xx that holds no scores."""

from __future__ import annotations

import json
from typing import Any

FAILURE_KEYS = frozenset(
    (
        *("error", "errors", "errormessage", "errormsg", "errmsg", "errorcode", "errcode", "err"),
        *("exception", "fault", "failure", "detail", "details"),
    )
)
"""Keys, without case and underscores, whose value says what failed."""
MESSAGE_KEYS = (
    "message",
    "errormessage",
    "errormsg",
    "errmsg",
    "msg",
    "detail",
    "description",
    "reason",
    "error",
    "title",
    "code",
)
"""Keys of an object that say it in words, the best first."""
STATUS_KEYS = ("status", "state")
FAILED = frozenset(["failed", "failure", "fail", "error", "errored", "canceled", "cancelled", "rejected", "timeout"])
PENDING = frozenset(
    (
        *("processing", "pending", "queued", "accepted", "running", "submitted", "inprogress", "starting", "started"),
        *("notstarted", "created", "waiting", "scheduled"),
    )
)
"""Values of a status, without case and punctuation."""
SUCCESS_KEYS = ("success", "succeeded", "ok", "successful")
NO_FAILURE: tuple[Any, ...] = (None, False, 0, "", [], {}, "0", "none", "null", "ok", "success", "false", "no")


def failure_in(document: Any) -> str | None:
    """What failed, if ``document`` says that something did; it has no scores.

    >>> failure_in({"status": "failed", "message": "monthly quota exceeded"})
    'monthly quota exceeded'
    >>> failure_in({"predictions": [], "error": None}) is None
    True
    """
    document = _first(document)
    if not isinstance(document, dict):
        return None
    for key, value in document.items():
        name = _plain(key)
        if name in FAILURE_KEYS and _says_something(value):
            return _words(document if name.endswith("code") else value) or _words(document)
        if name in STATUS_KEYS and _plain(value) in FAILED:
            return _words(document) or str(value)
        if name in SUCCESS_KEYS and value is False:
            return _words(document) or f"{key}: false"
    return None


def is_pending(document: Any) -> bool:
    """Whether ``document`` describes a job that has not ended, whose results have to be polled.

    >>> is_pending({"id": "job-1", "status": "in_progress"})
    True
    """
    document = _first(document)
    return isinstance(document, dict) and any(
        _plain(key) in STATUS_KEYS and _plain(value) in PENDING for key, value in document.items()
    )


def _first(document: Any) -> Any:
    return document[0] if isinstance(document, list) and document else document


def _plain(value: Any) -> str:
    return "".join(filter(str.isalnum, value)).casefold() if isinstance(value, str) else ""


def _says_something(value: Any) -> bool:
    return (value.casefold() if isinstance(value, str) else value) not in NO_FAILURE


def _words(value: Any) -> str:
    """A failure as text."""
    value = _first(value)
    if isinstance(value, dict):
        plain = {_plain(key): text for key, text in value.items()}
        texts = [plain[key] for key in MESSAGE_KEYS if key in plain and _says_something(plain[key])]
        return _words(texts[0]) if texts else json.dumps(value)
    return "" if value is True else str(value)
