"""V2 tensors: requests and responses go through bytes and JSON without a change, whatever their type."""

import json

import numpy as np
import pytest

from blackbox_dft.targets.http.v2_tensors import (
    NUMPY_TYPES,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    parameters,
)


@pytest.mark.parametrize("datatype", list(NUMPY_TYPES))
@pytest.mark.parametrize("binary", [False, True])
def test_round_trips(datatype: str, binary: bool) -> None:
    array = (np.arange(6).reshape(2, 3) % 2).astype(NUMPY_TYPES[datatype])
    headers, body = encode_response("tone", {"scores": array, "more": array[:, :1]}, binary)
    tensors = decode_response(headers, body)
    for name, wanted in (("scores", array), ("more", array[:, :1])):
        np.testing.assert_array_equal(tensors[name], wanted)
        assert tensors[name].dtype == array.dtype


@pytest.mark.parametrize("datatype", [name for name in NUMPY_TYPES if name != "BOOL"])
@pytest.mark.parametrize("binary", [False, True])
def test_requests(datatype: str, binary: bool) -> None:
    array = np.arange(6).reshape(1, 2, 3).astype(NUMPY_TYPES[datatype])
    tensors, document = decode_request(*encode_request("image", datatype, array, binary))
    np.testing.assert_array_equal(tensors["image"], array)
    assert bool(parameters(document).get("binary_data_output")) is binary


def test_some_outputs_as_bytes() -> None:
    tensors = {"a": np.float32([[1]]), "b": np.float32([[2]])}
    headers, body = encode_response("tone", tensors, {"b"})
    size = int(headers["inference-header-content-length"])
    assert len(body) - size == 4
    assert {name: array.item() for name, array in decode_response(headers, body).items()} == {"a": 1, "b": 2}


def test_json_has_no_nan() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_response("tone", {"scores": np.float32([[np.nan]])}, binary=False)


@pytest.mark.parametrize(
    ("headers", "body", "sentence"),
    [
        ({}, b"[1]", "the JSON is not an object"),
        ({}, b'{"outputs": []}', "'outputs' is missing or empty"),
        ({"Inference-Header-Content-Length": "99"}, b"{}", "but the body has 2 bytes"),
        ({}, b'{"outputs": [{"name": "a"}]}', "lacks its name, shape or datatype"),
    ],
)
def test_responses_that_are_refused(headers: dict[str, str], body: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        decode_response(headers, body)


def packed(*texts: str) -> bytes:
    return b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in texts)


def described(*outputs: dict[str, object]) -> bytes:
    return json.dumps({"outputs": outputs}).encode()


SCORES = {"name": "scores", "datatype": "FP32", "shape": [1, 2], "data": [0.25, 0.75]}


def test_tensors_of_text() -> None:
    listed = {"name": "label", "datatype": "BYTES", "shape": [1, 2], "data": [["a", "\u00e9"]]}
    assert decode_response({}, described(listed))["label"].tolist() == [["a", "\u00e9"]]
    body = packed("a", "\u00e9", "")
    header = described(
        {"name": "label", "datatype": "BYTES", "shape": [3], "parameters": {"binary_data_size": len(body)}},
        {"name": "n", "datatype": "INT32", "shape": [1], "parameters": {"binary_data_size": 4}},
    )
    headers = {"Inference-Header-Content-Length": str(len(header))}
    tensors = decode_response(headers, header + body + b"\7\0\0\0")
    assert (tensors["label"].tolist(), tensors["n"].tolist()) == (["a", "\u00e9", ""], [7])
    with pytest.raises(ValueError, match="ends within a text"):
        decode_response(headers, header + body[:-1] + b"\1\7\0\0\0", "label")
    # A server of models reads no texts.
    with pytest.raises(ValueError, match="BYTES, which cannot be read"):
        decode_request({}, json.dumps({"inputs": [listed]}).encode())


@pytest.mark.parametrize(
    "other",
    [
        {"name": "mask", "datatype": "BF16", "shape": [1], "data": [1]},
        {"name": "mask", "datatype": "FP32", "shape": [3], "data": [1]},
        {"name": "mask", "datatype": "FP32", "shape": "any", "data": [1]},
        {"name": "mask", "datatype": "INT32", "shape": [1], "data": ["x"]},
    ],
)
def test_an_output_that_cannot_be_read_does_not_spoil_another(other: dict[str, object]) -> None:
    for outputs in ((other, SCORES), (SCORES, other)):
        for wanted in ("scores", None):
            tensors = decode_response({}, described(*outputs), wanted)
            np.testing.assert_array_equal(tensors["scores"], [[0.25, 0.75]])
        with pytest.raises(ValueError, match="'mask'"):
            decode_response({}, described(*outputs), "mask")
    with pytest.raises(ValueError, match="'mask'"):
        decode_response({}, described(other))


def test_the_wanted_output_is_requested() -> None:
    image = np.zeros((1, 2), np.float32)
    for binary in (False, True):
        headers, body = encode_request("image", "FP32", image, binary, "scores")
        _, document = decode_request(headers, body)
        (output,) = document["outputs"]
        assert output["name"] == "scores"
        assert parameters(output).get("binary_data", False) is binary
        assert "outputs" not in decode_request(*encode_request("image", "FP32", image, binary))[1]
