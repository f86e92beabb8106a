"""Profile files: those of the package are valid, and what a profile cannot contain is refused in one sentence."""

from pathlib import Path

import pytest

from blackbox_dft import InputError
from blackbox_dft.targets.http.profile_schema import profile_names, profile_title, read_profile


@pytest.mark.parametrize("name", profile_names())
def test_profiles_of_the_package(name: str) -> None:
    profile = read_profile(name)
    assert profile["name"] == name
    assert profile["request"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("\udcde\udcff", "is not TOML"),
        ("a = " + "[" * 5000, "is not TOML|nested too deep"),
        ("request = 3", "request is '3': write a table"),
        ("[request]\njson = {image = '{base64}'}\nbatch = 3", "unknown key"),
        ("batch = 'x'\n[request]\njson = {image = '{base64}'}", "batch is 'x': write a whole number"),
        ("batch = 0\n[request]\njson = {image = '{base64}'}", "batch must be at least 1"),
        ("[request]\njson = {image = '{base64}'}\nimage = 'gif'", "write png or jpeg:Q"),
        ("[request]\njson = {image = '{base64}'}\nmethod = 3", "write a text"),
        ("[request]\njson = {image = '{base64}'}\npath = '/../../admin'", "leads outside the URL"),
        ("[request]\njson = {image = '{base64}'}\npath = '/%2e%2E/admin'", "leads outside the URL"),
        ("[request]\njson = {image = '{base64}'}\npath = '@other.example/x'", "leads outside the URL"),
        ("[request]\njson = {image = '{base64}'}\nheaders = {A = '{file:../../key}'}", "leads upwards"),
        ("[request]\njson = {image = '{base64}'}\nheaders = {A = ['b']}", "write texts"),
        ("[request]\njson = {image = '{base64}'}\n[response]\nrows = 3", "write a text"),
        ("[request]\njson = {image = '{base64}'}\n[response]\nwords = {A = 'b'}", "other than numbers"),
        ("[request]\njson = {image = 'base64'}", "does not contain the image: write {base64} or"),
        ("[request]\nform = {image = 'file'}", "does not contain the image: write {bytes} or {base64}"),
        ("[request]\nbody = 'image={bytes}'", "write {bytes}"),
        ("[request]\nbody = '{bytes}'\njson = {image = '{base64}'}", "has both 'json' and 'body'"),
        ("[request]\nsign = 'aws:x'\nform = {image = '{bytes}'}", "signs a form"),
        ("batch = 4\n[request]\njson = {image = '{base64}'}", "batch is 4, but a request holds one image"),
        ("[request]\nbody = '{bytes}'\n[response]\nscale = 0", "scale must not be 0"),
        ("[request]\nbody = '{bytes}'\n[response]\nlabels = 'a'\nitems = 'b'", "both 'labels' and 'items'"),
        ("[request]\nbody = '{bytes}'\n[response]\nscores = 'a'", "'scores' without 'labels'"),
        ("# " + "x" * 2**20, "larger than 1 MiB"),
    ],
)
def test_profiles_that_are_refused(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=sentence) as caught:
        read_profile(str(tmp_path / "own.toml"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", profile_names())
def test_titles_are_short_sentences(name: str) -> None:
    title = profile_title(name)
    assert title.endswith(".")
    assert len(title) < 110
