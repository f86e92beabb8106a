"""HTTP requests and responses as values, and what is read from them: JSON, gzip, Retry-After, text for messages."""

from __future__ import annotations

import email.utils
import json
import re
import ssl
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus

from blackbox_dft.errors import InputError, LostAnswer

GZIP_HEADER = 16
"""Added to zlib's window bits: the data has a gzip header."""
MAX_TEXT_CHARACTERS = 300
"""Characters of a body that a message shows."""
MAX_TEXT_BYTES = 2**16
"""Bytes of a body that are searched for its text."""
HTML_MARKUP = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class HttpRequest:
    """An HTTP request: a body ``content``, or a multipart form of ``parts`` and ``fields``.

    >>> HttpRequest("GET", "https://example.com/v2", {"accept": "application/json"}).content is None
    True
    """

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None = None
    parts: Mapping[str, tuple[str, bytes, str]] | None = None
    """Files of a multipart form."""
    fields: Mapping[str, str] | None = None
    """Other fields of the form."""


@dataclass(frozen=True)
class HttpResponse:
    """An HTTP response with status 2xx, its body decompressed.

    >>> HttpResponse({}, b'{"scores": [1, 0]}').json()
    {'scores': [1, 0]}
    """

    headers: Mapping[str, str]
    body: bytes
    status: int = 200
    secrets: Sequence[str] = field(default=(), repr=False)
    """Values that ``text`` may not show."""

    def json(self) -> Any:
        """The body as JSON; ``None`` if there is none (204).

        Raises:
            LostAnswer: it is not JSON, or is nested too deep.
        """
        if self.status == 204:
            return None
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise LostAnswer(f"the server's response is not JSON ({self.text})") from error

    @property
    def text(self) -> str:
        """The beginning of the body for a message."""
        return clip(self.body, self.secrets)


def retry_after(text: str | None) -> float | None:
    """Seconds to wait, from either form of the header ``Retry-After`` (RFC 9110, 10.2.3); ``None`` if it is malformed.

    >>> retry_after("120"), retry_after("soon"), retry_after("Thu, 01 Jan 1970 00:00:00 GMT")
    (120.0, None, 0.0)
    """
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def load_certificate(context: ssl.SSLContext, path: str) -> None:
    """Makes ``context`` present the client certificate in the PEM file ``path``, which contains its key too.

    Raises:
        InputError: the file does not exist, contains no certificate and key, or is locked by a password.
    """

    def password() -> str:
        # Without this callback, OpenSSL would prompt for it on the terminal.
        raise InputError(f"--cert {path} is locked by a password: unlock it with 'openssl pkey'.")

    try:
        context.load_cert_chain(path, password=password)
    except OSError as error:
        raise InputError(
            f"--cert {path} cannot be used ({error.strerror or error}): give a PEM file of the certificate and its key."
        ) from error


def decompress(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """``body`` as it was before ``Content-Encoding``, cut after ``max_bytes`` + 1 bytes.

    Raises:
        ValueError: an encoding other than gzip, or bytes that are not gzip.

    >>> decompress(zlib.compress(b"abc", wbits=zlib.MAX_WBITS | GZIP_HEADER), "gzip", 2**20)
    b'abc'
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity") or not body:
        return body
    if encoding != "gzip":
        raise ValueError(f"with the encoding {encoding[:40]!r} instead of gzip")
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | GZIP_HEADER).decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise ValueError(f"with gzip that cannot be decompressed ({error})") from error


def clip(body: bytes, secrets: Sequence[str] = ()) -> str:
    """The beginning of ``body`` as text on one line, without markup and ``secrets``.

    >>> clip(b"<html><h1>Bad gateway</h1>abc is  unknown</html>", ["abc"])
    'Bad gateway *** is unknown'
    """
    text = body[:MAX_TEXT_BYTES].decode("utf-8", "replace")
    if text.lstrip()[:1] == "<":
        text = HTML_MARKUP.sub(" ", text)
    # Before the text is cut, as a part of a secret would not be recognised.
    text = " ".join(mask(text, secrets).split())
    return f"{text[: MAX_TEXT_CHARACTERS - 3]}..." if len(text) > MAX_TEXT_CHARACTERS else text or "no text"


def mask(text: str, secrets: Sequence[str]) -> str:
    """``text`` with ``***`` in place of each of ``secrets``, also as URLs and JSON write them.

    >>> mask("?key=a%2Fb", ["a/b"])
    '?key=***'
    """
    for secret in sorted(secrets, key=len, reverse=True):
        for written in {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}:
            text = text.replace(written, "***")
    return text
