"""Log records as lines of JSON."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from typing_extensions import override


class JsonLines(logging.Formatter):
    """Formats a record as one line: ``at``, ``level``, ``event``, and what its attribute ``about`` holds.

    >>> line = JsonLines().format(logging.makeLogRecord({"msg": "ready", "about": {"port": 8000}}))
    >>> json.loads(line)["event"], json.loads(line)["port"]
    ('ready', 8000)
    """

    @override
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        about: Mapping[str, Any] = getattr(record, "about", {})
        return json.dumps({"at": at, "level": record.levelname.lower(), "event": record.getMessage(), **about})
