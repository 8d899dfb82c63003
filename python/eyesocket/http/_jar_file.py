"""Cookies in a file: a list of objects in JSON, for its owner alone."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["load", "save"]

_OWN = {"name": str, "value": str}
"""A cookie that goes with every request."""
_PARTS: dict[str, Any] = {
    **_OWN,
    "domain": str,
    "host_only": bool,
    "path": str,
    "secure": bool,
    "http_only": bool,
    "expires": (int, type(None)),
}


def save(path: str | PathLike[str], cookies: list[dict[str, object]]) -> None:
    """Put the file in place when it is whole."""
    target = Path(os.path.realpath(path))
    text = json.dumps(cookies)
    if target.exists() and not target.is_file():
        target.write_text(text, "utf-8")
        return
    try:
        descriptor, made = tempfile.mkstemp(dir=target.parent, prefix=".cookies-")
    except PermissionError:
        _over(target, text)
        return
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(made).replace(target)
    except BaseException:
        Path(made).unlink()
        raise


def _over(target: Path, text: str) -> None:
    """Write to the file that is there, in a folder that takes no other."""
    with target.open("r+", encoding="utf-8") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            os.fchmod(file.fileno(), 0o600)
        file.write(text)
        file.truncate()


def load(path: str | PathLike[str]) -> list[dict[str, Any]]:
    """Give the cookies' parts."""
    try:
        found = json.loads(Path(path).read_text("utf-8"))
    except ValueError as error:
        message = f"{os.fspath(path)!r} is no file of cookies: {error}"
        raise ValueError(message) from None
    if not isinstance(found, list) or not all(map(_known, found)):
        message = f"{os.fspath(path)!r} is no file of cookies: it holds other JSON than `save` writes"
        raise ValueError(message)
    return found


def _known(parts: object) -> bool:
    if not isinstance(parts, dict):
        return False
    shape = _OWN if len(parts) == len(_OWN) else _PARTS
    return parts.keys() == shape.keys() and all(isinstance(parts[name], kind) for name, kind in shape.items())
