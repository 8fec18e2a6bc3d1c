"""Tell Sphinx how to build the site from the pages in this folder: `scripts/docs` runs it.

The pages are read on the code host, too. So they link as files do, and what only the site needs is
done here, while a page is read.
"""

import re

import lifecycle

project = "lifecycle"
version = release = lifecycle.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["samples"]
myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_class_signature = "separated"
html_theme = "furo"
html_title = f"lifecycle {release}"
html_show_copyright = html_show_sphinx = False
html_copy_source = False

_KIND = re.compile(r"\A# (?:Tutorial|How-to|Reference|Explanation): (.)")
_OUTSIDE = re.compile(r"\[([^\]]*)\]\(\.\./[^)]*\)")


def _for_the_site(_app: object, _page: str, source: list[str]) -> None:
    """Drop what the navigation says already, and links to files that the site does not have."""
    text = _KIND.sub(lambda title: f"# {title[1].upper()}", source[0])
    source[0] = _OUTSIDE.sub(r"\1", text)


def setup(app):  # noqa: ANN001, ANN201 - Sphinx is not among what is checked for types
    """Connect what is done to a page when it is read."""
    app.connect("source-read", _for_the_site)
