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
    json = { image = "{base64}" }               # or form = { file = "{bytes}", lang = "en" }, or body = "{bytes}"
    [response]
    rows = "predictions"                        # JMESPath: a list, one entry for each image; default: the response
    items = "labels"                            # JMESPath in a row: labels with scores, a list or an object
    label = "name"                              # JMESPath in an item
    score = "confidence"                        # default: 1 for a label that is there
    labels = "displayNames"                     # instead of items: JMESPaths in a row to two lists of equal length
    scores = "confidences"
    scale = 100                                 # scores are divided by it, and percentages ("62.5 %") by 100
    words = { VERY_LIKELY = 0.95, LIKELY = 0.75 }
    classes = ["smile", "other"]                # names, and order, of the scores
    error = "error.message"                     # JMESPath: ends the run if it is there
    no_score = "status == 'NO_FACE'"            # JMESPath in the response or a row: the service found nothing

In ``json`` and ``form``, ``{base64}`` is the image file as base64; in ``json``, ``{pixels}`` are its values in [0, 1]
as nested lists (height, width, 3), ``{levels}`` the same in 0..255. A list whose only element contains such a mark is
repeated for every image, and ``{all-pixels}`` is all images at once. A ``form`` with ``{bytes}`` is multipart, one
without is URL-encoded. ``body = "{bytes}"`` sends the image file as it is, with its own ``Content-Type`` unless
``headers`` has another. Without ``items`` and ``labels``, a row is itself a list of scores. Labels match ignoring case.
A label that is missing has score 0; an image without a row or a known label has "no score": 0 for all classes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.types import ImageBytes, Images, Scores
from blackbox_dft.errors import InputError
from blackbox_dft.images.encoding import to_bytes, to_floats
from blackbox_dft.targets.http.messages import HttpRequest, HttpResponse
from blackbox_dft.targets.http.profile_response import ProfileResponse
from blackbox_dft.targets.http.profile_schema import MARKS, holds_many, profile_folder
from blackbox_dft.targets.http.protocol import ServerInfo, WireProtocol
from blackbox_dft.targets.http.secrets import resolve
from blackbox_dft.targets.http.transport import Transport
from blackbox_dft.targets.options import TargetOptions


class _File(NamedTuple):
    """An image file that is sent as it is."""

    data: bytes
    kind: str


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

    def __post_init__(self) -> None:
        self._request, self._response = self.profile["request"], self.profile.get("response", {})
        classes = self.options.classes or self._response.get("classes")
        self.classes = tuple(map(str, classes)) if classes else None
        self._reader = ProfileResponse(self._response, self.classes, self.options.profile)
        self._folder = profile_folder(self.options.profile)
        self._query = {
            key: resolve(str(value), self._folder)[0] for key, value in self._request.get("query", {}).items()
        }

    @property
    @override
    def identity(self) -> str:
        # References stay unresolved, so that no secret gets into the fingerprint.
        return json.dumps([self.url, self.profile, self.classes], sort_keys=True)

    @override
    def discover(self, transport: Transport, options: TargetOptions) -> ServerInfo:
        batch = int(self.profile.get("batch", 1))
        if (options.batch or 1) > 1 and not holds_many(self._request):
            raise InputError(
                f"--batch {options.batch}: a request of the profile {options.profile} holds one image: leave --batch "
                "out, or put the image's mark into a list of its own in the profile."
            )
        description = {"profile": self.profile.get("name"), "image": self._request.get("image", "png")}
        return ServerInfo(self.classes, options.size, min(batch, options.batch or batch), description)

    @override
    def request(self, images: ImageBytes | Images) -> HttpRequest:
        return self._made(images, None)

    @override
    def file_request(self, data: bytes, kind: str) -> HttpRequest | None:
        text = json.dumps([self._request.get(key) for key in ("form", "body", "json")], default=str)
        if any(mark in text for mark in ("{pixels}", "{levels}", "{all-pixels}")):
            return None
        return self._made(np.empty((1, 0, 0, 3), np.uint8), _File(data, kind))

    def _made(self, images: ImageBytes | Images, file: _File | None) -> HttpRequest:
        """The request for images, or for ``file`` in their place."""
        from httpx import URL

        url = str(URL(self.url.rstrip("/") + self._request.get("path", "")).copy_merge_params(self._query))
        method = self._request.get("method", "POST")
        headers = {name.lower(): text for name, text in self.headers.items()}
        kind = file.kind if file else str(self._request.get("image", "png")).partition(":")[0]
        if "form" in self._request:
            data = self._encoded(images[0], file)
            form = {key: self._text(str(value), images, file) for key, value in self._request["form"].items()}
            parts = {k: (f"image.{kind}", data, f"image/{kind}") for k, v in form.items() if v == "{bytes}"}
            fields = {k: v for k, v in form.items() if v != "{bytes}"}
            return HttpRequest(method, url, self.headers, parts=parts, fields=fields)
        if "body" in self._request:
            content = self._encoded(images[0], file)
            request = HttpRequest(method, url, {"content-type": f"image/{kind}", **headers}, content)
        else:
            body = json.dumps(self._filled(self._request["json"], images, file)).encode()
            request = HttpRequest(method, url, {"content-type": "application/json", **headers}, body)
        return self.sign(request) if self.sign else request

    def _filled(self, node: Any, images: ImageBytes | Images, file: _File | None) -> Any:
        """A part of the profile's ``json`` with its marks replaced."""
        if isinstance(node, dict):
            return {key: self._filled(value, images, file) for key, value in node.items()}
        if isinstance(node, list):
            if len(node) == 1 and any(mark in json.dumps(node) for mark in MARKS):
                return [self._filled(node[0], images[i : i + 1], file) for i in range(len(images))]
            return [self._filled(value, images, file) for value in node]
        if not isinstance(node, str):
            return node
        if node == "{all-pixels}":
            return np.round(to_floats(images), 6).tolist()
        if node == "{pixels}":
            return np.round(to_floats(images[0]), 6).tolist()
        if node == "{levels}":
            return to_bytes(images[0]).tolist()
        return self._text(node, images, file)

    def _text(self, node: str, images: ImageBytes | Images, file: _File | None) -> str:
        """A text of the profile with its marks replaced."""
        if "{base64}" in node:
            return node.replace("{base64}", base64.b64encode(self._encoded(images[0], file)).decode())
        return resolve(node, self._folder)[0]

    def _encoded(self, image: ImageBytes | Images, file: _File | None) -> bytes:
        import cv2

        if file:
            return file.data
        kind, _, quality = self._request.get("image", "png").partition(":")
        options = [cv2.IMWRITE_JPEG_QUALITY, int(quality or 95)] if kind == "jpeg" else []
        _, data = cv2.imencode(f".{kind}", to_bytes(image)[..., ::-1], options)
        return bytes(data.tobytes())

    @override
    def scores(self, response: HttpResponse, count: int) -> Scores:
        return self._reader.scores(response, count)

    @override
    def explain_no_score(self) -> str | None:
        return self._reader.explain()
