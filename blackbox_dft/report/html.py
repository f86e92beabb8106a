"""HTML pages from templates: one file each, without network access, all values escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def render(template: str, /, *folders: Path, **values: Any) -> str:
    """The page ``template``, from ``blackbox_dft/report/templates`` or one of ``folders``; ``values`` are escaped.

    >>> "&lt;b&gt;" in render("page.html", version="<b>")
    True
    """
    from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined

    loader = ChoiceLoader([PackageLoader("blackbox_dft.report", "templates"), FileSystemLoader(folders)])
    page = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    text = page.get_template(template).render(**values)
    # Bytes of file names that are not UTF-8 come as lone surrogates.
    return text.encode(errors="replace").decode()


def drawn(svg: str) -> Any:
    """Marks a drawing made by this package as markup, which ``render`` does not escape."""
    from markupsafe import Markup

    return Markup(svg)
