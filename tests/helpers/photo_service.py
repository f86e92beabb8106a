"""A photo API in a process of its own: it decodes the file it is sent, whatever its size, and says bright or dark.

It looks at the middle of a photo, a square of a third of the shorter side, so that squashing changes what it sees.
Scored images are counted in a file, to be compared with the ledger.
"""

import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from blackbox_dft._utils.types import ImageBytes
from tests.forked import FORKS

SIZES = ((120, 160), (160, 120), (90, 160), (128, 128))
PROFILE = """
name = "photo-api"
[request]
image = "jpeg:95"
body = "{bytes}"
[response]
items = "labels"
label = "name"
score = "score"
classes = ["dark", "bright"]
"""


def score(data: bytes) -> float:
    """Probability of bright, of an image file."""
    # Pillow leaves the EXIF orientation alone, as many services do.
    image = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.float64) / 255
    height, width = image.shape[:2]
    half = min(height, width) // 6
    middle = image[height // 2 - half : height // 2 + half, width // 2 - half : width // 2 + half]
    return float(1 / (1 + np.exp(-80 * (middle.mean() - 0.5))))


def _serve(count: Path, delay: float, started: Callable[[int], None]) -> None:
    lock, scored, kinds = threading.Lock(), 0, Counter[str]()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            nonlocal scored
            data = self.rfile.read(int(self.headers["content-length"]))
            time.sleep(delay)
            bright = score(data)
            with lock:
                scored += 1
                kinds[self.headers["content-type"]] += 1
                count.write_text(str(scored))
                count.with_suffix(".kinds").write_text(json.dumps(kinds))
            labels = [{"name": "bright", "score": bright}, {"name": "dark", "score": 1 - bright}]
            answer = json.dumps({"labels": labels}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    started(server.server_port)
    server.serve_forever()


@contextmanager
def photo_service(count: Path, delay: float = 0.0) -> Iterator[str]:
    """URL of the service."""
    ours, theirs = FORKS.Pipe()
    process = FORKS.Process(target=_serve, args=(count, delay, theirs.send), daemon=True)
    process.start()
    theirs.close()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/look"
    finally:
        process.kill()
        process.join()


def picture(size: tuple[int, int], level: float, rng: np.random.Generator) -> ImageBytes:
    """A disc of ``level`` with a light ring around it, on grey noise."""
    height, width = size
    y, x = np.mgrid[0:height, 0:width]
    away = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2) / min(height, width)
    image = np.where(away < 0.24, level, np.where(away < 0.4, 0.95, 0.3))
    return (255 * image[..., None] + rng.normal(0, 8, (height, width, 3))).clip(0, 255).astype(np.uint8)


def write_photos(folder: Path, count: int = 120, sizes: Sequence[tuple[int, int]] = SIZES) -> Path:
    """Photos of several sizes, JPEG and PNG, all a little too dark, with their table; its path."""
    rng = np.random.default_rng(0)
    lines = ["file,label,split"]
    (folder / "photos").mkdir(parents=True)
    for number in range(count):
        bright = number % 2
        level = 0.42 + 0.08 * bright + rng.normal(0, 0.014)
        image = picture(sizes[number // 2 % len(sizes)], level, rng)
        name = f"photos/{number:03d}.{'png' if number % 5 == 0 else 'jpg'}"
        cv2.imwrite(str(folder / name), image[..., ::-1])
        split = ("train", "val", "test", "test")[number // 2 % 7 % 4]
        lines.append(f"{name},{'bright' if bright else 'dark'},{split}")
    (folder / "profile.toml").write_text(PROFILE)
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder / "labels.csv"
