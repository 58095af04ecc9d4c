"""Settings of the site; `make docs` builds it.

The lessons and the library's pages are made from the notebooks and the docstrings at every build,
so that they can't fall behind. Nothing is fetched, and no page loads anything from
elsewhere: formulas are MathML, which browsers draw themselves.
"""

import re
from pathlib import Path

import matplotlib
import nbformat
from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

import vividpast_lib
from vividpast_lib.course.grading.release import checkout, student_notebook

project = "VividPast"
author = "The VividPast contributors"
project_copyright = f"{author}; text CC BY 4.0, code MIT"
version = release = vividpast_lib.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

nb_execution_mode = "off"
# A demo is a widget, which needs a kernel, and a static preview, which does not.
nb_mime_priority_overrides = [("html", "text/html", 0)]
nb_merge_streams = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

highlight_language = "none"  # of what says no other: commands

# `name` in a docstring is a link where there is something of that name.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 88
napoleon_google_docstring = False
# Types are words, "float32 (N, 1, H, W)", which must not become links.
napoleon_use_param = napoleon_use_rtype = False

html_theme = "sphinx_book_theme"
html_title = "VividPast"
html_math_renderer = "mathml"
# A font that has brackets of all sizes, for machines without one.
html_static_path = ["_static", str(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSerif.ttf"))]
html_css_files = ["site.css"]
html_use_index = html_domain_indices = False
html_theme_options = {"navbar_persistent": [], "use_fullscreen_button": False}

#: Cells of the student edition that are of no use on a page.
FOR_COLAB = ("install-text", "install")


def write_lessons(app: Sphinx) -> None:
    """Write the student edition of every notebook: pages must not give the solutions away."""
    pages = {}
    for path in sorted((checkout() / "notebooks").glob("*.ipynb")):
        notebook = student_notebook(nbformat.read(path, as_version=4))
        for cell in notebook.cells:
            if cell.get("id") in FOR_COLAB:
                cell.metadata["tags"] = ["remove-cell"]
        pages[path.name] = nbformat.writes(notebook)
    _write(Path(app.srcdir, "lessons"), pages)


def write_library(app: Sphinx) -> None:
    """Write a page for each package, with the map in its docstring, and for each module in it."""
    library = Path(vividpast_lib.__file__).parent
    pages: dict[str, str] = {}
    for init in library.rglob("__init__.py"):
        folder = init.parent
        package = ".".join(folder.relative_to(library.parent).parts)
        modules = {path.stem for path in folder.glob("[!_]*.py")}
        inside = modules | {path.parent.name for path in folder.glob("[!_]*/__init__.py")}
        order = re.findall(r"^    (\w+)(?:\.py|/)", init.read_text("utf-8"), re.MULTILINE)
        below = [f"{package}.{name}" for name in [*order, *sorted(inside)] if name in inside]
        pages[f"{package}.rst"] = _page(package, "", list(dict.fromkeys(below)))
        for name in modules:
            pages[f"{package}.{name}.rst"] = _page(f"{package}.{name}", "   :members:\n", [])
    pages["index.rst"] = pages.pop("vividpast_lib.rst")
    _write(Path(app.srcdir, "library"), pages)


def _page(module: str, options: str, below: list[str]) -> str:
    """Make the page of a module or package, with links to those in it."""
    toctree = "\n".join([".. toctree::", "   :maxdepth: 1", "", *(f"   {each}" for each in below)])
    title = f"{module}\n{'=' * len(module)}"
    return f"{title}\n\n.. automodule:: {module}\n{options}\n{toctree if below else ''}\n"


def _write(folder: Path, pages: dict[str, str]) -> None:
    """Write the pages that have changed, so that Sphinx reads no others again."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def escape_stars(
    _app: Sphinx, _what: str, _name: str, _of: object, _options: object, lines: list[str]
) -> None:
    """Keep the star of a shape like (2, *size), which would begin slanted text."""
    lines[:] = [re.sub(r"(?<=, )\*(?=\w)", r"\\*", line) for line in lines]


def draw_formula(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a line."""
    self.body.append(_mathml(node, as_block=False))
    raise nodes.SkipNode


def draw_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula on lines of its own."""
    self.body.append(f'<div class="math">{_mathml(node, as_block=True)}</div>\n')
    raise nodes.SkipNode


def _mathml(node: nodes.Element, as_block: bool) -> str:
    try:
        return tex2mathml(node.astext(), as_block=as_block)
    except MathError as error:
        logging.getLogger(__name__).warning("a formula can't be read: %s", error, location=node)
        return ""


def setup(app: Sphinx) -> None:
    """Make the pages that are made at every build, and have the formulas drawn."""
    app.connect("builder-inited", write_lessons)
    app.connect("builder-inited", write_library)
    app.connect("autodoc-process-docstring", escape_stars)
    app.add_html_math_renderer("mathml", (draw_formula, None), (draw_block, None))
