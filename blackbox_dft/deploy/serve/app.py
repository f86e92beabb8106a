"""The ASGI app: metadata, health and inference of one ONNX model, as the Open Inference Protocol V2 has them."""

from __future__ import annotations

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
from blackbox_dft.targets.http.v2_tensors import NAMES, decode_request, encode_response, parameters
from blackbox_dft.targets.onnx.target import OnnxTarget
from blackbox_dft.version import __version__

LARGEST = 256 * 2**20
"""Bytes of the largest request that is read."""
KINDS = {
    "tensor(float)": "FP32",
    "tensor(float16)": "FP16",
    "tensor(double)": "FP64",
    "tensor(uint8)": "UINT8",
    "tensor(int64)": "INT64",
    "tensor(int32)": "INT32",
}


def make_app(
    target: OnnxTarget, name: str, *, most: int = 64, wait: float = 0.002, largest: int = LARGEST
) -> Starlette:
    """An app that serves ``target`` as model ``name``; the model sees ``most`` images at a time.

    A model without a batch axis is served with one. Outputs whose first axis is not the batch are left out, as joined
    requests could not be told apart in them. ``largest`` is the cap of a request in bytes.
    """
    form, outputs = target.form, _served(target)
    names = [output.name for output in outputs]
    step = form.batch or most

    def forward(part: Array) -> list[Array]:
        fed = part
        if form.batch is not None:
            fed = np.concatenate([part, np.repeat(part[-1:], form.batch - len(part), axis=0)])
        raw = target.session.run(names, {target.input.name: fed if form.batched else fed[0]})
        if not form.batched:
            raw = [rows if rows.ndim > 1 and len(rows) == 1 else rows[None] for rows in raw]
        for output, rows in zip(names, raw, strict=True):
            if rows.ndim == 0 or len(rows) != len(fed):
                raise TargetError(f"output {output!r} has shape {list(rows.shape)} for {len(fed)} images")
        return [rows[: len(part)] for rows in raw]

    def run(images: Array) -> dict[str, Array]:
        pieces = [forward(images[start : start + step]) for start in range(0, len(images), step)]
        joined = pieces[0] if len(pieces) == 1 else [np.concatenate(rows) for rows in zip(*pieces, strict=True)]
        return dict(zip(names, joined, strict=True))

    batcher = Batcher(run, most=most, wait=wait, workers=target.workers)
    wanted = [-1, *_shape(target.input.shape[1:] if form.batched else target.input.shape)]

    def metadata() -> dict[str, Any]:
        classes = {"classes": ",".join(target.classes)} if target.classes else {}
        return {
            "name": name,
            "versions": ["1"],
            "platform": "onnxruntime_onnx",
            "inputs": [{"name": target.input.name, "datatype": KINDS[target.input.type], "shape": wanted}],
            "outputs": [
                {"name": o.name, "datatype": KINDS[o.type], "shape": [-1, *_rows(o.shape, form.batched)]}
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
        found = await model(request)
        return JSONResponse({"name": name, "ready": True}) if found.status_code == 200 else found

    async def infer(request: Request) -> Response:
        if request.path_params["model"] != name:
            return _error(404, f"there is no model {request.path_params['model']!r} here, only {name!r}")
        too_large = _error(413, f"the request is larger than {largest} bytes: send fewer images at a time")
        declared = request.headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > largest:
            return too_large
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > largest:
                return too_large
        try:
            tensors, document = decode_request(request.headers, bytes(body))
            images = _checked(tensors, target.input.name, KINDS[target.input.type], wanted)
            asked, binary = _wishes(document, names)
        except (ValueError, TypeError) as error:
            return _error(400, str(error))
        try:
            answers = await batcher(images)
        except BlackboxError as error:
            return _error(500, str(error))
        except Exception as error:
            return _error(500, f"the model failed: {str(error).partition(chr(10))[0][:200]}")
        known = {"id": document["id"]} if isinstance(document.get("id"), str) else {}
        try:
            headers, content = encode_response(name, {one: answers[one] for one in asked}, binary, **known)
        except ValueError:
            return _error(500, "the model answered numbers that are not finite, which JSON cannot say: ask for binary")
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
        exception_handlers={HTTPException: _refused, Exception: _broken},
    )


def _served(target: OnnxTarget) -> list[Any]:
    """The scores' output, and those beside it that have rows."""
    batch = target.form.batch

    def has_rows(shape: list[Any]) -> bool:
        return not target.form.batched or (bool(shape) and (not isinstance(shape[0], int) or shape[0] == batch))

    outputs = [output for output in target.session.get_outputs() if output.type in KINDS]
    return [output for output in outputs if output.name == target.output.name or has_rows(output.shape)]


def _wishes(document: dict[str, Any], names: list[str]) -> tuple[list[str], set[str]]:
    """Outputs a request asks for, and those of them that it wants binary."""
    everywhere = bool(parameters(document).get("binary_data_output"))
    outputs = document.get("outputs") or []
    if not isinstance(outputs, list) or not all(isinstance(one, dict) for one in outputs):
        raise ValueError("'outputs' is no list of objects")
    wanted = {str(one.get("name")): bool(parameters(one).get("binary_data", everywhere)) for one in outputs}
    if unknown := [one for one in wanted if one not in names]:
        raise ValueError(f"there is no output {unknown[0]!r}, only {', '.join(names)}")
    wanted = wanted or dict.fromkeys(names, everywhere)
    return list(wanted), {one for one, binary in wanted.items() if binary}


def _checked(tensors: dict[str, Array], name: str, kind: str, wanted: list[int]) -> Array:
    if set(tensors) != {name}:
        raise ValueError(f"the inputs are {', '.join(sorted(tensors))}, and should be {name!r} alone")
    images = tensors[name]
    if NAMES[images.dtype] != kind:
        raise ValueError(f"input {name!r} is {NAMES[images.dtype]}, and should be {kind}")
    fits = images.ndim == len(wanted) and all(w in (-1, s) for w, s in zip(wanted, images.shape, strict=True))
    if not fits or images.size == 0:
        raise ValueError(f"input {name!r} has shape {list(images.shape)}, and should have {wanted}")
    return images


def _shape(shape: list[Any]) -> list[int]:
    return [side if isinstance(side, int) else -1 for side in shape]


def _rows(shape: list[Any], batched: bool) -> list[int]:
    """Shape of an output's rows; without a batch axis, a first axis of one image is taken for it."""
    return _shape(shape[1:] if batched or (len(shape) > 1 and shape[0] == 1) else shape)


def _error(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status)


async def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 400
    told = "is not one of the paths here" if status == 404 else f"cannot be asked with {request.method}"
    return _error(status, f"{request.url.path} {told}: see /v2")


async def _broken(request: Request, error: Exception) -> Response:
    return _error(500, "the server failed on this request; what happened is in its log")
