"""ASGI app of the Open Inference Protocol V2: metadata, health and inference of one ONNX model."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from blackbox_dft._utils.types import Array
from blackbox_dft.deploy.serve.batching import Batcher
from blackbox_dft.errors import BlackboxError, TargetError
from blackbox_dft.targets.http.v2_tensors import DATATYPES, decode_request, encode_response, parameters
from blackbox_dft.targets.onnx.target import OnnxTarget
from blackbox_dft.version import __version__

MAX_REQUEST_BYTES = 256 * 2**20
"""Size of the largest request that is read."""
V2_TYPES = {
    "tensor(float)": "FP32",
    "tensor(float16)": "FP16",
    "tensor(double)": "FP64",
    "tensor(uint8)": "UINT8",
    "tensor(int64)": "INT64",
    "tensor(int32)": "INT32",
}


def make_app(
    target: OnnxTarget,
    name: str,
    *,
    max_batch: int = 64,
    max_wait: float = 0.002,
    max_request_bytes: int = MAX_REQUEST_BYTES,
) -> Starlette:
    """An app that serves ``target`` as the model ``name``.

    A model without a batch axis is served with one. Outputs whose first axis is not the batch are left out, as their
    values could not be assigned to the requests of a batch.

    Args:
        target: the model.
        name: in the URL, ``/v2/models/NAME``.
        max_batch: images that the model gets at once.
        max_wait: seconds that a request waits for others to join its batch.
        max_request_bytes: size of the largest request that is read.

    >>> from blackbox_dft.demo import assets
    >>> app = make_app(OnnxTarget(assets() / "digits.onnx"), "digits")  # then: uvicorn.run(app)
    >>> [route.path for route in app.routes][-2:]
    ['/v2/models/{model}/infer', '/v2/models/{model}/versions/1/infer']
    """
    batch, batched = target.input_format.batch, target.input_format.batched
    outputs = _served_outputs(target)
    names = [output.name for output in outputs]
    step = batch or max_batch

    def forward(part: Array) -> list[Array]:
        filled = part
        if batch is not None:
            filled = np.concatenate([part, np.repeat(part[-1:], batch - len(part), axis=0)])
        raw = target.session.run(names, {target.input.name: filled if batched else filled[0]})
        if not batched:
            raw = [rows if rows.ndim > 1 and len(rows) == 1 else rows[None] for rows in raw]
        for output, rows in zip(names, raw, strict=True):
            if rows.ndim == 0 or len(rows) != len(filled):
                raise TargetError(f"output {output!r} has shape {list(rows.shape)} for {len(filled)} images")
        return [rows[: len(part)] for rows in raw]

    def run(images: Array) -> dict[str, Array]:
        pieces = [forward(images[start : start + step]) for start in range(0, len(images), step)]
        joined = pieces[0] if len(pieces) == 1 else [np.concatenate(rows) for rows in zip(*pieces, strict=True)]
        return dict(zip(names, joined, strict=True))

    batcher = Batcher(run, max_batch=max_batch, max_wait=max_wait, workers=target.workers)
    input_shape = [-1, *_shape(target.input.shape[1:] if batched else target.input.shape)]

    def metadata() -> dict[str, Any]:
        # Names may hold commas; a list as JSON keeps them whole.
        whole = target.classes and not any("," in name for name in target.classes)
        text = ",".join(target.classes or ()) if whole else json.dumps(target.classes)
        classes = {"classes": text} if target.classes else {}
        return {
            "name": name,
            "versions": ["1"],
            "platform": "onnxruntime_onnx",
            "inputs": [{"name": target.input.name, "datatype": V2_TYPES[target.input.type], "shape": input_shape}],
            "outputs": [
                {"name": o.name, "datatype": V2_TYPES[o.type], "shape": [-1, *_row_shape(o.shape, batched)]}
                for o in outputs
            ],
            "parameters": classes,
        }

    async def server(request: Request) -> Response:
        return JSONResponse({"name": "blackbox-dft", "version": __version__, "extensions": ["binary_tensor_data"]})

    async def live(request: Request) -> Response:
        return JSONResponse({"live": True, "ready": True})

    async def index(request: Request) -> Response:
        return JSONResponse([{"name": name, "version": "1", "state": "READY"}])

    async def model(request: Request) -> Response:
        if request.path_params["model"] != name:
            return _error(404, f"there is no model {request.path_params['model']!r} here, only {name!r}")
        return JSONResponse(metadata())

    async def ready(request: Request) -> Response:
        response = await model(request)
        return JSONResponse({"name": name, "ready": True}) if response.status_code == 200 else response

    async def infer(request: Request) -> Response:
        if request.path_params["model"] != name:
            return _error(404, f"there is no model {request.path_params['model']!r} here, only {name!r}")
        too_large = _error(413, f"the request is larger than {max_request_bytes} bytes: send fewer images at a time")
        declared = request.headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > max_request_bytes:
            return too_large
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > max_request_bytes:
                return too_large
        try:
            tensors, document = decode_request(request.headers, bytes(body))
            images = _checked(tensors, target.input.name, V2_TYPES[target.input.type], input_shape)
            requested, binary = _requested_outputs(document, names)
        except (ValueError, TypeError) as error:
            return _error(400, str(error))
        try:
            tensors = await batcher(images)
        except BlackboxError as error:
            return _error(500, str(error))
        except Exception as error:
            return _error(500, f"the model failed: {str(error).partition(chr(10))[0][:200]}")
        request_id = {"id": document["id"]} if isinstance(document.get("id"), str) else {}
        try:
            headers, content = encode_response(name, {one: tensors[one] for one in requested}, binary, **request_id)
        except ValueError:
            return _error(500, "the model returned numbers that are not finite, as JSON cannot: request binary outputs")
        return Response(content, headers={**headers, "x-batches": f"{batcher.images}/{batcher.batches}"})

    return Starlette(
        routes=[
            Route("/v2", server),
            Route("/v2/health/live", live),
            Route("/v2/health/ready", live),
            Route("/v2/repository/index", index, methods=["POST"]),
            Route("/v2/models/{model}", model),
            Route("/v2/models/{model}/ready", ready),
            Route("/v2/models/{model}/versions/1", model),
            Route("/v2/models/{model}/versions/1/ready", ready),
            Route("/v2/models/{model}/infer", infer, methods=["POST"]),
            Route("/v2/models/{model}/versions/1/infer", infer, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _http_error, Exception: _server_error},
    )


def _served_outputs(target: OnnxTarget) -> list[Any]:
    """The output with scores, and the others that have one row for each image."""
    batch, batched = target.input_format.batch, target.input_format.batched

    def has_rows(shape: list[Any]) -> bool:
        return not batched or (bool(shape) and (not isinstance(shape[0], int) or shape[0] == batch))

    outputs = [output for output in target.session.get_outputs() if output.type in V2_TYPES]
    return [output for output in outputs if output.name == target.output.name or has_rows(output.shape)]


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


def _checked(tensors: dict[str, Array], name: str, kind: str, shape: list[int]) -> Array:
    """The input tensor, if it has the type and the shape (-1: any) of the model's."""
    if set(tensors) != {name}:
        raise ValueError(f"the inputs are {', '.join(sorted(tensors))}, and should be {name!r} alone")
    images = tensors[name]
    if DATATYPES[images.dtype] != kind:
        raise ValueError(f"input {name!r} is {DATATYPES[images.dtype]}, and should be {kind}")
    fits = images.ndim == len(shape) and all(own in (-1, side) for own, side in zip(shape, images.shape, strict=True))
    if not fits or images.size == 0:
        raise ValueError(f"input {name!r} has shape {list(images.shape)}, and should have {shape}")
    return images


def _shape(shape: list[Any]) -> list[int]:
    return [side if isinstance(side, int) else -1 for side in shape]


def _row_shape(shape: list[Any], batched: bool) -> list[int]:
    """The shape of an output's rows; without a batch axis, a first axis of 1 counts as one."""
    return _shape(shape[1:] if batched or (len(shape) > 1 and shape[0] == 1) else shape)


def _error(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status)


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 400
    fault = "does not exist" if status == 404 else f"does not accept {request.method}"
    return _error(status, f"{request.url.path} {fault}: see /v2")


async def _server_error(request: Request, error: Exception) -> Response:
    return _error(500, "the server failed on this request: see its log")
