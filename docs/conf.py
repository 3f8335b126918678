"""How the docs are built: make docs."""

from importlib.metadata import version as version_of
from pathlib import Path

import click
import django
from django.conf import settings
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from fq.cli import main

project = "fq"
author = "The fq contributors"
copyright = author
release = version = version_of("fq")

# The reference of fq.django needs a project.
settings.configure(INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "fq.django"], FQ={"URL": "memory://"})
django.setup()

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_design"]
exclude_patterns = ["_build"]

html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = f"fq {release}"
html_static_path = ["_static"]
html_css_files = ["fq.css"]

myst_enable_extensions = ["attrs_block", "colon_fence", "deflist"]
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
    r"execution|runtime|wire|workflows|app\.(sending|history|counters)|core\.uniqueness|errors\.equality"
    r"|brokers\.(former_names|memory|planning|postgres|redis|sqlite|steady_time|limits\.local_store)"
    r"|calls\.(templates|call\.CallSender|handle_operations|own_history|own_progress|task_handle)"
    r"|outbox\.outbox\.Engine|limits\.limit_layer|middleware\.option_sources|app\.(scheduling|on_commit)|observe\.attempt_layer"
)
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!fq\.).*"),
    ("py:.*", r"fq\.(.*\.)?[A-Z](_co|_contra)?"),
    ("py:.*", rf"fq\.({INTERNAL})(\..*)?"),
]


class Drawing(SphinxDirective):
    """``{drawing} onion`` puts pictures/onion.svg into the page itself, so that it follows the switch between light and dark."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        picture = Path(self.env.srcdir) / "pictures" / f"{self.arguments[0]}.svg"
        self.env.note_dependency(str(picture))
        return [nodes.raw("", f'<div class="drawing">{picture.read_text(encoding="utf-8")}</div>', format="html")]


class Commands(SphinxDirective):
    """``{commands}`` makes a section of each command of fq, with its help."""

    def run(self) -> list[nodes.Node]:
        return [self.section(name, command) for name, command in main.commands.items()]

    def section(self, name: str, command: click.Command) -> nodes.Node:
        with click.Context(command, info_name=f"fq {name}", max_content_width=86, terminal_width=86) as context:
            text = command.get_help(context)
        section = nodes.section("", nodes.title(text=f"fq {name}"), nodes.literal_block(text, text, language="text"), ids=[f"fq-{name}"])
        if isinstance(command, click.Group):
            section += [self.section(f"{name} {each}", child) for each, child in command.commands.items()]
        return section


def setup(app: Sphinx) -> None:
    """Add what the pages use."""
    app.add_directive("drawing", Drawing)
    app.add_directive("commands", Commands)
