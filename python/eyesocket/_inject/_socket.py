"""Found before the stock `_socket` when this folder is first on the path, and puts our native module in its place.

The native library is loaded from beside this folder, so that the interpreter need not have the package installed.
"""

import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from os.path import dirname, isfile, join


def _native():  # noqa: ANN202
    name = "eyesocket._native"
    if name in sys.modules:
        return sys.modules[name]
    folder = dirname(dirname(__file__))
    for suffix in EXTENSION_SUFFIXES:
        path = join(folder, "_native" + suffix)
        if isfile(path):
            spec = spec_from_file_location(name, path, loader=ExtensionFileLoader(name, path))
            native = module_from_spec(spec)
            sys.modules[name] = native
            spec.loader.exec_module(native)
            return native
    message = f"there is no native library for this interpreter in {folder}"
    raise ImportError(message, name="_socket", path=folder)


def _stand_in():  # noqa: ANN202
    native = _native()
    module = native.socket_module(None)
    path = native.__spec__.origin
    module.__file__ = path
    module.__package__ = ""
    module.__loader__ = ExtensionFileLoader("_socket", path)
    module.__spec__ = spec_from_file_location("_socket", path, loader=module.__loader__)
    module.__eyesocket__ = native.__version__
    return module


sys.modules["_socket"] = _stand_in()
