"""Profile protocol: requests and responses of a server as a TOML file, the profile, declares them.

::

    name = "image-json"
    batch = 1                                   # images of a request
    [request]
    path = "/classify"                          # appended to the URL
    image = "png"                               # png or jpeg:Q, for {base64} and {bytes}
    headers = { Authorization = "Bearer {env:API_KEY}" }
    query = { features = "faces" }
    sign = "aws:rekognition"                    # Signature Version 4, credentials by botocore
    json = { image = "{base64}" }               # or: form = { file = "{bytes}", lang = "en" }
    [response]
    rows = "predictions"                        # JMESPath: a list, one entry for each image; default: the response
    items = "labels"                            # JMESPath in a row: a list of labels with scores
    label = "name"
    score = "confidence"
    scale = 100                                 # scores are divided by it
    words = { VERY_LIKELY = 0.95, LIKELY = 0.75 }
    classes = ["smile", "other"]                # names, and order, of the scores

In ``json``, ``{base64}`` is the image file as base64, ``{pixels}`` its values in [0, 1] as nested lists (height, width,
3), ``{levels}`` the same in 0..255. A list whose only element contains such a mark is repeated for every image, and
``{all-pixels}`` is all images at once. Without ``items``, a row is itself a list of scores. A label that is missing has
score 0; an image without a row or a known label has "no score": 0 for all classes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.types import ImageBytes, Images, Scores
from blackbox_dft.errors import InputError, LostAnswer, TargetError
from blackbox_dft.images.encoding import to_bytes, to_floats
from blackbox_dft.targets.http.messages import HttpRequest, HttpResponse
from blackbox_dft.targets.http.protocol import ServerInfo, WireProtocol, check_scores
from blackbox_dft.targets.http.secrets import resolve
from blackbox_dft.targets.http.transport import Transport
from blackbox_dft.targets.options import TargetOptions

MARKS = ("{base64}", "{pixels}", "{levels}")


@dataclass(eq=False)
class ProfileProtocol(WireProtocol):
    """The wire protocol that a profile declares.

    >>> profile = {"name": "x", "request": {"json": {"images": ["{levels}"]}}, "response": {"rows": "rows"}}
    >>> protocol = ProfileProtocol("https://example.com", profile, TargetOptions(), {})
    >>> protocol.request(np.zeros((2, 1, 1, 3), np.uint8)).content
    b'{"images": [[[[0, 0, 0]]], [[[0, 0, 0]]]]}'
    >>> protocol.scores(HttpResponse({}, b'{"rows": [[0.25, 0.75]]}'), 1)
    array([[0.25, 0.75]], dtype=float32)
    """

    url: str
    profile: dict[str, Any]
    options: TargetOptions
    headers: dict[str, str]
    """With secrets in place of references."""
    sign: Callable[[HttpRequest], HttpRequest] | None = None
    no_scores: int = 0
    """Images for which the server had no score."""

    def __post_init__(self) -> None:
        import jmespath
        from jmespath.exceptions import JMESPathError

        self._request, self._response = self.profile["request"], self.profile.get("response", {})
        try:
            self._paths = {
                key: jmespath.compile(self._response[key])
                for key in ("rows", "items", "label", "score", "error")
                if key in self._response
            }
        except JMESPathError as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"the profile's [response] contains an invalid JMESPath: {reason}.") from error
        classes = self.options.classes or self._response.get("classes")
        self.classes = tuple(map(str, classes)) if classes else None
        if "items" in self._response and self.classes is None:
            raise InputError("the responses of this profile name labels: list them all with --model-classes a,b,c.")
        self._query = {key: resolve(str(value))[0] for key, value in self._request.get("query", {}).items()}

    @property
    @override
    def identity(self) -> str:
        # References stay unresolved, so that no secret gets into the fingerprint.
        return json.dumps([self.url, self.profile, self.classes], sort_keys=True)

    @override
    def discover(self, transport: Transport, options: TargetOptions) -> ServerInfo:
        batch = int(self.profile.get("batch", 1))
        description = {"profile": self.profile.get("name"), "image": self._request.get("image", "png")}
        return ServerInfo(self.classes, options.size, min(batch, options.batch or batch), description)

    @override
    def request(self, images: ImageBytes | Images) -> HttpRequest:
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
        request = HttpRequest(method, url, headers, body)
        return self.sign(request) if self.sign else request

    def _filled(self, node: Any, images: ImageBytes | Images) -> Any:
        """A part of the profile's ``json`` with its marks replaced."""
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

        kind, _, quality = self._request.get("image", "png").partition(":")
        options = [cv2.IMWRITE_JPEG_QUALITY, int(quality or 95)] if kind == "jpeg" else []
        _, data = cv2.imencode(f".{kind}", to_bytes(image)[..., ::-1], options)
        return bytes(data.tobytes())

    @override
    def scores(self, response: HttpResponse, count: int) -> Scores:
        document = response.json()
        if "error" in self._paths and (text := self._paths["error"].search(document)):
            raise TargetError(f"the server refused: {text}")
        rows = self._paths["rows"].search(document) if "rows" in self._paths else document
        if count == 1 and "rows" not in self._paths:
            rows = [rows]
        if rows is None:
            rows = []
        if not isinstance(rows, list):
            raise LostAnswer("the server's response has no list at the profile's 'rows'")
        if count == 1 and not rows:
            rows = [None]
        if len(rows) != count:
            raise LostAnswer(f"the server returned {len(rows)} rows for {count} images")
        return check_scores([self._row(row) for row in rows], count)

    def _row(self, row: Any) -> list[float]:
        scale = float(self._response.get("scale", 1))
        if "items" not in self._paths:
            values = row if isinstance(row, list) else [row]
            if row is None or not values:
                self.no_scores += 1
                if self.classes is None:
                    raise LostAnswer("the server returned no scores, and their number is not known")
                return [0.0] * len(self.classes)
            return [self._number(value) / scale for value in values]
        assert self.classes is not None
        scores = dict.fromkeys(self.classes, 0.0)
        items = self._paths["items"].search(row) if row is not None else None
        for item in items or []:
            label = str(self._paths["label"].search(item) if "label" in self._paths else item)
            if label in scores:
                score = self._paths["score"].search(item) if "score" in self._paths else 1.0
                scores[label] = self._number(score) / scale
        if not any(scores.values()):
            self.no_scores += 1
        return list(scores.values())

    def _number(self, value: Any) -> float:
        words = self._response.get("words", {})
        if isinstance(value, str) and value in words:
            return float(words[value])
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            raise LostAnswer(f"the server returned {str(value)[:60]!r} instead of a score") from error
