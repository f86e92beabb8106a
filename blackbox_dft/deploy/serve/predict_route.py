"""``POST /predict``: one image, as the body of the request or as a file of a multipart form."""

from __future__ import annotations

from email.message import Message

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from blackbox_dft.deploy.serve.failures import ServiceError
from blackbox_dft.deploy.serve.protocol_v2 import read_body
from blackbox_dft.deploy.serve.tuned_model import TunedModel

FORM_OVERHEAD = 64 * 2**10
"""Bytes of a form beside the image."""


def predict_route(model: TunedModel, max_bytes: int) -> Route:
    """The route; images are files of up to ``max_bytes``."""

    async def predict(request: Request) -> Response:
        kind = request.headers.get("content-type", "")
        form = kind.lower().startswith("multipart/")
        body = await read_body(request, max_bytes + FORM_OVERHEAD * form, "send a smaller file")
        return JSONResponse(await model.predict(image_of_form(kind, body) if form else body))

    return Route("/predict", predict, methods=["POST"])


def image_of_form(content_type: str, body: bytes) -> bytes:
    """The only file of a multipart form (RFC 7578), or its only field.

    >>> head = b'--x\\r\\nContent-Disposition: form-data; name="a"; filename="b.png"\\r\\n\\r\\n'
    >>> body = head + b'\\x89PNG' + b'\\r\\n--x--\\r\\n'
    >>> image_of_form("multipart/form-data; boundary=x", body)
    b'\\x89PNG'

    Raises:
        ServiceError: there is none, or several.
    """
    boundary = _header("content-type", content_type).get_boundary("")
    parts = [_part(piece) for piece in (b"\r\n" + body).split(b"\r\n--" + boundary.encode())[1:-1]] if boundary else []
    files = [data for is_file, data in parts if is_file] or [data for _, data in parts]
    if len(files) != 1:
        found = f"{len(files)} files" if files else "no file"
        raise ServiceError(400, f"the form holds {found}: send one image, such as by 'curl -F image=@photo.jpg'")
    return files[0]


def _part(piece: bytes) -> tuple[bool, bytes]:
    """Whether a part is a file, and its content."""
    head, _, data = piece.partition(b"\r\n\r\n")
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-disposition":
            return _header(name, value).get_filename() is not None, data
    return False, data


def _header(name: str, value: str) -> Message:
    message = Message()
    message[name.strip()] = value.strip()
    return message
