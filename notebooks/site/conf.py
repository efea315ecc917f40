"""How Sphinx builds the site: `.ci/site` calls it, and puts together the folder that it reads."""

import os
import re
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # signatures need no GPU
sys.path.insert(0, str(Path(__file__).parent))

import kviz

project = "kviz"
author = "the authors of kviz"
version = release = kviz.__version__
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
]
root_doc = "index"
exclude_patterns = ["notebooks/site", "notebooks/.ipynb_checkpoints"]

# A notebook is shown as it is saved: tests/test_notebooks.py runs it and compares what came.
nb_execution_mode = "off"
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

# A docstring's `code` is written as Markdown has it.
default_role = "code"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
autosummary_generate = False  # api_pages writes the pages
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
autodoc_default_options = {"inherited-members": True}
autodoc_type_aliases = {
    name: name
    for name in ("Array", "ClassIndex", "Images", "ModelLike", "Progress", "Regions", "ScoreLike", "Selector")
}
python_maximum_signature_line_length = 80
python_use_unqualified_type_names = True
add_module_names = False
toc_object_entries = False

html_theme = "furo"
html_title = "kviz"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5f8b", "color-brand-content": "#1f5f8b"},
    "dark_css_variables": {"color-brand-primary": "#7fc4f0", "color-brand-content": "#7fc4f0"},
}


def keep_stars(_app: Any, _what: str, _name: str, _value: Any, _options: Any, lines: list[str]) -> None:
    """Let stars and bars outside of code be what they are: docstrings emphasise nothing."""
    lines[:] = [line if ">>>" in line else re.sub(r"`[^`]*`|([*|])", escaped, line) for line in lines]


def escaped(found: re.Match[str]) -> str:
    """Return a star or bar with a backslash, and code as it is."""
    return "\\" + found[1] if found[1] else found[0]


def leave_out(
    _app: Any, _what: str, _name: str, value: Any, skip: bool, _options: Any
) -> bool | None:
    """Leave out what a class inherits from Keras or Python."""
    value = getattr(value, "fget", None) or getattr(value, "func", None) or value
    return None if skip or getattr(value, "__module__", "kviz").startswith("kviz") else True


def setup(app: Any) -> None:
    """Write the pages of the API before Sphinx looks for files, and have docstrings read."""
    import api_pages

    app.connect("autodoc-process-docstring", keep_stars, priority=400)  # before napoleon's
    app.connect("autodoc-skip-member", leave_out)
    api_pages.write(Path(app.srcdir) / "api")
