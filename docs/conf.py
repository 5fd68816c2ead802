"""Configuration of the documentation: MyST pages, reference from docstrings and from the programs."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).with_name("_ext")))

project = "WhatsNext"
author = "the WhatsNext developers"
copyright = author  # noqa: A001  Sphinx reads this name
release = installed_version("whatsnext-core")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "reference_pages",
]
exclude_patterns = ["_build", "_ext", "examples/**"]
smartquotes = False  # two dashes are an option
html_theme = "furo"
html_title = "WhatsNext"
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
copybutton_prompt_text = "$ "
copybutton_line_continuation_character = "\\"
copybutton_here_doc_delimiter = "EOF"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True}

# Names of other projects' types and of type variables: this reference links within itself only.
nitpick_ignore_regex = [(r"py:.*", r".*")]
