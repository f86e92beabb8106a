"""Tensors of the Open Inference Protocol V2 as bytes: JSON, and the binary tensor data extension.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md and
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from blackbox_dft._utils.types import Array

TYPES = {
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "UINT8": np.uint8,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "BOOL": np.bool_,
}
NAMES = {np.dtype(kind): name for name, kind in TYPES.items()}
LENGTH = "inference-header-content-length"


def encode_request(name: str, datatype: str, array: Array, binary: bool = True) -> tuple[dict[str, str], bytes]:
    """Headers and body of a request with one input tensor; ``binary`` asks for binary outputs too."""
    tensor: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": datatype}
    if not binary:
        return _joined({"inputs": [{**tensor, "data": array.ravel().tolist()}]}, [])
    # Joined to the JSON from where it lies, and so copied once.
    values: Array = np.ascontiguousarray(array, TYPES[datatype])
    tensor["parameters"] = {"binary_data_size": values.nbytes}
    return _joined({"inputs": [tensor], "parameters": {"binary_data_output": True}}, [values.data.cast("B")])


def decode_request(headers: Mapping[str, str], body: bytes) -> tuple[dict[str, Array], dict[str, Any]]:
    """Input tensors by name, and the request's JSON part.

    Raises:
        ValueError: it is no V2 request; the sentence says why.
    """
    document, rest = _parted(headers, body)
    inputs = document.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise ValueError("'inputs' is missing or empty")
    return _tensors(inputs, rest), document


def encode_response(
    model: str, tensors: Mapping[str, Array], binary: bool | Collection[str], **more: Any
) -> tuple[dict[str, str], bytes]:
    """Headers and body of an answer; ``binary`` holds for all outputs, or names those that are.

    Raises:
        ValueError: a value is not finite, which JSON cannot say.
    """
    outputs, blocks = [], []
    for name, array in tensors.items():
        output: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": NAMES[array.dtype]}
        if binary if isinstance(binary, bool) else name in binary:
            blocks.append(np.ascontiguousarray(array).tobytes())
            output["parameters"] = {"binary_data_size": len(blocks[-1])}
        else:
            output["data"] = array.ravel().tolist()
        outputs.append(output)
    return _joined({"model_name": model, **more, "outputs": outputs}, blocks)


def decode_response(headers: Mapping[str, str], body: bytes) -> dict[str, Array]:
    """Output tensors by name.

    Raises:
        ValueError: it is no V2 response; the sentence says why.
    """
    document, rest = _parted(headers, body)
    outputs = document.get("outputs")
    if not isinstance(outputs, list) or not outputs:
        raise ValueError("'outputs' is missing or empty")
    return _tensors(outputs, rest)


def parameters(described: Mapping[str, Any]) -> dict[str, Any]:
    """The ``parameters`` of a request, an answer or a tensor; none is an empty one.

    Raises:
        ValueError: they are no object.
    """
    found = described.get("parameters")
    if found is not None and not isinstance(found, dict):
        raise ValueError("'parameters' is no object")
    return found or {}


def _joined(document: dict[str, Any], blocks: Sequence[bytes | memoryview]) -> tuple[dict[str, str], bytes]:
    text = json.dumps(document, allow_nan=False).encode()
    if not blocks:
        return {"content-type": "application/json"}, text
    return {"content-type": "application/octet-stream", LENGTH: str(len(text))}, b"".join([text, *blocks])


def _parted(headers: Mapping[str, str], body: bytes) -> tuple[dict[str, Any], memoryview]:
    length = next((value for name, value in headers.items() if name.lower() == LENGTH), None)
    if length is not None and (not length.isdigit() or int(length) > len(body)):
        raise ValueError(f"{LENGTH} is {length!r}, of a body of {len(body)} bytes")
    size = len(body) if length is None else int(length)
    try:
        document = json.loads(body[:size])
    except RecursionError as error:
        raise ValueError("the JSON is nested too deep") from error
    except ValueError as error:
        raise ValueError(f"the JSON cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise ValueError("the JSON is no object")
    return document, memoryview(body)[size:]


def _tensors(described: list[Any], rest: memoryview) -> dict[str, Array]:
    tensors: dict[str, Array] = {}
    at = 0
    for one in described:
        if not isinstance(one, dict) or not {"name", "shape", "datatype"} <= set(one):
            raise ValueError("a tensor lacks its name, shape or datatype")
        name, shape, kind = str(one["name"]), one["shape"], TYPES.get(str(one["datatype"]))
        if kind is None:
            raise ValueError(f"tensor {name!r} has datatype {one['datatype']}, which cannot be read")
        if not isinstance(shape, list) or not all(isinstance(side, int) and side >= 0 for side in shape):
            raise ValueError(f"tensor {name!r} has the shape {shape}")
        size = parameters(one).get("binary_data_size")
        if size is not None:
            if not isinstance(size, int) or not 0 <= size <= len(rest) - at:
                raise ValueError(f"tensor {name!r} declares {size} bytes, of {len(rest) - at} that are left")
            flat: Array = np.frombuffer(rest[at : at + size], kind)
            at += size
        else:
            flat = _listed(name, one.get("data", []), kind)
        if flat.size != np.prod(shape, dtype=object):
            raise ValueError(f"tensor {name!r} of shape {shape} holds {flat.size} values")
        if name in tensors:
            raise ValueError(f"tensor {name!r} is there twice")
        try:
            tensors[name] = flat.reshape(shape)
        except OverflowError as error:
            raise ValueError(f"tensor {name!r} has the shape {shape}") from error
    return tensors


def _listed(name: str, data: Any, kind: Any) -> Array:
    """JSON's numbers, flat; numpy alone would read null as NaN, cut 0.5 to an integer and take text for a number."""
    found = np.asarray(data).ravel()
    if found.size and found.dtype.kind not in "biuf":
        raise ValueError(f"tensor {name!r} holds something other than numbers")
    with np.errstate(all="ignore"):
        flat = found.astype(kind)
    if flat.dtype.kind != "f" and not np.array_equal(flat, found):
        raise ValueError(f"tensor {name!r} holds values that do not fit its datatype")
    return flat
