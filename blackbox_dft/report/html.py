"""Pages: one file each, nothing from the network, everything that is not ours escaped."""

from __future__ import annotations

from typing import Any


def render(template: str, **values: Any) -> str:
    """The page ``template`` of ``blackbox_dft/report/templates``; markup in ``values`` is shown, never obeyed.

    Drawings made here are handed over as ``drawn(svg)``.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("blackbox_dft.report", "templates")
    page = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    text = page.get_template(template).render(**values)
    # File names may hold bytes that are no text.
    return text.encode(errors="replace").decode()


def drawn(svg: str) -> Any:
    """Marks a drawing of our own as markup."""
    from markupsafe import Markup

    return Markup(svg)
