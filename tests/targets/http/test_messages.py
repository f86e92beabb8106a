"""HTTP messages: JSON bodies, Retry-After, and compressed bodies."""

import email.utils
import gzip
import time

import pytest

from blackbox_dft.errors import LostAnswer
from blackbox_dft.targets.http.messages import HttpResponse, decompress, retry_after


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("0", 0),
        (" 120 ", 120),
        ("soon", None),
        ("-5", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ],
)
def test_retry_after(text: str | None, seconds: float | None) -> None:
    assert retry_after(text) == seconds


def test_retry_after_a_date() -> None:
    date = email.utils.formatdate(time.time() + 100, usegmt=True)
    assert retry_after(date) == pytest.approx(100, abs=2)


def test_compressed_bodies() -> None:
    body = bytes(1000)
    assert decompress(body, "", 10) == decompress(body, "identity", 10) == body
    assert decompress(gzip.compress(body), " GZIP ", 1000) == body
    # One byte more than allowed, so that the caller sees that there is more.
    assert len(decompress(gzip.compress(body), "gzip", 100)) == 101
    assert decompress(b"", "br", 10) == b""
    for encoding, data in (("br", body), ("gzip, gzip", body), ("gzip", b"not gzip")):
        with pytest.raises(ValueError, match="gzip"):
            decompress(data, encoding, 10)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b"\xff"])
def test_bodies_that_are_not_json_are_lost(body: bytes) -> None:
    with pytest.raises(LostAnswer, match="is not JSON"):
        HttpResponse({}, body).json()
