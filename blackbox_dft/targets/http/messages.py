"""What goes over the wire and what comes back; and how often it may go."""

from __future__ import annotations

import email.utils
import json
import ssl
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from blackbox_dft.errors import InputError, LostAnswer

GZIP = 16
"""Added to zlib's window, it says that a gzip header is there."""


@dataclass(frozen=True)
class HttpRequest:
    """One request: everything but the host."""

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
    """A response with status 2xx."""

    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            LostAnswer: it is none, or nested too deep to be an answer.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise LostAnswer(f"the server's answer is no JSON ({clip(self.body)})") from error


def retry_after(text: str | None) -> float | None:
    """Seconds to wait, from either form of the header (RFC 9110, 10.2.3)."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def load_certificate(context: ssl.SSLContext, path: str) -> None:
    """Lets ``context`` show the client certificate in the PEM file ``path``, which holds its key too.

    Raises:
        InputError: it is not there, holds no such thing, or is locked by a password.
    """

    def password() -> str:
        # Nobody may be there to type it.
        raise InputError(f"--cert {path} is locked by a password: unlock it, 'openssl pkey' does so.")

    try:
        context.load_cert_chain(path, password=password)
    except OSError as error:
        raise InputError(
            f"--cert {path} cannot be used ({error.strerror or error}): give a PEM file of the certificate and its key."
        ) from error


def unpacked(body: bytes, encoding: str, most: int) -> bytes:
    """``body`` as it was before ``Content-Encoding``; no more than ``most`` + 1 bytes of it.

    Raises:
        ValueError: an encoding that is not asked for, or bytes that are not of it.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity") or not body:
        return body
    if encoding != "gzip":
        raise ValueError(f"in {encoding[:40]!r}, which was not asked for")
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | GZIP).decompress(body, most + 1)
    except zlib.error as error:
        raise ValueError(f"what cannot be unpacked ({error})") from error


def clip(body: bytes) -> str:
    """The beginning of it as text."""
    text = body[:300].decode("utf-8", "replace").strip()
    return text or "no text"
