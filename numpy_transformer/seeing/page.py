"""The page: one HTML file with its style, scripts and data, which requests nothing from outside."""

import json
from pathlib import Path
from string import Template
from typing import Any

STYLE = "seeing.css"
SCRIPTS = ("dom.js", "attention.js", "search.js")  # in this order


def asset(name: str) -> str:
    """The text of a file in this folder, such as STYLE and SCRIPTS, for pages that show the same views."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def as_json(view: dict[str, Any]) -> str:
    """The data of a page, to be put into a script element, where only "<" could be read as anything but text."""
    return json.dumps(view, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def page(view: dict[str, Any]) -> str:
    """The whole page for what view.py returns."""
    data = as_json(view)
    scripts = "\n".join(asset(name) for name in SCRIPTS)
    return Template(asset("page.html")).substitute(style=asset(STYLE), scripts=scripts, data=data)
