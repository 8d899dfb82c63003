"""Runs the interpreter's own `socket.py` over our native `_socket`, beside the stock one and touching no global.

The code object comes from the loader of the standard library's module (so from its `.pyc`); it is executed in the
caller's namespace with an `__import__` that gives our native module for `_socket`, and for `enum` something that hands
out the enumerations of the standard library's `socket` instead of making equal ones a second time.
"""

from __future__ import annotations

import builtins
import enum
import importlib.machinery
import importlib.util
import socket as standard
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from eyesocket import _native

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, ModuleType

__all__ = ["fill", "native"]


def _native_module() -> ModuleType:
    stock = sys.modules["_socket"]
    if hasattr(stock, "__eyesocket__"):
        return stock
    module: ModuleType = _native.socket_module(stock)
    return module


native: ModuleType = _native_module()
"""Our `_socket`: the process's own where it has been put in its place, or one beside the stock module."""


def _code() -> CodeType:
    spec = standard.__spec__ or importlib.util.find_spec("socket")
    loader = spec.loader if spec else None
    if not isinstance(loader, importlib.machinery.SourceFileLoader | importlib.machinery.SourcelessFileLoader):
        get_code: Callable[[str], CodeType | None] | None = getattr(loader, "get_code", None)
        code = get_code("socket") if get_code else None
    else:
        code = loader.get_code("socket")
    if code is None:
        message = "this interpreter keeps no code of its module socket, over which eyesocket.socket is made"
        raise ImportError(message, name="socket")
    return code


class _SharedEnum:
    """`IntEnum` or `IntFlag` while `socket.py` runs, whose one use there is to make enumerations of constants."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace

    def _convert_(self, name: str, _module: str, _filter: Callable[[str], bool]) -> type[enum.IntEnum]:
        shared: type[enum.IntEnum] = getattr(standard, name)
        self._namespace.update(shared.__members__)
        self._namespace[name] = shared
        return shared


def fill(namespace: dict[str, Any]) -> None:
    """Execute `socket.py` in `namespace`, a module's globals; name, file, docstring and builtins of it stay."""
    shared = SimpleNamespace(IntEnum=_SharedEnum(namespace), IntFlag=_SharedEnum(namespace))
    ours = {"_socket": native, "enum": shared}

    def importing(name: str, *rest: Any, **named: Any) -> Any:
        return ours[name] if name in ours else builtins.__import__(name, *rest, **named)

    kept: dict[str, Any] = {name: namespace[name] for name in ("__doc__", "__builtins__") if name in namespace}
    namespace["__builtins__"] = {**vars(builtins), "__import__": importing}
    try:
        exec(_code(), namespace)  # noqa: S102
    finally:
        namespace.update(kept)
    del ours["enum"]
    namespace["IntEnum"], namespace["IntFlag"] = enum.IntEnum, enum.IntFlag
