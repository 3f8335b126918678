"""How the docs are built: make docs."""

from importlib.metadata import version as version_of

project = "fq"
author = "The fq contributors"
copyright = author
release = version = version_of("fq")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"fq {release}"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# In a docstring `Stack` is a link where there is something to link to, and code where there is not.
default_role = "py:obj"

# A page of the reference follows its module: the order in which a reader should meet the names.
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_preserve_defaults = True

# A reference to a name of fq must resolve. Those to other packages cannot be checked without a network, and
# type variables (one capital letter, perhaps with a word after it) have no page of their own.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!fq\.).*"),
    ("py:.*", r"fq\.(.*\.)?[A-Z](_co|_contra)?"),
    ("py:.*", r"fq\.brokers\.(steady_time\.Course|sqlite\.whole_file\.WholeFile)"),  # parts of a broker, which its own page describes
]
