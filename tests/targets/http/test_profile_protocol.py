"""ProfileProtocol: the package's profiles and others, against a local server that responds in the documented forms."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import cv2
import numpy as np
import pytest

from blackbox_dft import InputError, TargetError, TargetOptions, make_target
from blackbox_dft.errors import LostAnswer
from tests.helpers.recording_server import RecordingServer, decoded

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    recorder = RecordingServer()
    yield recorder
    recorder.server.shutdown()


def test_image_json(server: RecordingServer) -> None:
    def respond(body: bytes) -> Any:
        level = float(decoded(json.loads(body)["image"]).mean()) / 255
        return {"predictions": [{"label": "bright", "score": level}, {"label": "unknown", "score": 1}]}

    server.respond = respond
    with make_target(server.url, TargetOptions(profile="image-json", classes=("dark", "bright"))) as target:
        scores = np.concatenate([target.scores(IMAGES[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(scores[:, 1], IMAGES.mean(axis=(1, 2, 3)) / 255, atol=1e-5)
    assert (scores[:, 0] == 0).all()


def test_image_form(server: RecordingServer) -> None:
    server.respond = lambda body: {"predictions": [{"label": "a", "score": 0.25}]}
    with make_target(server.url, TargetOptions(profile="image-form", classes=("a", "b"))) as target:
        assert target.scores(IMAGES[:1]).tolist() == [[0.25, 0.0]]
    _, headers, body = server.requests[0]
    assert headers["content-type"].startswith("multipart/form-data")
    png = body[body.index(b"\x89PNG") :]
    sent = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    np.testing.assert_array_equal(sent, IMAGES[0])


@pytest.mark.parametrize("profile", ["tf-serving", "tf-serving-columns", "tf-serving-base64"])
def test_tf_serving(profile: str, server: RecordingServer) -> None:
    def respond(body: bytes) -> Any:
        document = json.loads(body)
        if profile == "tf-serving-base64":
            rows = [decoded(one["b64"]).mean((0, 1)) / 255 for one in document["instances"]]
        else:
            rows = [np.mean(one, axis=(0, 1)) for one in document.get("instances", document.get("inputs"))]
        return {
            "outputs" if profile == "tf-serving-columns" else "predictions": [list(map(float, row)) for row in rows]
        }

    server.respond = respond
    with make_target(server.url, TargetOptions(profile=profile)) as target:
        np.testing.assert_allclose(target.scores(IMAGES), IMAGES.mean(axis=(1, 2)) / 255, atol=1e-5)
    server.respond = lambda body: {"error": "the model is not loaded"}
    with make_target(server.url, TargetOptions(profile=profile)) as target:
        with pytest.raises(TargetError, match="the model is not loaded"):
            target.scores(IMAGES)


def test_google_vision_words_become_numbers(server: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "abc123")
    face = {"joyLikelihood": "VERY_LIKELY", "sorrowLikelihood": "VERY_UNLIKELY", "angerLikelihood": "POSSIBLE"}
    server.respond = lambda body: {
        "responses": [{"faceAnnotations": [{**face, "surpriseLikelihood": "UNKNOWN"}]}, {}, {"faceAnnotations": []}]
    }
    with make_target(server.url, TargetOptions(profile="google-vision")) as target:
        assert target.classes == ("joy", "sorrow", "anger", "surprise")
        scores = target.scores(IMAGES)
    np.testing.assert_allclose(scores, [[0.98, 0.02, 0.5, 0], [0] * 4, [0] * 4], atol=1e-6)
    path, _, body = server.requests[0]
    assert path.endswith("?key=abc123")
    requests = json.loads(body)["requests"]
    assert len(requests) == 3
    np.testing.assert_array_equal(decoded(requests[1]["image"]["content"]), IMAGES[1])


def test_azure_vision(server: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_VISION_KEY", "xyz")
    server.respond = lambda body: {
        "tags": [{"name": "grass", "confidence": 0.99}, {"name": "outdoor", "confidence": 0.9}]
    }
    with make_target(server.url, TargetOptions(profile="azure-vision", classes=("outdoor", "indoor"))) as target:
        np.testing.assert_allclose(target.scores(IMAGES[:1]), [[0.9, 0.0]], atol=1e-6)
    path, headers, _ = server.requests[0]
    assert path == "/score/vision/v3.2/tag"
    assert headers["ocp-apim-subscription-key"] == "xyz"


def test_face_plus_plus(server: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEPP_API_KEY", "key")
    monkeypatch.setenv("FACEPP_API_SECRET", "hush")
    emotion = {"anger": 0.1, "disgust": 0, "fear": 0, "happiness": 95.5, "neutral": 4.4, "sadness": 0, "surprise": 0}
    server.respond = lambda body: {"faces": [{"attributes": {"emotion": emotion}}]}
    with make_target(server.url, TargetOptions(profile="face-plus-plus")) as target:
        assert target.scores(IMAGES[:1])[0, 3] == pytest.approx(0.955)
        server.respond = lambda body: {"faces": []}
        assert target.scores(IMAGES[:1]).tolist() == [[0.0] * 7]
        server.respond = lambda body: {"error_message": "the secret hush is wrong"}
        with pytest.raises(TargetError, match=r"the secret \*\*\* is wrong"):
            target.scores(IMAGES[:1])


@pytest.mark.parametrize(
    "document",
    [
        {"predictions": "many"},
        {"predictions": [[1, 2]]},
        {"predictions": [[1], [2, 3], [4]]},
        {"predictions": [["high"], [1], [1]]},
        {},
        7,
    ],
)
def test_responses_without_scores_stop_at_once_if_none_was_read_before(document: Any, server: RecordingServer) -> None:
    server.respond = lambda body: document
    with make_target(server.url, TargetOptions(profile="tf-serving")) as target:
        with pytest.raises(InputError, match="the server"):
            target.scores(IMAGES)


def test_another_number_of_rows_is_lost_if_a_response_was_read_before(server: RecordingServer) -> None:
    with make_target(server.url, TargetOptions(profile="tf-serving")) as target:
        server.respond = lambda body: {"predictions": [[1, 2], [3, 4], [5, 6]]}
        target.scores(IMAGES)
        server.respond = lambda body: {"predictions": [[1, 2]]}
        with pytest.raises(LostAnswer, match="1 rows for 3 images"):
            target.scores(IMAGES)


def png(body: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_hugging_face(server: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    server.respond = lambda body: [{"label": "LABEL_1", "score": 0.75}, {"label": "LABEL_0", "score": 0.25}]
    with make_target(server.url, TargetOptions(profile="hugging-face", classes=("label_0", "label_1"))) as target:
        np.testing.assert_allclose(target.scores(IMAGES[:1]), [[0.25, 0.75]])
        server.respond = lambda body: {"error": "Model is loading"}
        with pytest.raises(TargetError, match="Model is loading"):
            target.scores(IMAGES[:1])
    _, headers, body = server.requests[0]
    assert (headers["content-type"], headers["authorization"]) == ("image/png", "Bearer hf_x")
    np.testing.assert_array_equal(png(body), IMAGES[0])


def test_custom_vision(server: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOM_VISION_KEY", "cv")
    tags = [
        {"probability": 0.75, "tagId": "7", "tagName": "dog"},
        {"probability": 0.25, "tagId": "8", "tagName": "cat"},
    ]
    server.respond = lambda body: {"id": "1", "project": "2", "iteration": "3", "predictions": tags}
    with make_target(server.url, TargetOptions(profile="custom-vision", classes=("cat", "dog"))) as target:
        np.testing.assert_allclose(target.scores(IMAGES[:1]), [[0.25, 0.75]])
    path, headers, body = server.requests[0]
    assert (path, headers["content-type"], headers["prediction-key"]) == ("/score", "application/octet-stream", "cv")
    np.testing.assert_array_equal(png(body), IMAGES[0])


def test_vertex(server: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERTEX_TOKEN", "t")
    row = {"ids": ["1", "2"], "displayNames": ["dog", "cat"], "confidences": [0.75, 0.25]}
    server.respond = lambda body: {"predictions": [row], "deployedModelId": "5"}
    with make_target(server.url, TargetOptions(profile="vertex", classes=("cat", "dog"))) as target:
        np.testing.assert_allclose(target.scores(IMAGES[:1]), [[0.25, 0.75]])
    (instance,) = json.loads(server.requests[0][2])["instances"]
    np.testing.assert_array_equal(decoded(instance["content"]), IMAGES[0])


def test_a_form_with_base64_is_url_encoded(server: RecordingServer, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(
        "[request]\nimage = 'jpeg:100'\nform = {image_base64 = '{base64}', lang = 'en'}\n[response]\nitems = 'tags'\n"
    )
    server.respond = lambda body: {"tags": {"a": 0.25, "b": 0.75}}
    with make_target(server.url, TargetOptions(profile=str(tmp_path / "own.toml"), classes=("a", "b"))) as target:
        np.testing.assert_allclose(target.scores(IMAGES[:1]), [[0.25, 0.75]])
    _, headers, body = server.requests[0]
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    fields = parse_qs(body.decode())
    assert fields["lang"] == ["en"]
    assert decoded(fields["image_base64"][0]).shape == (8, 8, 3)


def test_a_batch_that_the_profile_cannot_send_is_refused(server: RecordingServer) -> None:
    with pytest.raises(InputError, match="--batch 4: a request of the profile image-json holds one image"):
        make_target(server.url, TargetOptions(profile="image-json", classes=("a", "b"), batch=4))
    assert make_target(server.url, TargetOptions(profile="tf-serving", batch=32)).batch == 32


def test_a_profile_in_a_file(server: RecordingServer, tmp_path: Path) -> None:
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
    server.respond = lambda body: {"data": [{"values": [1, 9]} for _ in json.loads(body)["pictures"]]}
    with make_target(server.url, TargetOptions(profile=str(tmp_path / "mine.toml"))) as target:
        assert target.batch == 2
        np.testing.assert_allclose(target.scores(IMAGES[:2]), [[0.1, 0.9]] * 2)
    path, _, body = server.requests[0]
    assert path == "/score/v9"
    np.testing.assert_array_equal(np.array(json.loads(body)["pictures"]), IMAGES[:2])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[request", "is not TOML"),
        ("name = 'x'", "none of 'json', 'form' and 'body'"),
        ("[request]\njson = {a = '{base64}'}\nhost = 'x'", "unknown key"),
        ("[request]\njson = {a = '{base64}'}\n[response]\nrows = '[['", "invalid JMESPath"),
        ("[request]\njson = {a = '{base64}'}\n[response]\nitems = 'x'", "--model-classes"),
    ],
)
def test_impossible_profiles(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(InputError, match=sentence):
        make_target("http://127.0.0.1:9/", TargetOptions(profile=str(tmp_path / "bad.toml")))
