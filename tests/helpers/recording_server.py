"""A server that records requests and responds as a test demands."""

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np


@dataclass(frozen=True)
class Reply:
    """A response with a status of its own; a ``document`` of bytes is sent as it is."""

    status: int
    document: Any
    headers: dict[str, str] = field(default_factory=dict)


class RecordingServer:
    """Keeps every request in ``requests`` and responds with ``respond(body)`` as JSON, or as the ``Reply`` says.

    Requests without a body (GET) are kept in ``lookups`` and answered by ``describe(path)``, by default with 404.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.respond: Callable[[bytes], Any] = lambda body: {}
        self.lookups: list[str] = []
        self.describe: Callable[[str], Any] = lambda path: Reply(404, {"error": f"no {path}"})
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            # Else the body waits 40 ms for the client to acknowledge the headers.
            disable_nagle_algorithm = True

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                recorder.lookups.append(self.path)
                self.reply(recorder.describe(self.path))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                recorder.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                self.reply(recorder.respond(body))

            def reply(self, answer: Any) -> None:
                reply = answer if isinstance(answer, Reply) else Reply(200, answer)
                data = reply.document if isinstance(reply.document, bytes) else json.dumps(reply.document).encode()
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/score"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


def decoded(text: str) -> np.ndarray:
    """The RGB image of a base64 text."""
    return cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
