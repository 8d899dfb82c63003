"""Sphinx: the pages of this folder, and a reference page for every public module of the package."""

import importlib
from pathlib import Path
from types import ModuleType

import eyesocket

HERE = Path(__file__).resolve().parent

project = "eyesocket"
author = "The eyesocket developers"
copyright = author  # noqa: A001 - the name is Sphinx's
version = release = eyesocket.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc"]
exclude_patterns = ["_build", "jupyter_execute"]
html_theme = "furo"
html_title = "eyesocket"
default_role = "literal"
nitpicky = False
# Attributes of classes may share a name; a page that mentions one means its own.
suppress_warnings = ["ref.python"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # notebooks are executed by the gate, on their own
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}


def write_reference() -> None:
    """Write one page a public module, so that a new module cannot be forgotten."""
    folder = HERE / "reference"
    folder.mkdir(exist_ok=True)
    names = sorted(eyesocket._MODULES)
    for name in names:
        module = f"eyesocket.{name}"
        page = f"# {module}\n\n```{{eval-rst}}\n.. automodule:: {module}\n```\n"
        if below := inherited(importlib.import_module(module)):
            classes = "\n".join(f".. autoclass:: {base}\n   :no-index:\n" for base in below)
            page += f"\n## What the classes above inherit\n\n```{{eval-rst}}\n{classes}```\n"
        keep(folder / f"{name}.md", page)
    listing = "```{toctree}\n:maxdepth: 1\n\n" + "\n".join(names) + "\n```\n"
    keep(folder / "index.md", f"# Reference\n\nThe public modules, from their own docstrings.\n\n{listing}")
    for page in folder.glob("*.md"):
        if page.stem not in {*names, "index"}:
            page.unlink()


def inherited(module: ModuleType) -> list[str]:
    """Name the private classes that a module's own are made of: their methods are documented there."""
    public = [getattr(module, name) for name in getattr(module, "__all__", ())]
    found = {
        f"{base.__module__}.{base.__qualname__}": None
        for kind in public
        if isinstance(kind, type)
        for base in kind.__bases__
        if base.__module__.startswith("eyesocket.") and "._" in base.__module__
        if not base.__name__.startswith("_") and base not in public
    }
    return list(found)


def keep(path: Path, text: str) -> None:
    """Write a page, unless it says that already (a changed time would rebuild it)."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


write_reference()
