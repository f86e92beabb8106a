"""A scoring URL as a target."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from hashlib import blake2b
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from blackbox_dft._utils.types import ImageBytes, Images, Scores
from blackbox_dft.errors import InputError, LostAnswer, TargetError
from blackbox_dft.targets.http.messages import HttpResponse
from blackbox_dft.targets.http.profile_protocol import ProfileProtocol
from blackbox_dft.targets.http.profile_schema import read_profile
from blackbox_dft.targets.http.protocol import WireProtocol
from blackbox_dft.targets.http.secrets import REFERENCE, parse_header, resolve
from blackbox_dft.targets.http.transport import Transport
from blackbox_dft.targets.options import TargetOptions

CONCURRENCY = 4
"""Requests at once where no number is given and none has been found."""
MOST = 16
"""Requests at once that are tried where no number is given."""
FIRST_PATIENCE = 10.0
"""Seconds to meet a server in."""
LOCAL = ("localhost", "127.0.0.1", "::1")


class HttpTarget:
    """Scores images by HTTP, ``workers`` requests at a time.

    Raises:
        InputError: an impossible URL, profile or header, or a secret over plain http.
        TargetError: the server cannot be met.
    """

    def __init__(self, url: str, options: TargetOptions | None = None) -> None:
        options = options or TargetOptions()
        self.name = url
        self.workers = options.workers or CONCURRENCY
        self.most = options.workers or MOST
        self.protocol, secrets = _speaks(url, options)
        self.transport = Transport(
            connections=self.most,
            timeout=options.timeout,
            patience=options.patience,
            rate=options.rate,
            secrets=tuple(secrets),
            cert=options.cert,
        )
        # Whoever mistypes a URL should not wait for as long as a server in trouble is given.
        self.transport.patience = min(options.patience, FIRST_PATIENCE)
        try:
            met = self.protocol.meet(self.transport, options)
        except LostAnswer as error:
            self.transport.close()
            raise TargetError(f"{self.transport.clean(str(error))}: is {url} the right URL and --profile?") from error
        except BaseException:
            self.transport.close()
            raise
        self.transport.patience = options.patience
        self.classes = options.classes or met.classes
        self.image_size = met.image_size
        self.batch = options.batch or met.batch
        self._about, self._notes = met.about, met.notes
        self.fingerprint = blake2b(self.protocol.identity.encode(), digest_size=16).hexdigest()

    def scores(self, images: ImageBytes | Images) -> Scores:
        """``(N, H, W, 3)`` to ``(N, K)``, in one request."""
        return self.ready(images)().result()

    def ready(self, images: ImageBytes | Images) -> Callable[[], Future[Scores]]:
        """The request for ``images (N, H, W, 3)``; calling it sends it and does not wait."""
        request, count = self.protocol.request(images), len(images)

        def read(answer: HttpResponse) -> Scores:
            return self.protocol.scores(answer, count)

        return lambda: self.transport.post(request, read)

    @property
    def resent(self) -> int:
        """Requests sent again so far, as they had not been served."""
        return self.transport.resent

    @property
    def slowed(self) -> int:
        """How often the server has said to wait or to come less often, so far."""
        return self.transport.slowed

    def describe(self) -> dict[str, Any]:
        """What ``bbdft inspect`` prints."""
        return {
            "target": self.name,
            "provider": "url",
            **self._about,
            "classes": self.classes,
            "image_size": self.image_size,
            "concurrency": self.workers,
            "notes": list(self._notes),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.transport.close()


def _speaks(url: str, options: TargetOptions) -> tuple[WireProtocol, list[str]]:
    parts = urlsplit(url)
    try:
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        raise InputError(f"{url} is no URL ({error}): write http://host:port/path.") from error
    if not host:
        raise InputError(f"{url} names no host: write http://host:port/path.")
    if parts.username or parts.password:
        raise InputError(
            "the URL holds a password, which would be kept in the run's files: "
            "give it as --header 'Authorization: Basic {env:VARIABLE}'."
        )
    texts = dict(parse_header(text) for text in options.headers)
    table = None if options.profile == "v2" else read_profile(options.profile)
    if table is not None:
        texts = {**{str(k): str(v) for k, v in table["request"].get("headers", {}).items()}, **texts}
    headers: dict[str, str] = {}
    secrets: list[str] = []
    for name, text in texts.items():
        headers[name], values = resolve(text)
        secrets += values
    if table is not None:
        secrets += [
            value for text in _strings(table["request"]) if REFERENCE.search(text) for value in resolve(text)[1]
        ]
    if secrets and parts.scheme == "http" and host not in LOCAL and not options.insecure:
        raise InputError(f"{url} would carry a secret unencrypted: use https, or give --insecure if that is meant.")
    if table is None:
        from blackbox_dft.targets.http.v2_protocol import V2Protocol

        return V2Protocol(url, options, headers), secrets
    sign = None
    if scheme := table["request"].get("sign"):
        from blackbox_dft.targets.http.aws import Signer

        kind, _, service = str(scheme).partition(":")
        if kind != "aws" or not service:
            raise InputError(f"--profile {options.profile}: sign = {scheme!r} is not known: write 'aws:SERVICE'.")
        sign = Signer(service, url)
        secrets += sign.secrets
    return ProfileProtocol(url, table, options, headers, sign), secrets


def _strings(node: Any) -> list[str]:
    if isinstance(node, str):
        return [node]
    if isinstance(node, dict):
        return [text for value in node.values() for text in _strings(value)]
    return [text for value in node for text in _strings(value)] if isinstance(node, list) else []
