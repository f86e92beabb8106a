"""``bbdft serve`` as a process of its own, over real sockets."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import onnxruntime as ort
import pytest

from blackbox_dft import Tuning
from blackbox_dft.deploy.serve.onnx_model import OnnxModel
from blackbox_dft.targets.http.v2_tensors import NUMPY_TYPES, decode_response, encode_request
from blackbox_dft.targets.onnx.target import OnnxTarget
from blackbox_dft.targets.options import TargetOptions
from tests.conftest import Bbdft
from tests.helpers import mean_model

ROOT = Path(__file__).parents[3]
IMAGES = np.random.default_rng(0).random((40, 3, 16, 16), np.float32)


@contextmanager
def serving(model: Path, *words: str) -> Iterator[str]:
    command = [sys.executable, "-m", "blackbox_dft", "serve", str(model), "--port", "0", *words]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        line = process.stdout.readline()
        assert "on the cpu at http://127.0.0.1:" in line
        place = line.split(" at ")[1].strip()
        with httpx.Client(transport=httpx.HTTPTransport(retries=20)) as client:
            client.get(place)
        yield place
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def url(tiny: Path) -> Iterator[str]:
    with serving(tiny / "model.onnx", "--name", "tone") as place:
        yield place


def score(url: str, images: np.ndarray, binary: bool) -> np.ndarray:
    headers, body = encode_request("image", "FP32", images, binary)
    response = httpx.post(f"{url}/infer", headers=headers, content=body, timeout=30)
    assert response.status_code == 200, response.text
    return decode_response(response.headers, response.content)["tone"]


def test_metadata(url: str) -> None:
    base = url.rsplit("/models", 1)[0]
    assert httpx.get(f"{base}/health/ready").status_code == 200
    assert "binary_tensor_data" in httpx.get(base).json()["extensions"]
    about = httpx.get(url).json()
    assert about["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 3, 16, 16]}]
    assert about["parameters"]["classes"] == "dark,bright"
    assert httpx.post(f"{base}/repository/index").json()[0]["name"] == "tone"
    assert httpx.get(f"{url}/ready").json() == {"name": "tone", "ready": True}


@pytest.mark.parametrize("binary", [True, False])
def test_scores_are_those_of_the_model(binary: bool, url: str, tiny: Path) -> None:
    (expected,) = ort.InferenceSession(tiny / "model.onnx").run(None, {"image": IMAGES})
    np.testing.assert_allclose(score(url, IMAGES, binary), expected, atol=1e-4)


def test_requests_at_once_are_joined_and_get_their_own_rows(url: str, tiny: Path) -> None:
    (expected,) = ort.InferenceSession(tiny / "model.onnx").run(None, {"image": IMAGES})
    cuts = [(n % 37, n % 37 + 1 + n % 3) for n in range(120)]
    with ThreadPoolExecutor(16) as threads:
        results = list(threads.map(lambda cut: score(url, IMAGES[slice(*cut)], True), cuts))
    for cut, rows in zip(cuts, results, strict=True):
        np.testing.assert_allclose(rows, expected[slice(*cut)], atol=1e-4)
    headers, body = encode_request("image", "FP32", IMAGES[:1])
    images, batches = httpx.post(f"{url}/infer", headers=headers, content=body).headers["x-batches"].split("/")
    assert int(images) > 1.2 * int(batches)


def valid_request(**more: object) -> bytes:
    """A valid request of one image, with ``more`` in its JSON."""
    return json.dumps({**json.loads(encode_request("image", "FP32", IMAGES[:1], False)[1]), **more}).encode()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"no json", "cannot be read"),
        (b"[" * 100_000, "nested too deep"),
        (b"[1]", "not an object"),
        (b"{}", "'inputs' is missing"),
        (encode_request("image", "FP32", IMAGES[:1, :2], False)[1], "has shape [1, 2, 16, 16]"),
        (encode_request("image", "FP64", IMAGES[:1].astype(float), False)[1], "is FP64"),
        (encode_request("picture", "FP32", IMAGES[:1], False)[1], "are picture"),
        (b'{"inputs":[{"name":"image","shape":[9],"datatype":"FP32","data":[1]}]}', "contains 1 values"),
        (b'{"inputs":[{"name":"image","shape":[-1],"datatype":"FP32","data":[]}]}', "has the shape"),
        (b'{"inputs":[{"name":"image","shape":[1],"datatype":"BYTES","data":["a"]}]}', "cannot be read"),
        (b'{"inputs":[{"name":"image","shape":[1],"datatype":"FP32","data":[null]}]}', "other than numbers"),
        (b'{"inputs":[{"name":"image","shape":[1],"datatype":"FP32","data":["1"]}]}', "other than numbers"),
        (b'{"inputs":[{"name":"image","shape":[1],"datatype":"FP32","data":[1' + b"0" * 400 + b"]}]}", "than numbers"),
        (b'{"inputs":[{"name":"image","shape":[1],"datatype":"UINT8","data":[300]}]}', "do not fit its datatype"),
        (b'{"inputs":[{"name":"image","shape":[1],"datatype":"UINT8","data":[0.5]}]}', "do not fit its datatype"),
        (
            b'{"inputs":[{"name":"image","shape":[1],"datatype":"FP32","data":[1],"parameters":[1]}]}',
            "is not an object",
        ),
        (valid_request(parameters=[1]), "'parameters' is not an object"),
        (valid_request(outputs=5), "'outputs' is not a list"),
        (valid_request(outputs=[{"name": "ton"}]), "no output 'ton': request one of tone"),
        (valid_request(inputs=2 * json.loads(valid_request())["inputs"]), "occurs twice"),
    ],
)
def test_invalid_requests_are_refused_in_one_sentence(body: bytes, sentence: str, url: str) -> None:
    response = httpx.post(f"{url}/infer", content=body)
    assert response.status_code == 400
    assert sentence in response.json()["error"]


def test_all_outputs_of_a_model_are_served_as_they_are(tmp_path: Path) -> None:
    path = mean_model.build(tmp_path / "m.onnx", outputs=("scores", "label", "age"))
    named = []
    for output in ("scores", "all:scores"):
        with OnnxTarget(path, TargetOptions(output=output, provider="cpu", range="0..1")) as target:
            named.append([one.name for one in OnnxModel(target, "m").outputs])
    assert named[0] == named[1]
    assert {"scores", "age"} <= set(named[0])


def test_unknown_models_and_lengths(url: str) -> None:
    assert httpx.get(url + "x").status_code == 404
    headers, body = encode_request("image", "FP32", IMAGES[:1])
    wrong = {**headers, "inference-header-content-length": "99999999"}
    assert "but the body has" in httpx.post(f"{url}/infer", headers=wrong, content=body).json()["error"]


def test_unknown_paths_and_methods(url: str) -> None:
    base = url.rsplit("/models", 1)[0]
    for method, place, status in (("GET", f"{base}/x", 404), ("GET", f"{url}/infer", 405), ("DELETE", base, 405)):
        response = httpx.request(method, place)
        assert response.status_code == status
        assert place.removeprefix(base) in response.json()["error"]


@pytest.mark.parametrize("framing", [b"Content-Length: 9000000000", b"Transfer-Encoding: chunked"])
def test_a_body_too_large_is_refused_before_it_is_complete(framing: bytes, url: str) -> None:
    host, port = url.split("/")[2].split(":")
    block = b"%x\r\n%s\r\n" % (2**24, bytes(2**24)) if b"chunked" in framing else b"{"
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(b"POST /v2/models/tone/infer HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n" + block)
        if b"chunked" in framing:
            for _ in range(256 // 16):
                line.sendall(block)
        assert line.recv(4096).startswith(b"HTTP/1.1 413 ")
    assert httpx.get(url).status_code == 200


def test_a_response_has_the_id_and_binary_outputs_on_request(url: str) -> None:
    wanted = [{"name": "tone", "parameters": {"binary_data": True}}]
    response = httpx.post(f"{url}/infer", content=valid_request(id="seven", outputs=wanted))
    length = int(response.headers["inference-header-content-length"])
    assert json.loads(response.content[:length])["id"] == "seven"
    assert len(response.content) - length == 8
    assert json.loads(httpx.post(f"{url}/infer", content=valid_request()).content)["outputs"][0]["data"]


def means(path: Path, shape: list[object], kind: str = "FLOAT", *, total: bool = False) -> Path:
    """A model that returns the mean of each channel, and with ``total`` one number for the whole batch too."""
    from onnx import TensorProto, helper, save

    axes = [len(shape) - 2, len(shape) - 1]
    rows = shape[: len(shape) - 2]
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["means"], axes=axes, keepdims=0),
    ]
    outputs = [helper.make_tensor_value_info("means", TensorProto.FLOAT, rows)]
    if total:
        nodes.append(helper.make_node("ReduceMean", ["means"], ["total"], keepdims=0))
        outputs.append(helper.make_tensor_value_info("total", TensorProto.FLOAT, []))
    inputs = [helper.make_tensor_value_info("image", getattr(TensorProto, kind), shape)]
    graph = helper.make_graph(nodes, "means", inputs, outputs)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.mark.parametrize(
    ("shape", "kind", "datatype", "total"),
    [
        ([3, 8, 8], "FLOAT", "FP32", False),
        ([4, 3, 8, 8], "FLOAT", "FP32", False),
        (["N", 3, 8, 8], "UINT8", "UINT8", False),
        (["N", 3, 8, 8], "FLOAT16", "FP16", False),
        (["N", 3, 8, 8], "FLOAT", "FP32", True),
    ],
    ids=["no batch axis", "batch of four", "bytes", "halves", "an output without rows"],
)
def test_models_of_every_format_return_one_row_for_each_image(
    shape: list[object], kind: str, datatype: str, total: bool, tmp_path: Path
) -> None:
    images = np.random.default_rng(1).integers(0, 255, (11, 3, 8, 8)).astype(NUMPY_TYPES[datatype])
    expected = images.astype(np.float64).mean((2, 3))
    with serving(means(tmp_path / "means.onnx", shape, kind, total=total), "--max-batch", "5") as url:
        about = httpx.get(url).json()
        assert about["inputs"] == [{"name": "image", "datatype": datatype, "shape": [-1, 3, 8, 8]}]
        assert about["outputs"] == [{"name": "means", "datatype": "FP32", "shape": [-1, 3]}]
        with ThreadPoolExecutor(8) as threads:
            pieces = [(n, n + size) for n in range(6) for size in (1, 2, 5)] + [(0, 11)]
            results = list(threads.map(lambda cut: score_means(url, images[slice(*cut)], datatype), pieces))
    for cut, rows in zip(pieces, results, strict=True):
        np.testing.assert_allclose(rows, expected[slice(*cut)], rtol=1e-5)


def score_means(url: str, images: np.ndarray, datatype: str) -> np.ndarray:
    headers, body = encode_request("image", datatype, images, len(images) % 2 == 0)
    response = httpx.post(f"{url}/infer", headers=headers, content=body, timeout=30)
    assert response.status_code == 200, response.text
    return decode_response(response.headers, response.content)["means"]


def test_a_url_gives_the_same_change_as_the_file(url: str, bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    words = [
        "--data",
        tiny / "labels.csv",
        "--space",
        "color",
        "--budget",
        1500,
        "--in-doubt",
        "free",
        "--json",
        "--yes",
    ]
    # If a run is a few steps shorter, NES moves z half as far as surface (.09 for .17 after some 60 queries less).
    words += ["--estimator", "nes", "--evaluate", "all"]
    base = url.rsplit("/v2", 1)[0]
    found = json.loads(bbdft("optimize", base, *words, "--out", tmp_path / "url", code=0).stdout)
    assert found["verdict"] == "improved"
    bbdft("optimize", tiny / "model.onnx", *words, "--out", tmp_path / "file", code=0)
    # The drift check of a URL shortens its search by a step or two.
    np.testing.assert_allclose(Tuning.load(tmp_path / "url").z, Tuning.load(tmp_path / "file").z, atol=0.3)
