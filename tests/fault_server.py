"""A V2 server with faults, in one process; ``python -m tests.fault_server`` runs it alone.

It scores the task of the tiny model in NumPy and counts scored images in a file, to be compared with the ledger.
``--fault KIND --share 0.1`` applies the fault KIND to that share of the inference requests, seeded.
"""

import argparse
import gzip
import json
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from blackbox_dft.targets.http.v2_tensors import decode_request, encode_response

KINDS = ("500", "502", "503", "429", "reset-before", "reset-after", "half", "garbage", "rows", "nan", "silence")
KINDS += ("400", "redirect", "loop", "large", "deep", "slow", "late", "gzip", "bomb", "packed", "permuted")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    options: argparse.Namespace
    lock = threading.Lock()
    scored = 0
    calls = 0
    busy = 0
    bomb = b""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path != "/v2/models/tone":
            self.reply(404, {"error": f"no {self.path}"})
            return
        self.reply(
            200,
            {
                "name": "tone",
                "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 3, 16, 16]}],
                "outputs": [{"name": "tone", "datatype": "FP32", "shape": [-1, 2]}],
                "parameters": {"classes": "dark,bright"},
            },
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if not self.path.endswith("/infer"):
            self.reply(404, {"error": f"no {self.path}"})
            return
        with self.lock:
            Handler.calls += 1
            # Whether a request gets the fault depends on its number alone.
            fault = random.Random(Handler.calls).random() < self.options.share
        kind = self.options.fault if fault else ""
        if not self.before(kind):
            return
        (images,) = decode_request(self.headers, body)[0].values()
        with self.lock:
            crowded = 0 < self.options.crowd <= Handler.busy
            Handler.busy += not crowded
        if crowded:
            self.reply(429, {"error": "one after the other"}, {"retry-after": "0"})
            return
        time.sleep(self.options.delay)
        with self.lock:
            Handler.busy -= 1
        moved = 0.03 if self.options.drift and Handler.scored > self.options.drift else 0
        logits = 80 * (images.mean(axis=(1, 2, 3)).astype(np.float64) - 0.5 + moved)
        bright = 1 / (1 + np.exp(-logits))
        scores = np.stack([1 - bright, bright], axis=1).astype(np.float32)
        with self.lock:
            Handler.scored += len(images)
            self.options.count.write_text(str(Handler.scored))
        self.after(kind, scores)

    def before(self, kind: str) -> bool:
        """Applies faults that come before the scoring; returns whether to score."""
        if kind in ("500", "502", "503"):
            self.reply(int(kind), {"error": "out of order"})
        elif kind == "429":
            self.reply(429, {"error": "slow down"}, {"retry-after": "0"})
        elif kind == "400":
            secret = self.headers.get("authorization", "nothing")
            self.reply(400, {"error": f"the image is too dull (authorization: {secret})"})
        elif kind == "redirect":
            self.reply(307, {}, {"location": "http://elsewhere.invalid/?key=abc"})
        elif kind == "loop":
            self.reply(307, {}, {"location": self.path})
        elif kind == "reset-before":
            self.reset()
        else:
            return True
        return False

    def after(self, kind: str, scores: np.ndarray) -> None:
        if kind == "reset-after":
            self.reset()
            return
        if kind == "silence":
            time.sleep(self.options.silence)
            self.reset()
            return
        if kind == "late":
            time.sleep(self.options.silence)
        if kind == "permuted":
            scores = scores[:, ::-1]
        if kind == "rows":
            scores = scores[:-1]
        if kind == "nan":
            scores[0, 0] = np.nan
        headers, data = encode_response("tone", {"tone": scores}, binary=True)
        if kind == "garbage":
            headers, data = {"content-type": "text/html"}, b"<html>Welcome to our proxy</html>"
        if kind == "deep":
            headers, data = {"content-type": "application/json"}, b'{"outputs":' + b"[" * 100_000
        if kind == "large":
            headers, data = {"content-type": "application/json"}, b" " * (70 << 20)
        if kind in ("gzip", "bomb"):
            data = gzip.compress(data) if kind == "gzip" else self.bomb
            headers = {**headers, "content-encoding": "gzip"}
        if kind == "packed":
            data, headers = gzip.compress(gzip.compress(data)), {**headers, "content-encoding": "gzip, gzip"}
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if kind == "half":
            self.wfile.write(data[: len(data) // 2])
            self.reset()
        elif kind == "slow":
            for byte in data:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(0.2)
        else:
            self.wfile.write(data)

    def reset(self) -> None:
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def reply(self, status: int, document: object, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Silent: tests kill many clients."""


def main(
    line: Sequence[str] | None = None, ready: Callable[[int], object] = lambda port: print(port, flush=True)
) -> None:
    """Serves with the flags in ``line``, and passes its port to ``ready``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fault", choices=("", *KINDS), default="")
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--silence", type=float, default=30.0)
    parser.add_argument("--drift", type=int, default=0, help="another model after N images")
    parser.add_argument("--crowd", type=int, default=0, help="refuse more requests at once than this")
    parser.add_argument("--swift", type=int, default=0, help="no pause between the parts of a response")
    parser.add_argument("--count", type=Path, required=True)
    Handler.options = parser.parse_args(line)
    Handler.disable_nagle_algorithm = bool(Handler.options.swift)
    if Handler.options.fault == "bomb":
        # 200 MiB in 200 kB.
        Handler.bomb = gzip.compress(bytes(200 << 20))
    server = Server(("127.0.0.1", 0), Handler)
    ready(server.server_address[1])
    server.serve_forever()


if __name__ == "__main__":
    main()
