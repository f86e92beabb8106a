"""Profile response: reads scores from a response as a profile declares, and says what came if there are none."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from blackbox_dft._utils.types import Scores
from blackbox_dft.errors import InputError, LostAnswer, TargetError
from blackbox_dft.targets.http.failures import failure_in, is_pending
from blackbox_dft.targets.http.labels import LabelColumns, listed
from blackbox_dft.targets.http.messages import HttpResponse, clip
from blackbox_dft.targets.http.numbers import parse_score
from blackbox_dft.targets.http.protocol import check_scores

PATHS = ("rows", "items", "label", "score", "labels", "scores", "error", "no_score")
"""Keys of [response] that are JMESPaths."""
MIN_IMAGES = 8
"""Images in which a service finds nothing before that is taken for a mistake."""
POLL_MEND = (
    "its scores have to be fetched later, which bbdft does not do: take a service that returns them in the response, "
    "or a Python function that waits for them, as module:function"
)

FENCED = re.compile(r"```\w*\n(.*)\n?```", re.DOTALL)
"""A block of Markdown, in which language models write JSON."""


class _UnreadableError(Exception):
    """A score is neither a number nor a word that the profile knows."""


class ProfileResponse:
    """Reads the responses of one service.

    What can never be read ends the run at the first response, before more is paid for; once a response could be read,
    an unreadable row counts as an image without a score.

    Args:
        declared: the profile's [response].
        classes: names of the scores, in order; ``None`` if the responses hold numbers alone.
        profile: as the user gave it, for messages.

    >>> reader = ProfileResponse({"items": "tags", "label": "name", "score": "p"}, ("cat", "dog"), "my.toml")
    >>> reader.scores(HttpResponse({}, b'{"tags": [{"name": "Dog", "p": "62.5 %"}]}'), 1)
    array([[0.   , 0.625]], dtype=float32)

    Raises:
        InputError: a JMESPath is invalid, or names come without ``classes``.
    """

    def __init__(self, declared: Mapping[str, Any], classes: tuple[str, ...] | None, profile: str) -> None:
        import jmespath
        from jmespath.exceptions import JMESPathError

        self._declared, self._profile = declared, profile
        try:
            self._paths = {key: jmespath.compile(declared[key]) for key in PATHS if key in declared}
        except JMESPathError as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"the profile's [response] contains an invalid JMESPath: {reason}.") from error
        self._named = "items" in declared or "labels" in declared
        if self._named and classes is None:
            raise InputError("the responses of this profile name labels: list them all with --model-classes a,b,c.")
        self._columns = LabelColumns(classes) if classes else None
        self._scale = float(declared.get("scale", 1))
        words = declared.get("words", {})
        self._words = {**{word.casefold(): float(value) for word, value in words.items()}, **words}
        self._width = len(classes) if classes and self._named else 0
        """Scores of an image; 0 if not yet known."""
        self._scored = False
        """Whether any image had a score."""
        self._empty = 0
        """Images in which the service found nothing, in a row."""
        self._reason: str | None = None

    def explain(self) -> str | None:
        """Why the latest responses held no score, and what mends it; ``None`` if nothing is known."""
        if self._columns and self._columns.unknown:
            return self._columns.explain()
        if self._reason:
            return self._reason
        if self._empty >= MIN_IMAGES:
            return (
                "it finds nothing in the images: do they show what it looks for, and do their size and format suit it "
                "(--size, the profile's 'image')? 'bbdft inspect URL --show' prints a request and its response"
            )
        return None

    def scores(self, response: HttpResponse, count: int) -> Scores:
        """Scores ``(count, K)``; a row of zeros, or NaN if K is 1, for an image without a score."""
        try:
            return self._scores(_unpacked(self._json(response)), response, count)
        except RecursionError as error:
            raise LostAnswer(f"the server's response is nested too deep ({response.text})") from error

    def _json(self, response: HttpResponse) -> Any:
        try:
            return response.json()
        except LostAnswer as error:
            if response.status == 202:
                raise self._pending(response) from error
            # A proxy on the way sends pages if the service is not there for a moment; plain text is its own.
            if self._scored or response.body.lstrip()[:1] == b"<":
                raise
            raise TargetError(f"{error}: see what 'bbdft inspect URL --show' prints") from error

    def _scores(self, document: Any, response: HttpResponse, count: int) -> Scores:
        if error := self._find("error", document):
            raise TargetError(f"the server refused: {clip(str(error).encode(), response.secrets)}")
        if self._find("no_score", document):
            rows: list[Any] = [None] * count
            self._empty += count
        else:
            rows = self._rows(document, response, count)
            rows = [self._row(row, document, response) for row in rows]
        widths = {len(row) for row in rows if row}
        self._width = max(widths, default=self._width)
        width = self._width or (len(self._columns.classes) if self._columns else 0)
        if not width:
            raise InputError(
                f"the server returned no scores, and how many there should be is not known ({response.text}): "
                "name the classes with --model-classes a,b,c."
            )
        if len(widths) > 1:
            raise self._unreadable("the server returned rows of scores of unequal length")
        if any(row is not None and (len(row) == 1 or any(row)) for row in rows):
            self._scored, self._empty = True, 0
        scores = check_scores([row or [0.0] * width for row in rows], count)
        if width == 1:
            # A single 0 would be a probability.
            scores[[row is None for row in rows]] = np.nan
        return scores

    def _rows(self, document: Any, response: HttpResponse, count: int) -> list[Any]:
        """What the response holds for each image."""
        rows = self._find("rows", document) if "rows" in self._paths else document
        if count == 1 and ("rows" not in self._paths or rows is None or isinstance(rows, dict)):
            return [rows]
        if rows is None:
            self._stop_at_failure(document, response)
        if count == 1 and isinstance(rows, list) and (not rows or _is_one_row(rows)):
            return [rows]
        if not isinstance(rows, list) or len(rows) != count:
            number = len(rows) if isinstance(rows, list) else 0
            place = f"rows = {self._declared['rows']!r}" if "rows" in self._paths else "response"
            raise self._unreadable(
                f"the server returned {number} rows for {count} images (its response is {response.text}): the "
                f"profile's {place} must be a list with an entry for each image; or give --batch 1"
            )
        return rows

    def _row(self, row: Any, document: Any, response: HttpResponse) -> list[float] | None:
        """The scores of one image; ``None`` if it has none."""
        row = _unpacked(row)
        if row == [] or self._find("no_score", row):
            self._empty += 1
            return None
        try:
            if not self._named and not isinstance(row, dict):
                return self._numbers(row, document, response)
            assert self._columns
            pairs = list(self._pairs(row, document, response))
            scores = self._columns.row(pairs)
        except _UnreadableError as error:
            self._reason = str(error)
            if not self._scored:
                raise InputError(f"the server's response cannot be read: {error}.") from None
            return None
        return scores.tolist() if scores.any() else None

    def _numbers(self, row: Any, document: Any, response: HttpResponse) -> list[float] | None:
        """The scores of a row without labels."""
        while isinstance(row, list) and len(row) == 1 and isinstance(row[0], list):
            row = row[0]
        if row is None or row == []:
            self._nothing(row, row, document, response)
            return None
        values = [self._number(value, "a score") for value in (row if isinstance(row, list) else [row])]
        if self._columns and 1 < len(values) != len(self._columns.classes):
            raise _UnreadableError(
                f"it has {len(values)} scores an image, and --model-classes or the profile names "
                f"{len(self._columns.classes)} classes: name one for each score"
            )
        return None if None in values else [value for value in values if value is not None]

    def _pairs(self, row: Any, document: Any, response: HttpResponse) -> Iterator[tuple[str, float]]:
        """Labels of a row with their scores."""
        assert self._columns
        if "labels" in self._paths:
            labels, values = _as_list(self._find("labels", row)), _as_list(self._find("scores", row))
            if labels is not None and "scores" not in self._paths:
                values = [1.0] * len(labels)
            if labels is None or values is None or len(labels) != len(values):
                yield from self._mismatch(labels, values, row, document, response)
                return
            for label, value in zip(labels, values, strict=True):
                yield from self._known(label, value)
            if not labels:
                self._empty += 1
            return
        items = self._find("items", row) if "items" in self._paths else row
        if items == {}:
            items = []
        if isinstance(items, dict) and self._is_mapping(items):
            if all(self._columns.find(str(label)) is None for label in items):
                self._stop_at_failure(document, response)
            for label, value in items.items():
                score = self._find("score", value) if isinstance(value, dict) else value
                yield from self._known(label, score)
            return
        items = _as_list(items)
        if not items:
            self._nothing(items, row, document, response)
            return
        for item in items:
            label = self._find("label", item) if "label" in self._paths and not isinstance(item, str) else item
            if label is None or isinstance(label, dict | list):
                self._stop_at_key("label", item)
            elif "score" not in self._paths or isinstance(item, str):
                yield from self._known(label, 1.0)
            else:
                score = self._find("score", item)
                if score is None and self._columns.find(str(label)) is not None:
                    self._stop_at_key("score", item)
                yield from self._known(label, score)

    def _known(self, label: Any, value: Any) -> Iterator[tuple[str, float]]:
        """The label with its score as a number, if it is one of the classes and has one."""
        assert self._columns
        if self._columns(str(label)) is None:
            return
        number = self._number(value, f"the score of {str(label)[:60]!r}")
        if number is None:
            self._reason = (
                f"the score of {str(label)[:60]!r} is missing ({json.dumps(value)[:60]}): see what "
                "'bbdft inspect URL --show' prints"
            )
        else:
            yield str(label), number

    def _number(self, value: Any, what: str) -> float | None:
        if value is None:
            return None
        try:
            if not isinstance(value, str):
                return float(value) / self._scale
            if (word := self._words.get(value, self._words.get(value.strip().casefold()))) is not None:
                return float(word) / self._scale
            return parse_score(value, self._scale)
        except (TypeError, ValueError, OverflowError):
            pass
        if isinstance(value, str):
            mend = f"say what it counts for in the profile, [response] words = {{ {json.dumps(value[:60])} = 0.9 }}"
        else:
            mend = f"name the key of the number in the profile{self._copy}"
        raise _UnreadableError(f"{what} is {str(value)[:60]!r} instead of a number: {mend}")

    def _is_mapping(self, items: dict[str, Any]) -> bool:
        """Whether an object holds scores by label, instead of one label with its score."""
        label = self._declared.get("label")
        return label is None or (label not in items and self._find("label", items) is None)

    def _nothing(self, found: Any, row: Any, document: Any, response: HttpResponse) -> None:
        """The service has nothing for an image: it found nothing, failed, or says it at another place."""
        key = next((key for key in ("items", "labels", "rows") if key in self._paths), "rows")
        path = str(self._declared.get(key, ""))
        first = re.match(r'\w+|"([^"]+)"', path)
        self._stop_at_failure(document, response, pending=found is None)
        if found is not None or (isinstance(row, dict) and first and (first[1] or first[0]) in row):
            self._empty += 1
            return
        place = f"the profile's {key} = {path!r}" if path else "its place"
        if text := failure_in(row):
            self._reason = f"it reports for an image: {clip(text.encode(), response.secrets)}"
        elif self._columns and not self._scored and (other := _place_of(self._columns.classes, document)):
            raise _UnreadableError(f"it has nothing at {place}, and has labels at {other}: mend {key}{self._copy}")
        else:
            self._reason = (
                f"it has nothing at {place}; it returned {response.text}: mend {key}{self._copy}, unless this means "
                "that it found nothing in the images"
            )

    def _mismatch(
        self, labels: list[Any] | None, values: list[Any] | None, row: Any, document: Any, response: HttpResponse
    ) -> Iterator[tuple[str, float]]:
        if labels is None and values is None:
            self._nothing(None, row, document, response)
            return
        yield from ()
        raise _UnreadableError(
            f"the profile's 'labels' are {len(labels or ())} and its 'scores' {len(values or ())} "
            f"({clip(json.dumps(row).encode(), response.secrets)}): mend both{self._copy}"
        )

    def _stop_at_failure(self, document: Any, response: HttpResponse, *, pending: bool = True) -> None:
        """Ends the run if the service says that it failed, or (if ``pending``) that it has not even begun."""
        if response.status == 202 or (pending and is_pending(document)):
            raise self._pending(response)
        if text := failure_in(document):
            raise TargetError(
                f"the server reports a failure with status {response.status}: {clip(text.encode(), response.secrets)} "
                "(if this means that it found nothing in the image, describe it by 'no_score' in the profile)"
            )

    def _pending(self, response: HttpResponse) -> InputError:
        return InputError(f"the server accepted the image and returned no scores ({response.text}): {POLL_MEND}.")

    def _stop_at_key(self, key: str, item: Any) -> None:
        """The items have no ``key`` where the profile says: unreadable, if they have another that may be it."""
        path = self._declared.get(key, key)
        kinds = (str,) if key == "label" else (int, float, str)
        taken = self._declared.get("score" if key == "label" else "label")
        others = item if isinstance(item, dict) else {}
        likely = [name for name, value in others.items() if isinstance(value, kinds) and name != taken]
        has = f" (they have {listed(list(others))})" if others else f" (one is {str(item)[:60]!r})"
        example = f', such as {key} = "{likely[0]}"' if likely else ""
        if key in self._declared:
            what = f"its items have no {path!r}{has}: mend"
        else:
            what = f"the profile does not say which key of its items holds the {key}{has}: add"
        self._reason = f"{what} {key} in the profile{self._copy}{example}"
        if likely or not others:
            raise _UnreadableError(self._reason)

    @property
    def _copy(self) -> str:
        """How to edit the profile, if it is one of the package."""
        if self._profile.endswith(".toml"):
            return f" of {self._profile}"
        return f" (bbdft profiles {shlex.quote(self._profile)} > my.toml, edit it, --profile my.toml)"

    def _unreadable(self, sentence: str) -> InputError | LostAnswer:
        """Another try may help only if a response could be read before."""
        return LostAnswer(sentence) if self._scored else InputError(f"{sentence}.")

    def _find(self, key: str, node: Any) -> Any:
        """What is at the profile's JMESPath ``key``, also inside JSON that is a text; ``None`` if nothing is."""
        from jmespath.exceptions import JMESPathError

        if key not in self._paths:
            return None
        try:
            found = self._paths[key].search(node)
            if found is None and isinstance(node, dict | list):
                found = self._paths[key].search(_deeply_unpacked(node))
        except JMESPathError as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"the profile's {key} = {self._declared[key]!r} cannot be applied to the response ({reason}): "
                f"mend it{self._copy}."
            ) from error
        return _unpacked(found) if key in ("rows", "items", "labels", "scores") else found


def _unpacked(node: Any) -> Any:
    """``node``, or the JSON object or list in it if it is a text, also between the fences of Markdown.

    >>> _unpacked("```json\\n[0.25, 0.75]\\n```")
    [0.25, 0.75]
    """
    if not isinstance(node, str):
        return node
    fenced = FENCED.fullmatch(node.strip())
    text = fenced[1] if fenced else node
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return node
    return node


def _deeply_unpacked(node: Any) -> Any:
    node = _unpacked(node)
    if isinstance(node, dict):
        return {key: _deeply_unpacked(value) for key, value in node.items()}
    return [_deeply_unpacked(value) for value in node] if isinstance(node, list) else node


def _as_list(node: Any) -> list[Any] | None:
    return node if isinstance(node, list) or node is None else [node]


def _is_one_row(rows: list[Any]) -> bool:
    """Whether a list is the scores of one image instead of a list of images."""
    return len(rows) > 1 and not any(isinstance(value, dict | list) for value in rows)


def _place_of(names: tuple[str, ...], node: Any, path: str = "") -> str | None:
    """Where in a document one of ``names`` is, as a JMESPath."""
    node = _unpacked(node)
    folded = {name.casefold() for name in names}
    if isinstance(node, dict):
        if any(str(key).casefold() in folded for key in node):
            return path or "@"
        found = (_place_of(names, value, f"{path}.{key}".lstrip(".")) for key, value in node.items())
    elif isinstance(node, list):
        found = (_place_of(names, value, f"{path}[]") for value in node)
    else:
        return path if isinstance(node, str) and node.strip().casefold() in folded else None
    return next(filter(None, found), None)
