"""The site that `make docs` builds of these pages and the docstrings. Nothing is fetched, nothing of ours imported."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from public_names import module_of

project = "esms-connectors"
author = "esms-connectors"
release = str(module_of(project.replace("-", "_")).members["__version__"].value).strip("'\"")

extensions = ["myst_parser", "public_names"]
exclude_patterns = ["__pycache__"]
myst_heading_anchors = 4
# A name that two modules have is linked to one of them.
suppress_warnings = ["ref.python"]
# Types in signatures are names of other packages as often as ours; nothing of theirs is fetched to be linked to.
nitpick_ignore_regex = [("py:.*", ".*")]

html_theme = "furo"
html_title = f"esms-connectors {release}"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
python_maximum_signature_line_length = 100
