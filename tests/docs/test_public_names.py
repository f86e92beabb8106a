"""The public names: what ``blackbox_dft`` exports is what docs/reference/python.md lists."""

import re
import subprocess
import sys

import blackbox_dft
from tests.helpers.markdown import ROOT


def test_public_names_are_those_of_the_docs() -> None:
    page = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", page, re.M)
    documented = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(documented) == sorted(blackbox_dft.__all__)
    assert len(set(documented)) == len(documented)


def test_public_names_can_be_imported_and_listed() -> None:
    for name in blackbox_dft.__all__:
        assert getattr(blackbox_dft, name) is not None
    assert dir(blackbox_dft) == sorted(blackbox_dft.__all__)
    assert not hasattr(blackbox_dft, "no_such_name")


def test_star_import_gives_the_public_names() -> None:
    code = "from blackbox_dft import *; import blackbox_dft; print(set(blackbox_dft.__all__) - set(dir()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.stdout.strip() == "set()", done.stderr
