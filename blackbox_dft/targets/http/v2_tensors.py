"""V2 tensors: requests and responses of the Open Inference Protocol as bytes, with the binary tensor data extension.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md and
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from blackbox_dft._utils.types import Array

NUMPY_TYPES = {
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
TEXTS = "BYTES"
"""Datatype of tensors of text; arrays of ``str`` here, in responses only."""
DATATYPES = {np.dtype(kind): name for name, kind in NUMPY_TYPES.items()}
JSON_LENGTH_HEADER = "inference-header-content-length"


def encode_request(
    name: str, datatype: str, array: Array, binary: bool = True, output: str | None = None
) -> tuple[dict[str, str], bytes]:
    """Headers and body of a request with one input tensor.

    Args:
        name: of the input.
        datatype: a key of ``NUMPY_TYPES``.
        array: of that type.
        binary: send the tensor as bytes and request binary outputs, instead of JSON for both.
        output: the only output that is requested; all by default.

    >>> headers, body = encode_request("image", "UINT8", np.array([[1, 2]], np.uint8), binary=False)
    >>> body
    b'{"inputs": [{"name": "image", "shape": [1, 2], "datatype": "UINT8", "data": [1, 2]}]}'
    >>> decode_request(headers, body)[0]
    {'image': array([[1, 2]], dtype=uint8)}
    """
    tensor: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": datatype}
    outputs: dict[str, Any] = {"outputs": [{"name": output}]} if output else {}
    if not binary:
        return _joined({"inputs": [{**tensor, "data": array.ravel().tolist()}], **outputs}, [])
    # A view of the array, so that it is copied only once, when it is joined to the JSON.
    values: Array = np.ascontiguousarray(array, NUMPY_TYPES[datatype])
    tensor["parameters"] = {"binary_data_size": values.nbytes}
    if output:
        outputs["outputs"][0]["parameters"] = {"binary_data": True}
    document = {"inputs": [tensor], "parameters": {"binary_data_output": True}, **outputs}
    return _joined(document, [values.data.cast("B")])


def decode_request(headers: Mapping[str, str], body: bytes) -> tuple[dict[str, Array], dict[str, Any]]:
    """Input tensors by name, and the request's JSON part.

    Raises:
        ValueError: it is not a V2 request; the message says why.
    """
    document, rest = _split(headers, body)
    inputs = document.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise ValueError("'inputs' is missing or empty")
    tensors, faults = _tensors(inputs, rest)
    for fault in faults.values():
        raise fault
    return tensors, document


def encode_response(
    model: str, tensors: Mapping[str, Array], binary: bool | Collection[str], **more: Any
) -> tuple[dict[str, str], bytes]:
    """Headers and body of a response.

    Args:
        model: name of the model.
        tensors: outputs by name.
        binary: whether all outputs are bytes, or the names of those that are.
        more: further entries of the JSON part.

    Raises:
        ValueError: an output in JSON is not finite.

    >>> headers, body = encode_response("tone", {"scores": np.float32([[0.25, 0.75]])}, binary=True)
    >>> decode_response(headers, body)
    {'scores': array([[0.25, 0.75]], dtype=float32)}
    """
    outputs, blocks = [], []
    for name, array in tensors.items():
        output: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": DATATYPES[array.dtype]}
        if binary if isinstance(binary, bool) else name in binary:
            blocks.append(np.ascontiguousarray(array).tobytes())
            output["parameters"] = {"binary_data_size": len(blocks[-1])}
        else:
            output["data"] = array.ravel().tolist()
        outputs.append(output)
    return _joined({"model_name": model, **more, "outputs": outputs}, blocks)


def decode_response(headers: Mapping[str, str], body: bytes, wanted: str | None = None) -> dict[str, Array]:
    """Output tensors by name, those of text as arrays of ``str``; an output that cannot be read is left out.

    Args:
        headers: of the response.
        body: of the response.
        wanted: the output that has to be readable; without it, at least one.

    Raises:
        ValueError: it is not a V2 response, or what is wanted cannot be read; the message says why.
    """
    document, rest = _split(headers, body)
    outputs = document.get("outputs")
    if not isinstance(outputs, list) or not outputs:
        raise ValueError("'outputs' is missing or empty")
    tensors, faults = _tensors(outputs, rest, texts=True)
    if wanted in faults:
        raise faults[str(wanted)]
    if not tensors:
        raise next(iter(faults.values()))
    return tensors


def parameters(described: Mapping[str, Any]) -> dict[str, Any]:
    """The ``parameters`` of the JSON of a request, a response or a tensor; empty if there are none.

    Raises:
        ValueError: they are not an object.

    >>> parameters({"name": "scores"})
    {}
    """
    value = described.get("parameters")
    if value is not None and not isinstance(value, dict):
        raise ValueError("'parameters' is not an object")
    return value or {}


def _joined(document: dict[str, Any], blocks: Sequence[bytes | memoryview]) -> tuple[dict[str, str], bytes]:
    text = json.dumps(document, allow_nan=False).encode()
    if not blocks:
        return {"content-type": "application/json"}, text
    return {"content-type": "application/octet-stream", JSON_LENGTH_HEADER: str(len(text))}, b"".join([text, *blocks])


def _split(headers: Mapping[str, str], body: bytes) -> tuple[dict[str, Any], memoryview]:
    length = next((value for name, value in headers.items() if name.lower() == JSON_LENGTH_HEADER), None)
    if length is not None and (not length.isdigit() or int(length) > len(body)):
        raise ValueError(f"{JSON_LENGTH_HEADER} is {length!r}, but the body has {len(body)} bytes")
    size = len(body) if length is None else int(length)
    try:
        document = json.loads(body[:size])
    except RecursionError as error:
        raise ValueError("the JSON is nested too deep") from error
    except ValueError as error:
        raise ValueError(f"the JSON cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise ValueError("the JSON is not an object")
    return document, memoryview(body)[size:]


def _tensors(
    described: list[Any], rest: memoryview, *, texts: bool = False
) -> tuple[dict[str, Array], dict[str, ValueError]]:
    """Tensors by name, and why others cannot be read."""
    tensors: dict[str, Array] = {}
    faults: dict[str, ValueError] = {}
    at = 0
    for one in described:
        if not isinstance(one, dict) or not {"name", "shape", "datatype"} <= set(one):
            raise ValueError("a tensor lacks its name, shape or datatype")
        name = str(one["name"])
        if name in tensors or name in faults:
            raise ValueError(f"tensor {name!r} occurs twice")
        size = parameters(one).get("binary_data_size")
        if size is not None and (not isinstance(size, int) or not 0 <= size <= len(rest) - at):
            raise ValueError(f"tensor {name!r} declares {size} bytes, but {len(rest) - at} are left")
        data = None if size is None else rest[at : at + size]
        at += size or 0
        try:
            tensors[name] = _tensor(name, one, data, texts)
        except ValueError as error:
            faults[name] = error
    return tensors, faults


def _tensor(name: str, described: dict[str, Any], data: memoryview | None, texts: bool) -> Array:
    shape, datatype = described["shape"], str(described["datatype"])
    if datatype not in NUMPY_TYPES and not (texts and datatype == TEXTS):
        raise ValueError(f"tensor {name!r} has datatype {datatype}, which cannot be read")
    if not isinstance(shape, list) or not all(isinstance(side, int) and side >= 0 for side in shape):
        raise ValueError(f"tensor {name!r} has the shape {shape}")
    flat: Array
    if datatype == TEXTS:
        flat = np.array(_packed_texts(name, data) if data is not None else _listed_texts(described), np.str_)
    elif data is not None:
        if len(data) % np.dtype(NUMPY_TYPES[datatype]).itemsize:
            raise ValueError(f"tensor {name!r} has {len(data)} bytes, not a whole number of {datatype}")
        flat = np.frombuffer(data, NUMPY_TYPES[datatype])
    else:
        flat = _listed(name, described.get("data", []), NUMPY_TYPES[datatype])
    if flat.size != np.prod(shape, dtype=object):
        raise ValueError(f"tensor {name!r} of shape {shape} contains {flat.size} values")
    try:
        return flat.reshape(shape)
    except OverflowError as error:
        raise ValueError(f"tensor {name!r} has the shape {shape}") from error


def _packed_texts(name: str, data: memoryview) -> list[str]:
    """Texts of a binary tensor: each is four bytes of its length, least significant first, and UTF-8."""
    texts, at = [], 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "little")
        if end > len(data):
            raise ValueError(f"tensor {name!r} ends within a text")
        texts.append(bytes(data[at + 4 : end]).decode("utf-8", "replace"))
        at = end
    return texts


def _listed_texts(described: dict[str, Any]) -> list[str]:
    """Texts of a JSON tensor, flat."""

    def flat(node: Any) -> list[str]:
        return [text for one in node for text in flat(one)] if isinstance(node, list) else [str(node)]

    return flat(described.get("data", []))


def _listed(name: str, data: Any, kind: Any) -> Array:
    """Numbers of a JSON tensor, flat; NumPy alone would read null as NaN, 0.5 as an integer and text as a number."""
    values = np.asarray(data).ravel()
    if values.size and values.dtype.kind not in "biuf":
        raise ValueError(f"tensor {name!r} contains something other than numbers")
    with np.errstate(all="ignore"):
        flat = values.astype(kind)
    if flat.dtype.kind != "f" and not np.array_equal(flat, values):
        raise ValueError(f"tensor {name!r} contains values that do not fit its datatype")
    return flat
