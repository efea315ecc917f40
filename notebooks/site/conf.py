"""How Sphinx builds the site: `.ci/site` calls it, and puts together the folder that it reads."""

import inspect
import os
import re
import sys
from pathlib import Path
from typing import Any

from sphinx.util.inspect import stringify_signature

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # signatures need no GPU
sys.path.insert(0, str(Path(__file__).parent))

import api_pages

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
napoleon_custom_sections = [("Attributes", "params_style")]
autosummary_generate = False  # api_pages writes the pages
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # `signed` shows them as they are written
python_maximum_signature_line_length = 80
add_module_names = False
toc_object_entries = False

html_theme = "furo"
html_title = "kviz"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_search_summary = False  # it would fetch pages, which a file:// address may not
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5f8b", "color-brand-content": "#1f5f8b"},
    "dark_css_variables": {"color-brand-primary": "#7fc4f0", "color-brand-content": "#7fc4f0"},
}


def signed(
    _app: Any, what: str, _name: str, value: Any, _options: Any, given: str, returned: str
) -> tuple[str, str] | None:
    """Show a signature as it is written: `images: Images`, not what that stands for."""
    if what not in ("function", "method", "class"):
        return None
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return given, returned
    parameters = list(signature.parameters.values())
    if what == "method" and parameters[:1] and parameters[0].name == "self":
        parameters = parameters[1:]
    said = stringify_signature(signature.replace(parameters=parameters), unqualified_typehints=True)
    arguments, _, result = said.rpartition(" -> ")
    return (arguments, result) if arguments and what != "class" else (arguments or said, "")


def properties(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Take a property's docstring as it is: napoleon takes all before a colon for a type."""
    if what == "property":
        lines[:] = [*(inspect.getdoc(value) or "").splitlines(), ""]
        read(app, what, name, value, options, lines)


def read(_app: Any, _what: str, _name: str, _value: Any, _options: Any, lines: list[str]) -> None:
    """Let stars and bars outside of code be what they are: docstrings emphasise nothing."""
    lines[:] = [
        line if ">>>" in line else re.sub(r"`[^`]*`|([*|])", escaped, line) for line in lines
    ]


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
    app.connect("autodoc-process-signature", signed)
    app.connect("autodoc-process-docstring", properties, priority=600)  # after napoleon's
    app.connect("autodoc-process-docstring", read, priority=400)  # before it
    app.connect("autodoc-skip-member", leave_out)
    api_pages.write(Path(app.srcdir) / "api")
