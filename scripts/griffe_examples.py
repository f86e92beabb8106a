"""Extension of griffe for the site: the interactive examples in docstrings become blocks of code."""

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^([ ]*)>>> .*(?:\n\1\S.*)*", re.M)


class Examples(griffe.Extension):
    """Puts fences around ``>>>`` and what follows it, up to an empty line."""

    def on_instance(self, *, obj: Any, **kwargs: Any) -> None:
        """Edits the docstring of whatever was found."""
        if not obj.is_alias and obj.docstring:
            obj.docstring.value = EXAMPLE.sub(_fenced, obj.docstring.value)


def _fenced(found: re.Match[str]) -> str:
    indent = found[1]
    return f"{indent}```pycon\n{found[0]}\n{indent}```"
