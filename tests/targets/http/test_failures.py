"""Failure bodies: what is one, and what is a response without a finding."""

from typing import Any

import pytest

from blackbox_dft.targets.http.failures import failure_in, is_pending


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"status": "failed", "message": "monthly quota exceeded"}, "monthly quota exceeded"),
        ({"detail": "model not loaded"}, "model not loaded"),
        ({"error": {"code": 429, "message": "slow down"}}, "slow down"),
        ({"errors": [{"reason": "bad key"}]}, "bad key"),
        ({"error_message": "no such user"}, "no such user"),
        ({"errorCode": 12, "errorMessage": "gone"}, "gone"),
        ({"Exception": "out of memory"}, "out of memory"),
        ({"success": False, "msg": "not allowed"}, "not allowed"),
        ({"ok": False}, '{"ok": false}'),
        ({"state": "ERROR"}, '{"state": "ERROR"}'),
        ([{"error": "busy"}], "busy"),
        ({"error": True, "message": "broken"}, "broken"),
    ],
)
def test_failures(document: Any, text: str) -> None:
    assert failure_in(document) == text


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        7,
        {},
        {"predictions": []},
        {"error": None, "status": "ok"},
        {"error": "", "errors": [], "success": True},
        {"errorCode": 0, "message": "no face"},
        {"error": "none", "state": "done"},
        {"message": "no face found"},
    ],
)
def test_documents_that_report_no_failure(document: Any) -> None:
    assert failure_in(document) is None


@pytest.mark.parametrize("status", ["processing", "PENDING", "in_progress", "Not Started", "queued", "starting"])
def test_jobs_that_have_not_ended(status: str) -> None:
    assert is_pending({"id": "job-1", "status": status})
    assert not is_pending({"id": "job-1", "status": "succeeded"})
