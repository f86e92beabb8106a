"""HTTP target: a scoring URL."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from typing_extensions import override

from blackbox_dft._utils.types import ImageBytes, Images, Scores
from blackbox_dft.errors import InputError, LostAnswer, TargetError
from blackbox_dft.targets.base import ConcurrentTarget, ExplainsNoScore, FileTarget, Target
from blackbox_dft.targets.http.exchange import Exchange
from blackbox_dft.targets.http.messages import HttpRequest, HttpResponse
from blackbox_dft.targets.http.profile_protocol import ProfileProtocol
from blackbox_dft.targets.http.profile_schema import profile_folder, read_profile
from blackbox_dft.targets.http.protocol import WireProtocol
from blackbox_dft.targets.http.secrets import REFERENCE, parse_header, resolve
from blackbox_dft.targets.http.transport import Transport
from blackbox_dft.targets.options import TargetOptions

DEFAULT_CONCURRENCY = 4
"""Requests at once if no number is given and none has been measured."""
MAX_CONCURRENCY = 16
"""The most requests at once if no number is given."""
DISCOVERY_PATIENCE = 10.0
"""Seconds of retries for a server's metadata."""
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


class HttpTarget(Target, ConcurrentTarget, ExplainsNoScore, FileTarget):
    """A model behind a URL, by the Open Inference Protocol V2 or as a profile declares it.

    Args:
        url: of the service.
        options: how to call it.
        observe: called with the text of each request and its response, metadata included, without secrets; in a
            thread of its own.

    >>> target = HttpTarget("https://example.com", TargetOptions(profile="image-json", classes=("cat", "dog")))
    >>> target.classes, target.batch
    (('cat', 'dog'), 1)

    Raises:
        InputError: an impossible URL, profile or header, or a secret over plain http.
        TargetError: the server does not respond, or not as the protocol demands.
    """

    def __init__(
        self, url: str, options: TargetOptions | None = None, *, observe: Callable[[str], None] | None = None
    ) -> None:
        options = options or TargetOptions()
        self.name = url
        self.workers = options.workers or DEFAULT_CONCURRENCY
        self.max_workers = options.workers or MAX_CONCURRENCY
        self.protocol, secrets = _wire_protocol(url, options)

        def show(exchange: Exchange) -> None:
            assert observe
            observe(exchange.text(secrets))

        self.transport = Transport(
            connections=self.max_workers,
            timeout=options.timeout,
            patience=options.patience,
            rate=options.rate,
            secrets=tuple(secrets),
            cert=options.cert,
            observe=show if observe else None,
        )
        # With a mistyped URL, the user should not wait as long as for a server with a temporary problem.
        self.transport.patience = min(options.patience, DISCOVERY_PATIENCE)
        try:
            info = self.protocol.discover(self.transport, options)
        except LostAnswer as error:
            self.transport.close()
            raise TargetError(f"{self.transport.clean(str(error))}: is {url} the right URL and --profile?") from error
        except InputError as error:
            self.transport.close()
            raise InputError(self.transport.clean(str(error))) from error
        except BaseException:
            self.transport.close()
            raise
        self.transport.patience = options.patience
        self.classes = options.classes or info.classes
        self.image_size = info.image_size
        self.batch = options.batch or info.batch
        self._info = info
        self.fingerprint = blake2b(self.protocol.identity.encode(), digest_size=16).hexdigest()

    @override
    def scores(self, images: ImageBytes | Images) -> Scores:
        return self.prepare(images)().result()

    @override
    def prepare(self, images: ImageBytes | Images) -> Callable[[], Future[Scores]]:
        return self._prepared(self.protocol.request(images), len(images))

    @override
    def prepare_file(self, data: bytes, kind: str) -> Callable[[], Future[Scores]] | None:
        request = self.protocol.file_request(data, kind)
        return self._prepared(request, 1) if request else None

    def _prepared(self, request: HttpRequest, count: int) -> Callable[[], Future[Scores]]:
        def read(response: HttpResponse) -> Scores:
            return self.protocol.scores(response, count)

        return lambda: self.transport.submit(request, read)

    @override
    def explain_no_score(self) -> str | None:
        hint = self.protocol.explain_no_score()
        return None if hint is None else self.transport.clean(hint)

    @property
    @override
    def retries(self) -> int:
        return self.transport.retries

    @property
    @override
    def throttled(self) -> int:
        return self.transport.throttled

    @override
    def describe(self) -> dict[str, Any]:
        return {
            "target": self.name,
            "provider": "url",
            **self._info.description,
            "classes": self.classes,
            "image_size": self.image_size,
            "concurrency": self.workers,
            "notes": list(self._info.notes),
        }

    @override
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.transport.close()


def _wire_protocol(url: str, options: TargetOptions) -> tuple[WireProtocol, list[str]]:
    """The wire protocol of ``url``, and the values of all secrets in its requests."""
    parts = urlsplit(url)
    try:
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        raise InputError(f"{url} is not a URL ({error}): write http://host:port/path.") from error
    if not host:
        raise InputError(f"{url} names no host: write http://host:port/path.")
    if parts.username or parts.password:
        raise InputError(
            "the URL contains a password, which would be stored in the run's files: "
            "give it as --header 'Authorization: Basic {env:VARIABLE}'."
        )
    texts: dict[str, tuple[str, Path | None]] = {}
    profile = None if options.profile == "v2" else read_profile(options.profile)
    folder = profile_folder(options.profile)
    if profile is not None:
        texts |= {str(k): (str(v), folder) for k, v in profile["request"].get("headers", {}).items()}
    texts |= {name: (value, None) for name, value in map(parse_header, options.headers)}
    headers: dict[str, str] = {}
    secrets: list[str] = []
    for name, (text, place) in texts.items():
        headers[name], values = resolve(text, place)
        secrets += values
    if profile is not None:
        strings = filter(REFERENCE.search, _strings(profile["request"]))
        secrets += [value for text in strings for value in resolve(text, folder)[1]]
    if secrets and parts.scheme == "http" and host not in LOCAL_HOSTS and not options.insecure:
        raise InputError(f"{url} would carry a secret unencrypted: use https, or give --insecure.")
    if profile is None:
        from blackbox_dft.targets.http.v2_protocol import V2Protocol

        return V2Protocol(url, options, headers), secrets
    sign = None
    if scheme := profile["request"].get("sign"):
        from blackbox_dft.targets.http.aws import AwsSigner

        kind, _, service = str(scheme).partition(":")
        if kind != "aws" or not service:
            raise InputError(f"--profile {options.profile}: sign = {scheme!r} is not known: write 'aws:SERVICE'.")
        sign = AwsSigner(service, url)
        secrets += sign.secrets
    return ProfileProtocol(url, profile, options, headers, sign), secrets


def _strings(node: Any) -> list[str]:
    if isinstance(node, str):
        return [node]
    if isinstance(node, dict):
        return [text for value in node.values() for text in _strings(value)]
    return [text for value in node for text in _strings(value)] if isinstance(node, list) else []
