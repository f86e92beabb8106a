"""Pages: one file each, nothing from the network, everything that is not ours escaped."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

LACKING = "compare.html is left out as matplotlib and Jinja2 are not installed: pip install 'blackbox-dft[report]'"


def can_render() -> bool:
    """Whether the extra ``report`` is installed."""
    return all(find_spec(name) is not None for name in ("jinja2", "matplotlib"))


def render(template: str, **values: Any) -> str:
    """The page ``template`` of ``blackbox_dft/report/templates``; markup in ``values`` is shown, never obeyed.

    Drawings made here are handed over as ``drawn(svg)``.

    Raises:
        ImportError: Jinja2 is not installed.
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
