"""For interpreters that have `_socket` built in, where no path leads past it: put ours there before anybody asks.

Debian's Python is one. The interpreter imports this module at its start (site); the `sitecustomize` that this one hides
runs after it, as it would have.
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec, spec_from_file_location
from os.path import dirname, isdir, join, samefile


def _put_in_place() -> None:
    spec = spec_from_file_location("_socket", join(dirname(__file__), "_socket.py"))
    module = module_from_spec(spec)  # type: ignore[arg-type]
    # Running it sets sys.modules["_socket"].
    spec.loader.exec_module(module)  # type: ignore[union-attr]


def _go_on() -> None:
    ours = dirname(__file__)
    others = [entry for entry in sys.path if not (isdir(entry) and samefile(entry, ours))]
    spec = PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


if "_socket" in sys.builtin_module_names and "_socket" not in sys.modules:
    _put_in_place()
_go_on()
