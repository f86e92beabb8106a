"""Hooks of MkDocs (``mkdocs.yml``): pages that lie outside ``docs/``, links to files, and the list of public names."""

import os
import re
from dataclasses import MISSING, is_dataclass
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

import blackbox_dft
from blackbox_dft._utils.options import Option, options_of

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = {
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "CHANGELOG.md": "project/changelog.md",
    "benchmarks/README.md": "research/benchmarks.md",
    "examples/README.md": "tutorial/examples.md",
    "benchmarks/paper_setting/README.md": "research/paper-setting.md",
}
"""Pages by their place in the repository, and their place in the site."""
FENCE = re.compile(r"(^```.*?^```$)", re.M | re.S)
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?\)")
NAMES = "<!-- every public name -->"
"""Stands in the page of the API for all names of ``blackbox_dft.__all__``."""


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages that lie outside ``docs/``."""
    for source, place in OUTSIDE.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Makes links to files of the repository links of the site; those to no page of it become plain text."""
    source = Path(page.file.abs_src_path)
    place = Path(page.file.src_uri)

    def link(found: re.Match[str]) -> str:
        mark, text, path, anchor = found.groups()
        target = os.path.relpath((source.parent / path).resolve(), ROOT)
        inside = OUTSIDE.get(target) or os.path.relpath(ROOT / target, config["docs_dir"])
        if files.get_file_from_path(inside) is None:
            # A link to what does not exist stays, so that MkDocs reports it.
            return text if (ROOT / target).exists() else found[0]
        return f"{mark}[{text}]({os.path.relpath(inside, place.parent)}{anchor or ''})"

    parts = FENCE.split(markdown)
    text = "".join(part if number % 2 else LINK.sub(link, part) for number, part in enumerate(parts))
    return text.replace(NAMES, "\n\n".join(map(_entry, _public_names())))


def _public_names() -> list[str]:
    return [name for name in blackbox_dft.__all__ if name != "__version__"]


def _entry(name: str) -> str:
    """The docstring of the public name from where it is defined, and of one that holds options their table."""
    entry = f"::: blackbox_dft.{blackbox_dft._HOME[name]}.{name}"
    value = getattr(blackbox_dft, name)
    options = options_of(value) if is_dataclass(value) else {}
    if not options:
        return entry
    # Its signature would be the calls that make the options.
    entry += "\n    options:\n      show_signature: false"
    rows = [f"| `{key}` | {_default(option)} | {_cell(option.about.help)} |" for key, option in options.items()]
    return "\n".join([entry, "", f"Fields of `{name}`:", "", "| field | default | |", "|---|---|---|", *rows])


def _default(option: Option) -> str:
    return "" if option.default is MISSING else f"`{option.default!r}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")
