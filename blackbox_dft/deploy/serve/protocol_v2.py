"""Routes of the Open Inference Protocol V2 for any served model: metadata, health and inference."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from blackbox_dft._utils.types import Array
from blackbox_dft.deploy.serve.failures import ServiceError
from blackbox_dft.errors import BlackboxError
from blackbox_dft.targets.http.v2_tensors import DATATYPES, decode_request, encode_response, parameters
from blackbox_dft.version import __version__

BODY_SECONDS = 60.0
"""Until a request must have arrived."""


@dataclass(frozen=True)
class Tensor:
    """An input or an output of a model, as its metadata describes it."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    """-1 for the batch and other free sides."""

    def to_json(self) -> dict[str, Any]:
        """As in the metadata."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


class ServedModel(Protocol):
    """A model with one input. The routes read the attributes and call the methods in the thread of the event loop."""

    @property
    def name(self) -> str:
        """In URLs."""
        ...

    @property
    def platform(self) -> str:
        """What it runs on."""
        ...

    @property
    def input(self) -> Tensor:
        """Its only input."""
        ...

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """Its outputs, each with a row an image."""
        ...

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the scores."""
        ...

    async def infer(self, images: Array) -> dict[str, Array]:
        """All outputs, one row for each of ``images (N, ...)``, which have the shape of ``input``.

        Raises:
            ServiceError: there are none; says why.
        """
        ...

    def headers(self) -> Mapping[str, str]:
        """Headers of a response to ``infer``."""
        ...


def v2_routes(model: ServedModel, max_bytes: int, ready: Callable[[], bool] = lambda: True) -> list[Route]:
    """The routes of ``model``.

    Args:
        model: what is served.
        max_bytes: size of the largest request that is read.
        ready: whether requests are served.
    """
    names = [output.name for output in model.outputs]

    def metadata() -> dict[str, Any]:
        # Names may hold commas; a list as JSON keeps them whole.
        whole = model.classes and not any("," in name for name in model.classes)
        text = ",".join(model.classes or ()) if whole else json.dumps(model.classes)
        return {
            "name": model.name,
            "versions": ["1"],
            "platform": model.platform,
            "inputs": [model.input.to_json()],
            "outputs": [output.to_json() for output in model.outputs],
            "parameters": {"classes": text} if model.classes else {},
        }

    def check_name(request: Request) -> None:
        if (asked := request.path_params["model"]) != model.name:
            raise ServiceError(404, f"there is no model {asked!r} here, only {model.name!r}")

    def check_ready() -> None:
        if not ready():
            raise ServiceError(503, "the service is not ready", retry_after=5)

    async def server(request: Request) -> Response:
        return JSONResponse({"name": "blackbox-dft", "version": __version__, "extensions": ["binary_tensor_data"]})

    async def live(request: Request) -> Response:
        return JSONResponse({"live": True, "ready": ready()})

    async def server_ready(request: Request) -> Response:
        check_ready()
        return await live(request)

    async def index(request: Request) -> Response:
        return JSONResponse([{"name": model.name, "version": "1", "state": "READY"}])

    async def about(request: Request) -> Response:
        check_name(request)
        return JSONResponse(metadata())

    async def model_ready(request: Request) -> Response:
        check_name(request)
        check_ready()
        return JSONResponse({"name": model.name, "ready": True})

    async def infer(request: Request) -> Response:
        check_name(request)
        body = await read_body(request, max_bytes, "send fewer images at a time")
        try:
            tensors, document = decode_request(request.headers, body)
            images = _checked(tensors, model.input)
            requested, binary = _requested_outputs(document, names)
        except (ValueError, TypeError) as error:
            raise ServiceError(400, str(error)) from error
        try:
            tensors = await model.infer(images)
        except ServiceError:
            raise
        except BlackboxError as error:
            raise ServiceError(500, str(error)) from error
        except Exception as error:
            raise ServiceError(500, f"the model failed: {str(error).partition(chr(10))[0][:200]}") from error
        request_id = {"id": document["id"]} if isinstance(document.get("id"), str) else {}
        outputs = {one: tensors[one] for one in requested}
        try:
            headers, content = encode_response(model.name, outputs, binary, **request_id)
        except ValueError as error:
            raise ServiceError(
                500, "the model returned numbers that are not finite, as JSON cannot: request binary outputs"
            ) from error
        return Response(content, headers={**headers, **model.headers()})

    return [
        Route("/v2", server),
        Route("/v2/health/live", live),
        Route("/v2/health/ready", server_ready),
        Route("/v2/repository/index", index, methods=["POST"]),
        Route("/v2/models/{model}", about),
        Route("/v2/models/{model}/ready", model_ready),
        Route("/v2/models/{model}/versions/1", about),
        Route("/v2/models/{model}/versions/1/ready", model_ready),
        Route("/v2/models/{model}/infer", infer, methods=["POST"]),
        Route("/v2/models/{model}/versions/1/infer", infer, methods=["POST"]),
    ]


async def read_body(request: Request, max_bytes: int, mend: str) -> bytes:
    """The body of a request, which is read no further than ``max_bytes``.

    Raises:
        ServiceError: it is larger, or does not arrive; ``mend`` says what a client may do.
    """
    too_large = ServiceError(413, f"the request is larger than {max_bytes} bytes: {mend}")
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > max_bytes:
                    raise too_large
    except TimeoutError as error:
        raise ServiceError(408, f"the request did not arrive within {BODY_SECONDS:.0f} s: send it again") from error
    return bytes(body)


def _requested_outputs(document: dict[str, Any], names: list[str]) -> tuple[list[str], set[str]]:
    """The outputs that a request names, or all, and those of them that it wants as bytes."""
    default = bool(parameters(document).get("binary_data_output"))
    outputs = document.get("outputs") or []
    if not isinstance(outputs, list) or not all(isinstance(one, dict) for one in outputs):
        raise ValueError("'outputs' is not a list of objects")
    binary = {str(one.get("name")): bool(parameters(one).get("binary_data", default)) for one in outputs}
    if unknown := [one for one in binary if one not in names]:
        raise ValueError(f"there is no output {unknown[0]!r}: request one of {', '.join(names)}")
    binary = binary or dict.fromkeys(names, default)
    return list(binary), {one for one, as_bytes in binary.items() if as_bytes}


def _checked(tensors: dict[str, Array], wanted: Tensor) -> Array:
    """The input tensor, if it has the type and the shape (-1: any) of the model's."""
    name, kind, shape = wanted.name, wanted.datatype, list(wanted.shape)
    if set(tensors) != {name}:
        raise ValueError(f"the inputs are {', '.join(sorted(tensors))}, and should be {name!r} alone")
    images = tensors[name]
    if DATATYPES[images.dtype] != kind:
        raise ValueError(f"input {name!r} is {DATATYPES[images.dtype]}, and should be {kind}")
    fits = images.ndim == len(shape) and all(own in (-1, side) for own, side in zip(shape, images.shape, strict=True))
    if not fits or images.size == 0:
        raise ValueError(f"input {name!r} has shape {list(images.shape)}, and should have {shape}")
    return images
