"""Failures of a service: a status code and one sentence, which never quotes what a target said."""

from __future__ import annotations

import math

from starlette.responses import JSONResponse, Response


class ServiceError(Exception):
    """What a client gets in place of a result.

    Args:
        status: HTTP status code.
        sentence: for the client.
        retry_after: seconds after which the client may try again.
        detail: for the log alone; secrets are masked in it.
    """

    def __init__(self, status: int, sentence: str, *, retry_after: float | None = None, detail: str = "") -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.retry_after, self.detail = status, sentence, retry_after, detail

    def response(self) -> Response:
        """The error as JSON; ``Retry-After`` is in whole seconds, at least 1.

        >>> ServiceError(429, "later", retry_after=0.2).response().headers["retry-after"]
        '1'
        """
        headers = {} if self.retry_after is None else {"retry-after": str(max(1, math.ceil(self.retry_after)))}
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        return JSONResponse({"error": self.sentence}, self.status, headers)
