"""Found before the stock `_socket` when this folder is first on the path, and puts our native module in its place.

The native library is loaded from beside this folder, so that the interpreter need not have the package installed.
"""

from __future__ import annotations

import sys
from importlib.machinery import EXTENSION_SUFFIXES, BuiltinImporter, ExtensionFileLoader, PathFinder
from importlib.util import module_from_spec, spec_from_loader
from os import environ, getpid
from os.path import dirname, isdir, isfile, join, samefile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def _native() -> ModuleType:
    name = "eyesocket._native"
    if name in sys.modules:
        return sys.modules[name]
    folder = dirname(dirname(__file__))
    for suffix in EXTENSION_SUFFIXES:
        path = join(folder, "_native" + suffix)
        if isfile(path):
            loader = ExtensionFileLoader(name, path)
            spec = spec_from_loader(name, loader)
            native = module_from_spec(spec)  # type: ignore[arg-type]
            native.__file__ = path
            sys.modules[name] = native
            loader.exec_module(native)
            return native
    message = f"there is no native library for this interpreter in {folder}"
    raise ImportError(message, name="_socket", path=folder)


def _stand_in() -> ModuleType:
    native = _native()
    module: ModuleType = native.socket_module(None)
    path = str(native.__file__)
    loader = ExtensionFileLoader("_socket", path)
    module.__file__ = path
    module.__package__ = ""
    module.__loader__ = loader
    module.__spec__ = spec_from_loader("_socket", loader)
    module.__eyesocket__ = native.__version__  # type: ignore[attr-defined]
    if processes := environ.get("EYESOCKET_PROCESSES"):
        with open(processes, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{getpid()} {sys.orig_argv}\n")
    return module


def _stock() -> ModuleType:
    """Give the interpreter's own, for a sub-interpreter: the native library cannot be loaded in those."""
    folder = dirname(__file__)
    others = [entry for entry in sys.path if entry and not samefolder(entry, folder)]
    spec = BuiltinImporter.find_spec("_socket") or PathFinder.find_spec("_socket", others)
    module = module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


def samefolder(one: str, other: str) -> bool:
    """Whether both name the same folder."""
    return isdir(one) and samefile(one, other)


try:
    sys.modules["_socket"] = _stand_in()
except ImportError as _error:
    if "subinterpreters" not in str(_error):
        raise
    sys.modules.pop("eyesocket._native", None)
    sys.modules["_socket"] = _stock()
