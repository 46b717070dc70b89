"""Sphinx's configuration for the site; docs/build.py writes the sources that it reads."""

import importlib.metadata
import shutil
from pathlib import Path
from typing import Any

project = "numpy_transformer"
author = "the authors of numpy_transformer"
extensions = ["myst_nb"]
html_theme = "furo"
html_title = "numpy_transformer"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_show_sourcelink = False
html_show_search_summary = False  # a summary would be fetched, which browsers refuse for a site opened from a folder
html_copy_source = False
html_show_copyright = False
pygments_style, pygments_dark_style = "friendly", "github-dark"
numfig = False

nb_execution_mode = "off"  # docs/build.py ran the chapters
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 3
myst_dmath_double_inline = True

# Formulas become SVG while the page is read, by a MathJax that lies beside it: no fonts, no network.
mathjax_path = "mathjax.js"
MATHJAX = "static/mathjax/tex-svg-full.js"


def _bring_mathjax(app: Any) -> None:
    """Copy the one file of MathJax out of the package that carries it."""
    files = importlib.metadata.files("sphinx-mathjax-offline") or []
    [file] = [file for file in files if file.as_posix().endswith(MATHJAX)]
    place = Path(app.outdir) / "_static" / "mathjax.js"
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(str(file.locate()), place)


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("builder-inited", _bring_mathjax)
