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
autodoc_default_options = {"show-inheritance": True}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_preserve_defaults = True

# A reference to a public name of fq must resolve. Internal modules have no page. References to other packages cannot be checked
# without a network, and type variables (one capital letter, perhaps with a word after it) have no page.
INTERNAL = (
    r"execution|runtime|wire|workflows"
    r"|brokers\.(former_names|memory|redis|sqlite|steady_time|limits\.local_store)"
    r"|calls\.(templates|call\.CallSender)"
    r"|limits\.limit_layer|middleware\.option_sources"
)
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!fq\.).*"),
    ("py:.*", r"fq\.(.*\.)?[A-Z](_co|_contra)?"),
    ("py:.*", rf"fq\.({INTERNAL})(\..*)?"),
]
