"""ProfileResponse: scores in the many forms that services write, and what is said if there are none."""

import json
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from blackbox_dft import InputError, TargetError
from blackbox_dft.errors import LostAnswer
from blackbox_dft.targets.http.messages import HttpResponse
from blackbox_dft.targets.http.profile_response import ProfileResponse

ITEMS = {"items": "predictions", "label": "label", "score": "score"}
CLASSES = ("left", "right")


def reader(declared: dict[str, Any] | None = None, classes: tuple[str, ...] | None = CLASSES) -> ProfileResponse:
    return ProfileResponse(ITEMS if declared is None else declared, classes, "image-json")


def response(document: Any, status: int = 200) -> HttpResponse:
    return HttpResponse({}, document if isinstance(document, bytes) else json.dumps(document).encode(), status)


def items(left: Any, right: Any = 0.25) -> dict[str, Any]:
    return {"predictions": [{"label": "left", "score": left}, {"label": "right", "score": right}]}


PAIRS = [{"label": "left", "score": 0.75}, {"label": "right", "score": 0.25}]


@pytest.mark.parametrize(
    ("declared", "document"),
    [
        (ITEMS, {"predictions": PAIRS}),
        (ITEMS, {"predictions": [{"label": "RIGHT", "score": 0.25}, {"label": "Left", "score": "75 %"}]}),
        (ITEMS, {"predictions": [{"label": "left", "score": "0,75"}, {"label": "right", "score": " .25"}]}),
        # JSON inside a text.
        (ITEMS, {"predictions": json.dumps(PAIRS)}),
        (ITEMS, json.dumps({"predictions": PAIRS})),
        (ITEMS, {"predictions": f"```json\n{json.dumps(PAIRS)}\n```"}),
        ({**ITEMS, "items": "[0].text"}, [{"text": f"```\n{json.dumps(PAIRS, indent=1)}\n```\n"}]),
        ({**ITEMS, "items": "body.predictions"}, {"statusCode": 200, "body": json.dumps({"predictions": PAIRS})}),
        # An object of scores by label, or of one label.
        (ITEMS, {"predictions": {"left": 0.75, "right": "25%"}}),
        ({"items": "@"}, {"left": 0.75, "right": 0.25}),
        ({"items": "@", "score": "p"}, {"left": {"p": 0.75}, "right": {"p": 0.25}}),
        # Parallel lists.
        ({"labels": "names", "scores": "values"}, {"names": ["right", "left"], "values": [0.25, 0.75]}),
        ({"rows": "p", "labels": "names", "scores": "v"}, {"p": [{"names": ["left", "Right"], "v": ["0.75", 0.25]}]}),
        # Lists of scores, in the order of the classes.
        ({}, [0.75, 0.25]),
        ({}, [[0.75, 0.25]]),
        ({}, [[[0.75, 0.25]]]),
        ({}, ["75 %", "25 %"]),
        ({}, {"right": 0.25, "left": 0.75}),
        ({"rows": "p"}, {"p": [0.75, 0.25]}),
        ({"rows": "p"}, {"p": [[0.75, 0.25]]}),
        ({"scale": 100}, [75, 25]),
        ({**ITEMS, "words": {"likely": 0.75, "UNLIKELY": 0.25}}, items("Likely", "unlikely")),
    ],
)
def test_forms_of_scores(declared: dict[str, Any], document: Any) -> None:
    read = reader(declared)
    np.testing.assert_allclose(read.scores(response(document), 1), [[0.75, 0.25]], rtol=1e-6)
    assert read.explain() is None


def test_labels_without_scores_are_decisions() -> None:
    for declared, document in (
        ({"items": "tags"}, {"tags": ["right"]}),
        ({"items": "label"}, {"label": "Right"}),
        ({"labels": "label"}, {"label": "right"}),
        ({"items": "tags", "label": "name"}, {"tags": [{"name": "right"}]}),
    ):
        assert reader(declared).scores(response(document), 1).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (
            {"predictions": [{"label": "Male", "score": 1}]},
            "it names Male, and not left or right: give --model-classes",
        ),
        (
            {"predictions": [{"label": "LABEL_0", "score": 0.5}, {"label": "LABEL_1", "score": 0.5}]},
            "--map left=LABEL_0",
        ),
        ({"message": "hello"}, 'nothing at the profile\'s items = \'predictions\'; it returned {"message": "hello"}'),
        (items(None, None), "the score of 'right' is missing"),
    ],
)
def test_responses_without_a_score_are_zeros_and_explained(document: Any, sentence: str) -> None:
    read = reader()
    assert read.scores(response(document), 1).tolist() == [[0, 0]]
    explained = read.explain()
    assert explained
    assert sentence in explained


def test_finding_nothing_is_explained_after_several_images_only() -> None:
    read = reader()
    for document in ({"predictions": []}, {"predictions": None}, {"predictions": {}}):
        read.scores(response(document), 1)
    assert read.explain() is None
    for _ in range(5):
        read.scores(response({"predictions": []}), 1)
    assert "finds nothing in the images" in (read.explain() or "")


@pytest.mark.parametrize(
    ("declared", "document", "sentence"),
    [
        (
            ITEMS,
            {"predictions": [{"name": "left", "score": 1}]},
            r"no 'label' \(they have name and score\).*label = \"name\"",
        ),
        (ITEMS, {"predictions": [{"label": "left", "p": 1}]}, r"no 'score' \(they have label and p\).*score = \"p\""),
        (ITEMS, {"result": [{"tags": [{"label": "Left"}]}]}, r"has labels at result\[\]\.tags\[\]\.label: mend items"),
        (ITEMS, items("high"), r"'high' instead of a number: .* words = \{ \"high\" = 0.9 \}"),
        (ITEMS, items([1, 2]), "name the key of the number"),
        ({"labels": "a", "scores": "b"}, {"a": ["left", "right"], "b": [1]}, "'labels' are 2 and its 'scores' 1"),
        ({}, [0.1, 0.2, 0.7], "has 3 scores an image.*names 2 classes"),
        ({"items": "max_by(a, &b)"}, {"a": 7}, "cannot be applied to the response"),
        (ITEMS, {"id": 1, "status": "processing"}, "have to be fetched later"),
    ],
)
def test_what_can_never_be_read_stops_at_the_first_response(
    declared: dict[str, Any], document: Any, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        reader(declared).scores(response(document), 1)
    assert "\n" not in str(caught.value)


def test_the_profile_to_mend_is_named_with_how_to_copy_it() -> None:
    with pytest.raises(InputError, match=r"bbdft profiles image-json > my.toml, edit it, --profile my.toml"):
        reader().scores(response({"predictions": [{"name": "left"}]}), 1)
    with pytest.raises(InputError, match=r"of own\.toml"):
        ProfileResponse(ITEMS, CLASSES, "own.toml").scores(response({"predictions": [{"name": "left"}]}), 1)


def test_unreadable_rows_are_without_a_score_once_a_response_was_read() -> None:
    read = reader()
    read.scores(response(items(0.75)), 1)
    for document in (items("high"), {"predictions": [{"name": "left", "score": 1}]}, {"other": [{"label": "left"}]}):
        assert read.scores(response(document), 1).tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("document", "status", "text"),
    [
        ({"status": "failed", "message": "monthly quota exceeded"}, 200, "with status 200: monthly quota exceeded"),
        ({"detail": "model not loaded"}, 201, "with status 201: model not loaded"),
        ({"predictions": [], "error": {"message": "bad key"}}, 200, "bad key"),
    ],
)
def test_failures_end_the_run_whenever_they_come(document: Any, status: int, text: str) -> None:
    read = reader()
    for _ in range(2):
        with pytest.raises(TargetError, match=text):
            read.scores(response(document, status), 1)
        read.scores(response(items(0.75)), 1)


def test_a_profile_can_say_what_finding_nothing_looks_like() -> None:
    read = reader({**ITEMS, "no_score": "error == 'no face'"})
    assert read.scores(response({"error": "no face"}), 1).tolist() == [[0, 0]]
    with pytest.raises(TargetError, match="no credit"):
        read.scores(response({"error": "no credit"}), 1)


def test_accepted_jobs_and_bodies_that_are_not_json() -> None:
    for document in ({"id": 1}, b"", b"accepted"):
        with pytest.raises(InputError, match="fetched later"):
            reader().scores(response(document, 202), 1)
    # Some services return their scores with any status.
    assert reader().scores(response(items(0.75), 202), 1).tolist() == [[0.75, 0.25]]
    assert reader().scores(response(b"", 204), 1).tolist() == [[0, 0]]
    with pytest.raises(TargetError, match=r"is not JSON \(out of credit\)") as caught:
        reader().scores(response(b"out of credit"), 1)
    assert not isinstance(caught.value, LostAnswer)
    with pytest.raises(LostAnswer, match=r"is not JSON \(Welcome\)"):
        reader().scores(response(b"<html><b>Welcome</b></html>"), 1)


def test_a_missing_score_of_a_single_column_is_not_a_number() -> None:
    read = reader({"rows": "p"}, None)
    assert read.scores(response({"p": [[0.0], [0.5]]}), 2).tolist() == [[0.0], [0.5]]
    assert np.isnan(read.scores(response({"p": [[None], [0.5]]}), 2)).tolist() == [[True], [False]]
    with pytest.raises(InputError, match="--model-classes"):
        reader({"rows": "p"}, None).scores(response({"p": [None]}), 1)


@pytest.mark.parametrize("depth", [100, 500, 700])
def test_documents_nested_deep_end_in_an_error_or_without_a_score(depth: int) -> None:
    deep: Any = "x"
    for _ in range(depth):
        deep = [deep]
    for document in ({"other": deep}, {"predictions": deep}):
        with suppress(LostAnswer, InputError):
            assert not reader().scores(response(document), 1).any()


def test_a_profile_without_a_label_is_told_to_add_one() -> None:
    read = ProfileResponse({"items": "predictions"}, CLASSES, "my.toml")
    with pytest.raises(InputError) as error:
        read.scores(response({"predictions": PAIRS}), 1)
    assert str(error.value) == (
        "the server's response cannot be read: the profile does not say which key of its items holds the label "
        '(they have label and score): add label in the profile of my.toml, such as label = "label".'
    )


def test_a_long_text_is_no_label() -> None:
    read = reader()
    for number in range(8):
        read.scores(response({"predictions": f"I see {number} birds. " * 40}), 1)
    hint = read.explain()
    assert hint is not None
    assert "what it gives as a label is a text of" in hint
    assert "--map" not in hint
    assert len(hint) < 300
