"""Declared profiles against a local server that answers in the documented forms."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from blackbox_dft import InputError, TargetError, TargetOptions, make_target
from blackbox_dft.errors import LostAnswer
from blackbox_dft.targets.http.profile_schema import names, read_profile

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)


class Recorder:
    """A server that keeps what it was asked and answers as told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: Callable[[bytes], Any] = lambda body: {}
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                recorder.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                data = json.dumps(recorder.answer(body)).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/score"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def server() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.server.shutdown()


def decoded(text: str) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_image_json(server: Recorder) -> None:
    def answer(body: bytes) -> Any:
        level = float(decoded(json.loads(body)["image"]).mean()) / 255
        return {"predictions": [{"label": "bright", "score": level}, {"label": "never heard of", "score": 1}]}

    server.answer = answer
    with make_target(server.url, TargetOptions(profile="image-json", classes=("dark", "bright"))) as target:
        scores = np.concatenate([target.scores(IMAGES[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(scores[:, 1], IMAGES.mean(axis=(1, 2, 3)) / 255, atol=1e-5)
    assert (scores[:, 0] == 0).all()


def test_image_form(server: Recorder) -> None:
    server.answer = lambda body: {"predictions": [{"label": "a", "score": 0.25}]}
    with make_target(server.url, TargetOptions(profile="image-form", classes=("a", "b"))) as target:
        assert target.scores(IMAGES[:1]).tolist() == [[0.25, 0.0]]
    _, headers, body = server.asked[0]
    assert headers["content-type"].startswith("multipart/form-data")
    png = body[body.index(b"\x89PNG") :]
    sent = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    np.testing.assert_array_equal(sent, IMAGES[0])


@pytest.mark.parametrize("profile", ["tf-serving", "tf-serving-columns", "tf-serving-base64"])
def test_tf_serving(profile: str, server: Recorder) -> None:
    def answer(body: bytes) -> Any:
        document = json.loads(body)
        if profile == "tf-serving-base64":
            rows = [decoded(one["b64"]).mean((0, 1)) / 255 for one in document["instances"]]
        else:
            rows = [np.mean(one, axis=(0, 1)) for one in document.get("instances", document.get("inputs"))]
        return {
            "outputs" if profile == "tf-serving-columns" else "predictions": [list(map(float, row)) for row in rows]
        }

    server.answer = answer
    with make_target(server.url, TargetOptions(profile=profile)) as target:
        np.testing.assert_allclose(target.scores(IMAGES), IMAGES.mean(axis=(1, 2)) / 255, atol=1e-5)
    server.answer = lambda body: {"error": "the model is not loaded"}
    with make_target(server.url, TargetOptions(profile=profile)) as target:
        with pytest.raises(TargetError, match="the model is not loaded"):
            target.scores(IMAGES)


def test_google_vision_words_become_numbers(server: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "abc123")
    face = {"joyLikelihood": "VERY_LIKELY", "sorrowLikelihood": "VERY_UNLIKELY", "angerLikelihood": "POSSIBLE"}
    server.answer = lambda body: {
        "responses": [{"faceAnnotations": [{**face, "surpriseLikelihood": "UNKNOWN"}]}, {}, {"faceAnnotations": []}]
    }
    with make_target(server.url, TargetOptions(profile="google-vision")) as target:
        assert target.classes == ("joy", "sorrow", "anger", "surprise")
        scores = target.scores(IMAGES)
    np.testing.assert_allclose(scores, [[0.98, 0.02, 0.5, 0], [0] * 4, [0] * 4], atol=1e-6)
    path, _, body = server.asked[0]
    assert path.endswith("?key=abc123")
    requests = json.loads(body)["requests"]
    assert len(requests) == 3
    np.testing.assert_array_equal(decoded(requests[1]["image"]["content"]), IMAGES[1])


def test_azure_vision(server: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_VISION_KEY", "xyz")
    server.answer = lambda body: {
        "tags": [{"name": "grass", "confidence": 0.99}, {"name": "outdoor", "confidence": 0.9}]
    }
    with make_target(server.url, TargetOptions(profile="azure-vision", classes=("outdoor", "indoor"))) as target:
        np.testing.assert_allclose(target.scores(IMAGES[:1]), [[0.9, 0.0]], atol=1e-6)
    path, headers, _ = server.asked[0]
    assert path == "/score/vision/v3.2/tag"
    assert headers["ocp-apim-subscription-key"] == "xyz"


def test_face_plus_plus(server: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEPP_API_KEY", "key")
    monkeypatch.setenv("FACEPP_API_SECRET", "hush")
    emotion = {"anger": 0.1, "disgust": 0, "fear": 0, "happiness": 95.5, "neutral": 4.4, "sadness": 0, "surprise": 0}
    server.answer = lambda body: {"faces": [{"attributes": {"emotion": emotion}}]}
    with make_target(server.url, TargetOptions(profile="face-plus-plus")) as target:
        assert target.scores(IMAGES[:1])[0, 3] == pytest.approx(0.955)
        server.answer = lambda body: {"faces": []}
        assert target.scores(IMAGES[:1]).tolist() == [[0.0] * 7]
        server.answer = lambda body: {"error_message": "the secret hush is wrong"}
        with pytest.raises(TargetError, match=r"the secret \*\*\* is wrong"):
            target.scores(IMAGES[:1])


def test_rekognition_is_signed(server: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    emotions = [{"Type": "HAPPY", "Confidence": 97.5}, {"Type": "CALM", "Confidence": 2.5}]
    server.answer = lambda body: {"FaceDetails": [{"Emotions": emotions}]}
    with make_target(server.url, TargetOptions(profile="rekognition")) as target:
        assert target.scores(IMAGES[:1])[0, [0, 6]].tolist() == pytest.approx([0.975, 0.025])
        server.answer = lambda body: {"FaceDetails": []}
        assert not target.scores(IMAGES[:1]).any()
    _, headers, body = server.asked[0]
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/eu-west-1/rekognition/aws4_request" in headers["authorization"]
    assert headers["x-amz-target"] == "RekognitionService.DetectFaces"
    assert "wJalrXUtnFEMI" not in str(headers)
    np.testing.assert_array_equal(decoded(json.loads(body)["Image"]["Bytes"]), IMAGES[0])


def test_answers_that_are_no_scores_are_lost(server: Recorder) -> None:
    with make_target(server.url, TargetOptions(profile="tf-serving")) as target:
        for answer in ({"predictions": "many"}, {"predictions": [[1, 2]]}, {"predictions": [[1], [2, 3], [4]]}, {}, 7):
            server.answer = lambda body, answer=answer: answer
            with pytest.raises((LostAnswer, TargetError)):
                target.scores(IMAGES)


def test_a_profile_of_ones_own(server: Recorder, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        """
name = "mine"
batch = 2
[request]
path = "/v9"
json = { pictures = ["{levels}"], model = "tone" }
[response]
rows = "data[*].values"
scale = 10
"""
    )
    server.answer = lambda body: {"data": [{"values": [1, 9]} for _ in json.loads(body)["pictures"]]}
    with make_target(server.url, TargetOptions(profile=str(tmp_path / "mine.toml"))) as target:
        assert target.batch == 2
        np.testing.assert_allclose(target.scores(IMAGES[:2]), [[0.1, 0.9]] * 2)
    path, _, body = server.asked[0]
    assert path == "/score/v9"
    np.testing.assert_array_equal(np.array(json.loads(body)["pictures"]), IMAGES[:2])


@pytest.mark.parametrize("name", names())
def test_profiles_of_the_package_can_be_read(name: str) -> None:
    assert read_profile(name)["name"] == name


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[request", "no TOML"),
        ("name = 'x'", "neither 'json' nor 'form'"),
        ("[request]\njson = {a = '{base64}'}\nhost = 'x'", "unknown key"),
        ("[request]\njson = {a = '{base64}'}\n[response]\nrows = '[['", "no JMESPath"),
        ("[request]\njson = {a = '{base64}'}\n[response]\nitems = 'x'", "--model-classes"),
    ],
)
def test_profiles_that_cannot_be(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(InputError, match=sentence):
        make_target("http://127.0.0.1:9/", TargetOptions(profile=str(tmp_path / "bad.toml")))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("\udcde\udcff", "is no TOML"),
        ("a = " + "[" * 5000, "no TOML|nested too deep"),
        ("request = 3", "request is '3': write a table"),
        ("[request]\njson = {image = '{base64}'}\nbatch = 3", "unknown key"),
        ("batch = 'x'\n[request]\njson = {image = '{base64}'}", "batch is 'x': write a whole number"),
        ("batch = 0\n[request]\njson = {image = '{base64}'}", "batch and"),
        ("[request]\njson = {image = '{base64}'}\nimage = 'gif'", "write png or jpeg:Q"),
        ("[request]\njson = {image = '{base64}'}\nmethod = 3", "write a text"),
        ("[request]\njson = {image = '{base64}'}\npath = '/../../admin'", "leads elsewhere"),
        ("[request]\njson = {image = '{base64}'}\npath = '/%2e%2E/admin'", "leads elsewhere"),
        ("[request]\njson = {image = '{base64}'}\npath = '@other.example/x'", "leads elsewhere"),
        ("[request]\njson = {image = '{base64}'}\nheaders = {A = '{file:../../key}'}", "leads upwards"),
        ("[request]\njson = {image = '{base64}'}\nheaders = {A = ['b']}", "write texts"),
        ("[request]\njson = {image = '{base64}'}\n[response]\nrows = 3", "write a text"),
        ("[request]\njson = {image = '{base64}'}\n[response]\nwords = {A = 'b'}", "other than numbers"),
        ("# " + "x" * 2**20, "larger than 1 MiB"),
    ],
)
def test_profiles_that_cannot_be_are_refused_in_a_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=sentence) as caught:
        read_profile(str(tmp_path / "own.toml"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", names())
def test_the_package_s_own_profiles_are_sound(name: str) -> None:
    assert read_profile(name)["request"]
