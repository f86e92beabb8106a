"""Transport: TLS and HTTP/2, against hypercorn with certificates of trustme."""

import asyncio
import json
import queue
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypercorn.asyncio
import pytest
import trustme
from hypercorn.config import Config

from blackbox_dft.deploy.serve.app import make_app
from blackbox_dft.errors import TargetError
from blackbox_dft.targets.http.messages import HttpRequest
from blackbox_dft.targets.http.transport import Transport
from blackbox_dft.targets.onnx.target import OnnxTarget
from tests.conftest import Bbdft
from tests.helpers.messages import errors
from tests.helpers.recording_server import RecordingServer, Reply
from tests.helpers.serving import serving, words


@dataclass
class EncryptedServer:
    url: str
    versions: set[str] = field(default_factory=set)
    """Of HTTP, as requests came in."""


@contextmanager
def encrypted(model: Path, folder: Path, authority: trustme.CA, *, clients: bool = False) -> Iterator[EncryptedServer]:
    """Serves the model over TLS; with ``clients``, only to clients with a certificate of the same authority."""
    authority.cert_pem.write_to_path(folder / "authority.pem")
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = Config()
    config.bind, config.accesslog, config.errorlog = [f"127.0.0.1:{port}"], None, None
    config.certfile = config.keyfile = str(folder / "server.pem")
    if clients:
        config.ca_certs, config.verify_mode = str(folder / "authority.pem"), ssl.CERT_REQUIRED
    server = EncryptedServer(f"https://localhost:{port}/v2/models/tone")
    app = make_app(OnnxTarget(model), "tone")

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        server.versions.add(scope.get("http_version", ""))
        await app(scope, receive, send)

    stop = asyncio.Event()
    loops: queue.Queue[asyncio.AbstractEventLoop] = queue.Queue()

    async def serve() -> None:
        loops.put(asyncio.get_running_loop())
        await hypercorn.asyncio.serve(noting, config, shutdown_trigger=stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    loop = loops.get()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def test_http2_gives_the_same_change(
    authority: trustme.CA, bbdft: Bbdft, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with encrypted(tiny / "model.onnx", tmp_path, authority) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        bbdft(*words(server.url, tiny, tmp_path / "run", concurrency=8), code=0)
    assert server.versions - {""} == {"2"}
    monkeypatch.delenv("SSL_CERT_FILE")
    with serving(tmp_path / "count") as url:
        bbdft(*words(url, tiny, tmp_path / "plain"), code=0)
    # The scores differ in the last bit or two of float32, and so does the learned change.
    first, second = (json.loads((tmp_path / run / "summary.json").read_text()) for run in ("run", "plain"))
    assert first["queries"] == second["queries"]
    assert first["accuracy"] == second["accuracy"]


def test_an_unknown_authority_is_not_trusted(authority: trustme.CA, bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    with encrypted(tiny / "model.onnx", tmp_path, authority) as server:
        done = bbdft(*words(server.url, tiny, tmp_path / "run"), "--quiet", code=4)
    assert "its TLS certificate cannot be trusted" in done.stderr
    assert "set SSL_CERT_FILE" in done.stderr
    assert len(errors(done.stderr)) == 1
    assert not (tmp_path / "run").exists()


def test_a_client_certificate_is_presented(
    authority: trustme.CA, bbdft: Bbdft, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.issue_cert("me@example.org").private_key_and_cert_chain_pem.write_to_path(tmp_path / "me.pem")
    with encrypted(tiny / "model.onnx", tmp_path, authority, clients=True) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        bbdft(*words(server.url, tiny, tmp_path / "run", cert=tmp_path / "me.pem"), code=0)
        refused = bbdft(*words(server.url, tiny, tmp_path / "other"), "--quiet", code=4)
    # The server closes the connection without a response.
    assert "broke off" in refused.stderr
    assert len(errors(refused.stderr)) == 1


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_a_certificate_that_cannot_be_read(text: str | None, bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    if text:
        (tmp_path / "me.pem").write_text(text)
    line = words("https://localhost:9/v2/models/x", tiny, tmp_path / "run", cert=tmp_path / "me.pem")
    done = bbdft(*line, "--quiet", code=2)
    assert "me.pem cannot be used" in done.stderr
    assert len(errors(done.stderr)) == 1


def test_a_server_without_tls(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "count") as url:
        done = bbdft(*words(url.replace("http:", "https:"), tiny, tmp_path / "run"), "--quiet", code=4)
    assert "does not use TLS" in done.stderr
    assert len(errors(done.stderr)) == 1


def test_a_server_that_does_not_serve_is_named_while_it_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("blackbox_dft.targets.http.transport.SILENT_SECONDS", 0.2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/score"
    transport = Transport(connections=1, timeout=10, patience=2)
    with pytest.raises(TargetError, match="did not serve for 2 s"):
        transport.send(HttpRequest("POST", url, {}, b"{}"))
    transport.close()
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith(f"{url} does not serve (no connection: ")
    assert warning.endswith("it is tried again, until 2 s without a success (--patience)")


@pytest.mark.parametrize(("text", "batch"), [("Batch size must be <= 4", True), ("no such field", False)])
def test_a_refusal_that_names_the_batch_advises_a_smaller_one(text: str, batch: bool) -> None:
    server = RecordingServer()
    server.respond = lambda body: Reply(400, {"error": text})
    transport = Transport(connections=1, timeout=10, patience=0)
    with pytest.raises(TargetError, match="refused: 400") as caught:
        transport.send(HttpRequest("POST", server.url, {}, b"{}"))
    assert ("give a smaller --batch" in str(caught.value)) == batch
    transport.close()
    server.server.shutdown()
