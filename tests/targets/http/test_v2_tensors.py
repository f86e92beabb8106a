"""V2 tensors: requests and responses go through bytes and JSON without a change, whatever their type."""

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
