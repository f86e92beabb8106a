"""Pages from templates."""

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from blackbox_dft.report.html import drawn, render


def test_values_are_escaped_and_drawings_are_not(tmp_path: Path) -> None:
    (tmp_path / "own.html").write_text('{% extends "page.html" %}{% block main %}{{ name }} {{ svg }}{% endblock %}')
    page = render("own.html", tmp_path, version="1", name="<script>&\udc80", svg=drawn("<svg></svg>"))
    assert "&lt;script&gt;&amp;?" in page
    assert "<svg></svg>" in page


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="version"):
        render("page.html")
