"""V2Protocol: what it reads from a server's metadata, and what it sends."""

import json
from typing import Any

import numpy as np
import pytest

from blackbox_dft import InputError, TargetError, TargetOptions
from blackbox_dft.errors import LostAnswer
from blackbox_dft.targets.http.messages import HttpRequest, HttpResponse
from blackbox_dft.targets.http.protocol import ServerInfo
from blackbox_dft.targets.http.transport import RefusedError
from blackbox_dft.targets.http.v2_protocol import V2Protocol
from blackbox_dft.targets.http.v2_tensors import encode_response

METADATA = {
    "name": "tone",
    "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 3, 16, 16]}],
    "outputs": [{"name": "tone", "datatype": "FP32", "shape": [-1, 2]}],
    "parameters": {"classes": "dark, bright"},
}
NO_SUCH_PATH = RefusedError("refused: 404")


class FakeTransport:
    """Responds to a request with the document of its path; raises it if it is an error."""

    def __init__(self, **documents: Any) -> None:
        self.documents = {"": {"extensions": ["binary_tensor_data"]}, "/models/tone": METADATA, **documents}

    def send(self, request: HttpRequest) -> HttpResponse:
        document = self.documents.get(request.url.removeprefix("http://a/v2"), NO_SUCH_PATH)
        if isinstance(document, Exception):
            raise document
        return HttpResponse({}, json.dumps(document).encode())


def discovered(
    url: str = "http://a/v2/models/tone", documents: dict[str, Any] | None = None, **options: Any
) -> tuple[V2Protocol, ServerInfo]:
    target_options = TargetOptions(**options)
    protocol = V2Protocol(url, target_options, {"x": "y"})
    return protocol, protocol.discover(FakeTransport(**(documents or {})), target_options)  # type: ignore[arg-type]


def test_metadata_is_read() -> None:
    protocol, info = discovered()
    assert (info.classes, info.image_size, info.batch) == (("dark", "bright"), (16, 16), 8)
    assert info.description["tensors"] == "binary"
    assert (protocol.input, protocol.output, protocol.datatype) == ("image", "tone", "FP32")
    request = protocol.request(np.zeros((2, 16, 16, 3), np.uint8))
    assert request.url == "http://a/v2/models/tone/infer"
    assert request.headers["x"] == "y"
    headers, body = encode_response("tone", {"tone": np.float32([[0.25, 0.75]])}, binary=True)
    np.testing.assert_array_equal(protocol.scores(HttpResponse(headers, body), 1), [[0.25, 0.75]])


def test_a_server_without_the_binary_extension_gets_json() -> None:
    protocol, info = discovered(documents={"": {"extensions": []}})
    assert info.description["tensors"] == "JSON"
    request = protocol.request(np.zeros((1, 16, 16, 3), np.uint8))
    assert json.loads(request.content or b"")["inputs"][0]["shape"] == [1, 3, 16, 16]
    # A gateway that hides the server's own metadata tells nothing of extensions.
    assert discovered(documents={"": NO_SUCH_PATH})[1].description["tensors"] == "binary"


def test_the_only_model_is_taken() -> None:
    index = [{"name": "tone", "state": "READY"}]
    for url in ("http://a", "http://a/v2", "http://a/v2/"):
        assert discovered(url, {"/repository/index": index})[0].model == "tone"
    two = [{"name": "tone"}, {"name": "age"}]
    with pytest.raises(InputError, match=r"\(it has tone and age\): give http://a/v2/models/NAME"):
        discovered("http://a", {"/repository/index": two})
    with pytest.raises(InputError, match="does not name a model: give"):
        discovered("http://a")


def test_a_model_that_does_not_describe_itself() -> None:
    protocol, info = discovered(
        documents={"/models/tone": {"name": "tone"}}, input="x", datatype="UINT8", size=(8, 9), layout="nhwc"
    )
    assert (protocol.input, protocol.datatype, info.image_size) == ("x", "UINT8", (8, 9))
    assert any("does not describe its input" in note for note in info.notes)
    assert json.loads(protocol.identity)[:4] == ["http://a/v2", "tone", "x", None]


@pytest.mark.parametrize(
    ("change", "options", "error", "sentence"),
    [
        ({"inputs": 2 * METADATA["inputs"]}, {}, InputError, "has several inputs"),
        ({"inputs": [{"name": "x", "datatype": "BYTES", "shape": [-1]}]}, {}, InputError, "takes BYTES: give a model"),
        ({"outputs": 2 * METADATA["outputs"]}, {}, InputError, "several outputs .*--output NAME"),
        ({}, {"output": "age"}, InputError, "has no output 'age': give --output one of tone"),
    ],
)
def test_models_that_are_refused(
    change: dict[str, Any], options: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        discovered(documents={"/models/tone": METADATA | change}, **options)


def test_responses_that_are_not_scores() -> None:
    protocol, _ = discovered()
    with pytest.raises(LostAnswer, match="is not a V2 response"):
        protocol.scores(HttpResponse({}, b"<html>"), 1)
    # JSON of another form does not heal.
    with pytest.raises(InputError, match=r"is not a V2 response .*--profile"):
        protocol.scores(HttpResponse({}, b'{"predictions": [[1, 2]]}'), 1)
    headers, body = encode_response("tone", {"age": np.float32([[1]])}, binary=True)
    with pytest.raises(InputError, match="returned age instead of 'tone'"):
        protocol.scores(HttpResponse(headers, body), 1)
    with pytest.raises(TargetError, match="reports a failure with status 200: out of quota"):
        protocol.scores(HttpResponse({}, b'{"error": "out of quota"}'), 1)
    with pytest.raises(InputError, match="have to be fetched later"):
        protocol.scores(HttpResponse({}, b'{"id": 7}', 202), 1)


def outputs(*described: dict[str, Any]) -> dict[str, Any]:
    return {"/models/tone": METADATA | {"outputs": list(described)}}


LABEL = {"name": "label", "datatype": "BYTES", "shape": [-1]}
FREE = {"name": "p", "datatype": "FP32", "shape": [-1, -1]}
INDEX = {"name": "top", "datatype": "INT64", "shape": [-1, 5]}


@pytest.mark.parametrize(
    ("described", "output"),
    [
        ((LABEL, {"name": "p", "datatype": "FP32", "shape": [-1, 2]}), "p"),
        ((LABEL, FREE), "p"),
        ((INDEX, {"name": "p", "datatype": "FP32", "shape": [-1, 5]}), "p"),
        ((LABEL, {"name": "p", "datatype": "FP16", "shape": [-1]}), "p"),
        ((LABEL,), "label"),
    ],
)
def test_the_output_with_scores_is_found(described: tuple[dict[str, Any], ...], output: str) -> None:
    protocol, _ = discovered(documents=outputs(*described))
    assert protocol.output == output
    body = protocol.request(np.zeros((1, 16, 16, 3), np.uint8)).content or b""
    assert f'"outputs": [{{"name": "{output}"'.encode() in body


def test_labels_as_an_output() -> None:
    protocol, _ = discovered(documents=outputs(LABEL))
    texts = {"name": "label", "datatype": "BYTES", "shape": [2], "data": ["bright", "Dark"]}
    scores = protocol.scores(HttpResponse({}, json.dumps({"outputs": [texts]}).encode()), 2)
    assert scores.tolist() == [[0, 1], [1, 0]]
    texts |= {"shape": [1, 2], "data": ["0.75:1:BRIGHT", "0.25:0:dark"]}
    assert protocol.scores(HttpResponse({}, json.dumps({"outputs": [texts]}).encode()), 1).tolist() == [[0.25, 0.75]]
    assert protocol.explain_no_score() is None
    texts |= {"data": ["0.75:1:LABEL_1", "0.25:0:LABEL_0"]}
    assert not protocol.scores(HttpResponse({}, json.dumps({"outputs": [texts]}).encode()), 1).any()
    assert "it names LABEL_1 and LABEL_0, and not dark or bright" in (protocol.explain_no_score() or "")
    nameless = METADATA | {"outputs": [LABEL], "parameters": {}}
    protocol, _ = discovered(documents={"/models/tone": nameless})
    with pytest.raises(InputError, match=r"returns texts \(0.75:1:LABEL_1 and .*--model-classes"):
        protocol.scores(HttpResponse({}, json.dumps({"outputs": [texts]}).encode()), 1)


def test_scores_without_a_batch_axis_and_of_another_number_of_images() -> None:
    protocol, _ = discovered()
    headers, body = encode_response("tone", {"tone": np.float32([0.25, 0.75])}, binary=True)
    with pytest.raises(InputError, match=r"shape \(2,\) for 3 images: give --batch 1"):
        protocol.scores(HttpResponse(headers, body), 3)
    assert protocol.scores(HttpResponse(headers, body), 1).tolist() == [[0.25, 0.75]]
    # Once a response could be read, another try may help.
    with pytest.raises(LostAnswer, match=r"shape \(2,\) for 3 images"):
        protocol.scores(HttpResponse(headers, body), 3)


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_without_metadata(status: int) -> None:
    nothing = RefusedError(f"http://a/v2/models/tone refused: {status} (no)", status)
    documents = {"/models/tone": nothing, "": nothing}
    protocol, info = discovered(documents=documents, input="x", size=(8, 8), classes=("a", "b"))
    assert (info.image_size, info.description["tensors"], protocol.output) == ((8, 8), "JSON", None)
    sent = json.loads(protocol.request(np.zeros((1, 8, 8, 3), np.uint8)).content or b"")
    assert sent["inputs"][0]["name"] == "x"
    assert discovered(documents=documents, datatype="UINT8")[0].datatype == "UINT8"
    with pytest.raises(InputError, match=rf"refused: {status} \(no\): is .*--input NAME, --datatype.*--profile"):
        discovered(documents=documents, size=(8, 8))


def test_other_refusals_of_metadata_are_errors() -> None:
    with pytest.raises(RefusedError, match="refused: 401"):
        discovered(documents={"/models/tone": RefusedError("refused: 401", 401)}, input="x")
    with pytest.raises(InputError, match=r"does not describe the model \(\[\]\).*--profile"):
        discovered(documents={"/models/tone": []})


def test_v2_is_looked_for_in_the_path_alone() -> None:
    protocol = V2Protocol("https://v2.example.com/api/v2/models/m/versions/3/infer", TargetOptions(), {})
    assert (protocol.base, protocol.model) == ("https://v2.example.com/api/v2", "m/versions/3")
    assert V2Protocol("https://v2.example.com/v20", TargetOptions(), {}).base == "https://v2.example.com/v20/v2"
