"""HTTP messages: JSON bodies, Retry-After, compressed bodies, and what messages show of them."""

import email.utils
import gzip
import time

import pytest

from blackbox_dft.errors import LostAnswer
from blackbox_dft.targets.http.messages import MAX_TEXT_CHARACTERS, HttpResponse, clip, decompress, mask, retry_after


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


def test_no_content_is_no_document() -> None:
    assert HttpResponse({}, b"", 204).json() is None


def test_a_secret_is_masked_before_the_text_is_cut() -> None:
    secret = "s3cr3t-" * 5
    for before in range(MAX_TEXT_CHARACTERS - len(secret) - 5, MAX_TEXT_CHARACTERS + 5):
        text = clip(b"x" * before + secret.encode() + b" end", [secret])
        assert len(text) <= MAX_TEXT_CHARACTERS
        assert "s3" not in text
    with pytest.raises(LostAnswer, match=r"is not JSON \(the key \*\*\* is wrong\)"):
        HttpResponse({}, b"the key abc is wrong", secrets=("abc",)).json()


def test_secrets_are_masked_in_the_forms_that_urls_and_json_have() -> None:
    assert mask('a+b&c a%2Bb%26c "x\\"y"', ["a+b&c", 'x"y']) == '*** *** "***"'
    # The longer one first, so that no end of it is left.
    assert mask("abcdef", ["abc", "abcdef"]) == "***"


def test_pages_are_shown_without_markup() -> None:
    page = b"<html><style>b {color: red}</style><script>go()</script><h1>502 Bad\nGateway</h1><p>nginx</html>"
    assert clip(page) == "502 Bad Gateway nginx"
    assert clip(b"5 < 6 > 4") == "5 < 6 > 4"
    assert clip(b"") == "no text"
    assert clip(b"\xff\xfe") == "\ufffd\ufffd"
