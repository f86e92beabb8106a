"""Errors in Python's words, whatever the package says for the command line."""

import ast
import re

import pytest

from blackbox_dft import BudgetError
from blackbox_dft.api.messages import in_python, speaks_python
from tests.helpers.markdown import ROOT


@pytest.mark.parametrize(
    ("said", "in_words_of_python"),
    [
        ("give --budget 104 or more", "pass budget=104 or more"),
        ("take another --out", "pass another out="),
        ("leave --label out", "leave label= out"),
        ("give --label one of a, b", "pass label= one of a, b"),
        ("give --batch 1 if it scores one image", "pass batch=1 if it scores one image"),
        ("give --skip-bad, or replace it", "pass skip_bad=True, or replace it"),
        ("or give --no-early-stop", "or pass early_stop=False"),
        ("name the one with scores, --output NAME.", "name the one with scores, output=NAME."),
        ("give --provider cpu.", "pass provider='cpu'."),
        ("--mean and --std are for pixels", "mean= and std= are for pixels"),
        ("give --map 'smile=*' or its classes", "pass map='smile=*' or its classes"),
        ("--size HEIGHTxWIDTH", "size='HEIGHTxWIDTH'"),
        ("(--range, --mean)", "(range=, mean=)"),
        ("go on with 'bbdft resume my-run'.", "go on with resume('my-run')."),
        ("give 'bbdft evaluate run --parts' again", "give evaluate('run', parts=True) again"),
        (
            "'bbdft resume run --precision 3' with a larger --budget.",
            "resume('run', precision=3) with a larger budget=.",
        ),
        ("'bbdft inspect' shows what is assumed", "inspect() shows what is assumed"),
        ("--metric f1:blue: 'blue' is no label", "metric='f1:blue': 'blue' is no label"),
        ("take --metric f1, balanced-accuracy", "pass metric='f1', balanced-accuracy"),
        ("leave --metric out", "leave metric= out"),
        ("a 3-2 score -- well", "a 3-2 score -- well"),
    ],
)
def test_flags_become_arguments_and_commands_calls(said: str, in_words_of_python: str) -> None:
    assert in_python(said) == in_words_of_python


def test_no_message_of_the_package_keeps_a_flag() -> None:
    rooms = [path for path in (ROOT / "blackbox_dft").rglob("*.py") if "cli" not in path.parts]
    kept = []
    for path in rooms:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Raise) or node.exc is None:
                continue
            texts = [
                "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in one.values)
                if isinstance(one, ast.JoinedStr)
                else str(one.value)
                for one in ast.walk(node.exc)
                if isinstance(one, ast.JoinedStr) or (isinstance(one, ast.Constant) and isinstance(one.value, str))
            ]
            kept += [text for text in texts if re.search(r"(?<!-)--[a-z]", in_python(text))]
    assert not kept


def test_the_error_stays_the_same_object() -> None:
    error = BudgetError("give --budget 5")

    @speaks_python
    def fail() -> None:
        raise error

    with pytest.raises(BudgetError, match=r"^pass budget=5$") as caught:
        fail()
    assert caught.value is error
