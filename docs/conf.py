"""Settings of the documentation; everything it needs lies here, nothing comes from the network."""

import os
import sys
from pathlib import Path

# The kernels as plain functions: autodoc then sees their signatures and docstrings.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")
sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from spikewise import __version__

project = "spikewise"
author = "The spikewise developers"
copyright = author
version = release = __version__

extensions = [
    "myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon",
    "commands", "mathml", "settings",
]  # fmt: skip
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
suppress_warnings = ["ref.footnote"]  # a docstring need not cite each of its references in its text

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "member-order": "bysource", "ignore-module-all": True}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
# Shown by name, not spelt out.
autodoc_type_aliases = {name: name for name in ("ArrayLike", "NDArray", "FloatArray", "IntArray", "Floats", "Pair")}
maximum_signature_line_length = 100
napoleon_google_docstring = False

html_theme = "furo"
html_title = f"spikewise {version}"
html_math_renderer = "mathml"
html_show_sourcelink = False
