"""The ASGI app: metadata, health and inference of one ONNX model, as the Open Inference Protocol V2 has them."""

from __future__ import annotations

from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from blackbox_dft.arrays import Array
from blackbox_dft.errors import BlackboxError
from blackbox_dft.serve.batching import Batcher
from blackbox_dft.targets.onnx import OnnxTarget
from blackbox_dft.targets.v2 import NAMES, decode_request, encode_response
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


def make_app(target: OnnxTarget, name: str, *, most: int = 64, wait: float = 0.002) -> Starlette:
    """An app that serves ``target`` as model ``name``; joined batches hold ``most`` images at most."""
    session = target.session
    outputs = [output for output in session.get_outputs() if output.type in KINDS]
    names = [output.name for output in outputs]

    def run(images: Array) -> dict[str, Array]:
        size = target.form.batch
        if size is None:
            return dict(zip(names, session.run(names, {target.input.name: images}), strict=True))
        pieces = []
        for start in range(0, len(images), size):
            part = images[start : start + size]
            full = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
            fed = full if target.form.batched else full[0]
            pieces.append([rows[: len(part)] for rows in session.run(names, {target.input.name: fed})])
        return {n: np.concatenate([piece[i] for piece in pieces]) for i, n in enumerate(names)}

    batcher = Batcher(run, most=most, wait=wait, workers=target.workers)
    wanted = [side if isinstance(side, int) else -1 for side in target.input.shape]
    if target.form.batched:
        wanted[0] = -1

    def metadata() -> dict[str, Any]:
        classes = {"classes": ",".join(target.classes)} if target.classes else {}
        return {
            "name": name,
            "versions": ["1"],
            "platform": "onnxruntime_onnx",
            "inputs": [{"name": target.input.name, "datatype": KINDS[target.input.type], "shape": wanted}],
            "outputs": [{"name": o.name, "datatype": KINDS[o.type], "shape": _shape(o.shape)} for o in outputs],
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

    async def infer(request: Request) -> Response:
        if request.path_params["model"] != name:
            return _error(404, f"there is no model {request.path_params['model']!r} here, only {name!r}")
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > LARGEST:
                return _error(413, f"the request is larger than {LARGEST >> 20} MiB")
        try:
            tensors, document = decode_request(request.headers, bytes(body))
            images = _checked(tensors, target.input.name, KINDS[target.input.type], wanted)
        except (ValueError, TypeError) as error:
            return _error(400, str(error))
        try:
            answers = await batcher(images)
        except BlackboxError as error:
            return _error(500, str(error))
        except Exception as error:
            return _error(500, f"the model failed: {str(error).splitlines()[0][:200]}")
        asked = [str(one.get("name")) for one in document.get("outputs") or [] if isinstance(one, dict)]
        if unknown := [one for one in asked if one not in answers]:
            return _error(400, f"there is no output {unknown[0]!r}, only {', '.join(answers)}")
        binary = bool((document.get("parameters") or {}).get("binary_data_output"))
        headers, content = encode_response(name, {one: answers[one] for one in asked or answers}, binary)
        return Response(content, headers={**headers, "x-batches": f"{batcher.images}/{batcher.batches}"})

    return Starlette(
        routes=[
            Route("/v2", server),
            Route("/v2/health/live", live),
            Route("/v2/health/ready", live),
            Route("/v2/repository/index", index, methods=["POST"]),
            Route("/v2/models/{model}", model),
            Route("/v2/models/{model}/ready", model),
            Route("/v2/models/{model}/versions/1", model),
            Route("/v2/models/{model}/infer", infer, methods=["POST"]),
            Route("/v2/models/{model}/versions/1/infer", infer, methods=["POST"]),
        ]
    )


def _checked(tensors: dict[str, Array], name: str, kind: str, wanted: list[int]) -> Array:
    if set(tensors) != {name}:
        raise ValueError(f"the inputs are {', '.join(sorted(tensors))}, and should be {name!r} alone")
    images = tensors[name]
    if NAMES[images.dtype] != kind:
        raise ValueError(f"input {name!r} is {NAMES[images.dtype]}, and should be {kind}")
    sides = list(images.shape) if len(wanted) == 4 else list(images.shape)[1:]
    fits = len(sides) == len(wanted) and all(w in (-1, s) for w, s in zip(wanted, sides, strict=True))
    if not fits or images.size == 0:
        raise ValueError(f"input {name!r} has shape {list(images.shape)}, and should have {wanted}")
    return images


def _shape(shape: list[Any]) -> list[int]:
    return [side if isinstance(side, int) and place else -1 for place, side in enumerate(shape)]


def _error(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status)
