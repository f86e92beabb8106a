"""Protocols written down as TOML: how a batch becomes a request, how an answer becomes scores.

::

    name = "image-json"
    batch = 1                                   # images of a request, at most
    [request]
    path = "/classify"                          # appended to the URL
    image = "png"                               # png or jpeg:Q, for {base64} and {bytes}
    headers = { Authorization = "Bearer {env:API_KEY}" }
    query = { features = "faces" }
    sign = "aws:rekognition"                    # Signature Version 4, credentials by botocore
    json = { image = "{base64}" }               # or: form = { file = "{bytes}", lang = "en" }
    [response]
    rows = "predictions"                        # JMESPath: a list with one entry an image; the whole answer if left out
    items = "labels"                            # JMESPath in a row: a list of labels with scores
    label = "name"
    score = "confidence"
    scale = 100                                 # what the scores are divided by
    words = { VERY_LIKELY = 0.95, LIKELY = 0.75 }
    classes = ["smile", "other"]                # names, and order, of the scores

In ``json``, ``{base64}`` is the image as base64 of the file, ``{pixels}`` its values in [0, 1] as nested lists (height,
width, 3), ``{levels}`` the same in 0..255; a list whose one element holds such a mark is repeated for every image, and
``{all-pixels}`` is all images at once. Without ``items`` a row is itself a list of scores. A label that is missing has
score 0; an image without any row or label is "no score": all classes alike.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from blackbox_dft._utils.types import ImageBytes, Images, Scores
from blackbox_dft.errors import InputError, LostAnswer, TargetError
from blackbox_dft.images.encoding import to_bytes, to_floats
from blackbox_dft.targets.http.messages import HttpRequest, HttpResponse
from blackbox_dft.targets.http.protocol import ServerInfo, checked
from blackbox_dft.targets.http.secrets import resolve
from blackbox_dft.targets.http.transport import Transport
from blackbox_dft.targets.options import TargetOptions

MARKS = ("{base64}", "{pixels}", "{levels}")


@dataclass(eq=False)
class ProfileProtocol:
    """A server spoken to as a profile says."""

    url: str
    table: dict[str, Any]
    options: TargetOptions
    headers: dict[str, str]
    """Resolved: they hold secrets."""
    sign: Callable[[HttpRequest], HttpRequest] | None = None
    no_scores: int = 0
    """Images that the server had no scores for."""

    def __post_init__(self) -> None:
        import jmespath
        from jmespath.exceptions import JMESPathError

        answer = self.table.get("response", {})
        try:
            compile_ = {
                key: jmespath.compile(answer[key])
                for key in ("rows", "items", "label", "score", "error")
                if key in answer
            }
        except JMESPathError as error:
            raise InputError(f"the profile's [response] holds no JMESPath: {str(error).splitlines()[0]}.") from error
        self._find = compile_
        self._request = self.table["request"]
        classes = self.options.classes or answer.get("classes")
        self.classes = tuple(map(str, classes)) if classes else None
        if "items" in answer and self.classes is None:
            raise InputError("this profile's answers name their labels: say which there are, --model-classes a,b,c.")
        self._query = {key: resolve(str(value))[0] for key, value in self._request.get("query", {}).items()}

    @property
    def identity(self) -> str:
        """The profile's text as written, references unresolved."""
        return json.dumps([self.url, self.table, self.classes], sort_keys=True)

    def meet(self, transport: Transport, options: TargetOptions) -> ServerInfo:
        """Such servers do not say what they are."""
        batch = int(self.table.get("batch", 1))
        about = {"profile": self.table.get("name"), "image": self._request.get("image", "png")}
        return ServerInfo(self.classes, options.size, min(batch, options.batch or batch), about)

    def request(self, images: ImageBytes | Images) -> HttpRequest:
        """The body of the profile, filled in."""
        from httpx import URL

        url = str(URL(self.url.rstrip("/") + self._request.get("path", "")).copy_merge_params(self._query))
        method = self._request.get("method", "POST")
        if "form" in self._request:
            data = self._encoded(images[0])
            kind = "image/jpeg" if self._request.get("image", "png").startswith("jpeg") else "image/png"
            form = {key: resolve(str(value))[0] for key, value in self._request["form"].items()}
            parts = {k: (f"image.{kind[6:]}", data, kind) for k, v in form.items() if v == "{bytes}"}
            fields = {k: v for k, v in form.items() if v != "{bytes}"}
            return HttpRequest(method, url, self.headers, parts=parts, fields=fields)
        body = json.dumps(self._filled(self._request["json"], images)).encode()
        headers = {"content-type": "application/json", **{name.lower(): text for name, text in self.headers.items()}}
        sent = HttpRequest(method, url, headers, body)
        return self.sign(sent) if self.sign else sent

    def _filled(self, node: Any, images: ImageBytes | Images) -> Any:
        if isinstance(node, dict):
            return {key: self._filled(value, images) for key, value in node.items()}
        if isinstance(node, list):
            if len(node) == 1 and any(mark in json.dumps(node) for mark in MARKS):
                return [self._filled(node[0], images[i : i + 1]) for i in range(len(images))]
            return [self._filled(value, images) for value in node]
        if not isinstance(node, str):
            return node
        if node == "{all-pixels}":
            return np.round(to_floats(images), 6).tolist()
        if node == "{pixels}":
            return np.round(to_floats(images[0]), 6).tolist()
        if node == "{levels}":
            return to_bytes(images[0]).tolist()
        if "{base64}" in node:
            return node.replace("{base64}", base64.b64encode(self._encoded(images[0])).decode())
        return resolve(node)[0]

    def _encoded(self, image: ImageBytes | Images) -> bytes:
        import cv2

        form, _, quality = self._request.get("image", "png").partition(":")
        options = [cv2.IMWRITE_JPEG_QUALITY, int(quality or 95)] if form == "jpeg" else []
        _, data = cv2.imencode(f".{form}", to_bytes(image)[..., ::-1], options)
        return bytes(data.tobytes())

    def scores(self, answer: HttpResponse, count: int) -> Scores:
        """Rows found by the profile's JMESPath."""
        document = answer.json()
        if "error" in self._find and (text := self._find["error"].search(document)):
            raise TargetError(f"the server refused: {text}")
        rows = self._find["rows"].search(document) if "rows" in self._find else document
        if count == 1 and "rows" not in self._find:
            rows = [rows]
        if rows is None:
            rows = []
        if not isinstance(rows, list):
            raise LostAnswer("the server's answer has no list where the profile's 'rows' looks")
        if count == 1 and not rows:
            rows = [None]
        if len(rows) != count:
            raise LostAnswer(f"the server answered {len(rows)} rows for {count} images")
        return checked([self._row(row) for row in rows], count)

    def _row(self, row: Any) -> list[float]:
        said = self.table.get("response", {})
        scale = float(said.get("scale", 1))
        if "items" not in self._find:
            values = row if isinstance(row, list) else [row]
            if row is None or not values:
                self.no_scores += 1
                if self.classes is None:
                    raise LostAnswer("the server answered no scores, and how many there are is not known")
                return [0.0] * len(self.classes)
            return [self._number(value) / scale for value in values]
        assert self.classes is not None
        found = dict.fromkeys(self.classes, 0.0)
        items = self._find["items"].search(row) if row is not None else None
        for item in items or []:
            label = str(self._find["label"].search(item) if "label" in self._find else item)
            if label in found:
                found[label] = self._number(self._find["score"].search(item) if "score" in self._find else 1.0) / scale
        if not any(found.values()):
            self.no_scores += 1
        return list(found.values())

    def _number(self, value: Any) -> float:
        words = self.table.get("response", {}).get("words", {})
        if isinstance(value, str) and value in words:
            return float(words[value])
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            raise LostAnswer(f"the server answered {str(value)[:60]!r} where a score should be") from error
