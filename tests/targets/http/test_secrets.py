"""Secrets: references are resolved, and no file or message of a run shows a value."""

from pathlib import Path

import pytest

from blackbox_dft import InputError
from blackbox_dft.targets.http.secrets import parse_header, resolve
from tests.conftest import Bbdft
from tests.helpers.serving import serving, words

SECRET = "s3cret-Zq81-token"


def test_secrets_leave_no_trace(bbdft: Bbdft, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONE_KEY", SECRET)
    header = ["--header", "Authorization: Bearer {env:TONE_KEY}"]
    with serving(tmp_path / "count") as url:
        done = bbdft(*words(url, tiny, tmp_path / "run"), *header, code=0)
    with serving(tmp_path / "count", fault="400", share=0.05) as url:
        refused = bbdft(*words(url, tiny, tmp_path / "refused"), *header, code=4)
    assert "***" in refused.stderr
    for text in (done.stdout, done.stderr, refused.stdout, refused.stderr):
        assert SECRET not in text
    for run in ("run", "refused"):
        for file in (tmp_path / run).iterdir():
            assert SECRET.encode() not in file.read_bytes(), file


def test_secrets_need_https_or_insecure(
    bbdft: Bbdft, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONE_KEY", SECRET)
    line = words("http://scores.invalid/v2/models/x", tiny, tmp_path / "run", patience=0)
    done = bbdft(*line, "--header", "Authorization: Bearer {env:TONE_KEY}", "--quiet", code=2)
    assert "--insecure" in done.stderr


def test_references_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONE_KEY", SECRET)
    (tmp_path / "key").write_text("abc\n")
    text = f"a {{env:TONE_KEY}} b {{file:{tmp_path / 'key'}}} c"
    assert resolve(text) == (f"a {SECRET} b abc c", [SECRET, "abc"])
    assert resolve("nothing to replace") == ("nothing to replace", [])


def test_a_file_beside_the_profile_goes_before_one_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "profiles").mkdir()
    (tmp_path / "key").write_text("here")
    assert resolve("{file:key}", Path("profiles")) == ("here", ["here"])
    (tmp_path / "profiles/key").write_text("beside")
    assert resolve("{file:key}", Path("profiles")) == ("beside", ["beside"])
    assert resolve("{file:key}") == ("here", ["here"])
    assert resolve(f"{{file:{tmp_path / 'key'}}}", Path("profiles"))[0] == "here"
    with pytest.raises(InputError, match="gone cannot be read from here or from profiles: it should contain the value"):
        resolve("{file:gone}", Path("profiles"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{env:NOT_SET_ANYWHERE}", "NOT_SET_ANYWHERE is not set"),
        ("{file:/not/there}", "/not/there cannot be read"),
        ("{file:/dev/null}", "/dev/null is empty"),
    ],
)
def test_references_that_cannot_be_resolved(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        resolve(text)


@pytest.mark.parametrize("header", ["Authorization: abc", "X-Api-Key: abc", "Cookie: a=b", "name", ": value", "name:"])
def test_headers_that_are_refused(header: str) -> None:
    with pytest.raises(InputError):
        parse_header(header)


def test_headers_that_are_accepted() -> None:
    assert parse_header("Accept:  text/html ") == ("Accept", "text/html")
    assert parse_header("X-Api-Key: {env:KEY}") == ("X-Api-Key", "{env:KEY}")
