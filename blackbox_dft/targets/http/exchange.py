"""Exchange: a request as it was sent and its response, as text for a person, without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import httpx

from blackbox_dft.targets.http.messages import mask
from blackbox_dft.targets.http.secrets import SENSITIVE

MAX_BODY_CHARACTERS = 4000
"""Characters of a body that are shown."""
LONG_DATA = re.compile(r"[A-Za-z0-9+/=_-]{200,}|(?:[-\d.eE]+,\s*){40,}[-\d.eE]+")
"""An image or a tensor in base64, or as numbers."""
SHOWN_DATA = 24
"""Characters of it that are shown."""
BINARY = re.compile(r"[^\t\n\r\x20-\x7e\x80-\U0010ffff]|\ufffd")


@dataclass(frozen=True)
class Exchange:
    """A request as it was sent, and the response to it.

    >>> body = '{"image":"' + 300 * "A" + '"}'
    >>> kind = {"content-type": "application/json"}
    >>> request = httpx.Request("POST", "https://a/score?key=abc", content=body, headers=kind)
    >>> print(Exchange(request, httpx.Response(200), b'{"cat": 0.9}').text(["abc"]))
    > POST https://a/score?key=***
    > host: a
    > content-type: application/json
    > content-length: 312
    >
    > {"image":"AAAAAAAAAAAAAAAAAAAAAAAA... (300 characters)"}
    <BLANKLINE>
    < 200 OK
    <
    < {"cat": 0.9}
    """

    request: httpx.Request
    response: httpx.Response
    """Without its body."""
    body: bytes
    """Of the response, decompressed."""

    def text(self, secrets: Sequence[str] = ()) -> str:
        """Both as text: long data shortened, ``***`` in place of ``secrets`` and of headers that look like one."""
        url = mask(str(self.request.url.copy_with(query=None)), secrets)
        query = "&".join(
            f"{name}={'***' if SENSITIVE.search(name) else mask(value, secrets)}"
            for name, value in self.request.url.params.multi_items()
        )
        first = f"{self.request.method} {url}{'?' if query else ''}{query}"
        status = f"{self.response.status_code} {self.response.reason_phrase}"
        sent = _message(first, self.request.headers, self.request.read(), secrets)
        received = _message(status, self.response.headers, self.body, secrets)
        return "\n".join([*(f"> {line}".rstrip() for line in sent), "", *(f"< {line}".rstrip() for line in received)])


def _message(first: str, headers: httpx.Headers, body: bytes, secrets: Sequence[str]) -> Iterator[str]:
    yield first
    for name, value in headers.items():
        yield f"{name}: {'***' if SENSITIVE.search(name) else mask(value, secrets)}"
    yield ""
    yield from _readable(body, secrets).splitlines()


def _readable(body: bytes, secrets: Sequence[str]) -> str:
    """The beginning of ``body`` as text; of other bytes their number."""
    text = body[: 16 * MAX_BODY_CHARACTERS].decode("utf-8", "replace")
    if binary := BINARY.search(text):
        # An image of a form or a tensor after JSON; what comes before says what it is.
        text = text[: binary.start()]
        rest = len(body) - len(text.encode())
        text = f"{text.rstrip()} ({rest:,} bytes)".strip()
        return LONG_DATA.sub(_shortened, mask(text, secrets))
    text = LONG_DATA.sub(_shortened, mask(body.decode("utf-8", "replace"), secrets))
    if len(text) > MAX_BODY_CHARACTERS:
        text = f"{text[:MAX_BODY_CHARACTERS]}... ({len(text):,} characters)"
    return text


def _shortened(match: re.Match[str]) -> str:
    return f"{match[0][:SHOWN_DATA]}... ({len(match[0]):,} characters)"
