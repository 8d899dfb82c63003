"""Files fetched to disk: resumed where they were left, in place only when they are whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eyesocket.http._client import AsyncClient, Client
from eyesocket.http._functions import _split
from eyesocket.http._response import Response

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

__all__ = ["adownload", "download"]

_PIECE = 256 * 1024


class _Target:
    """The file `NAME.part` beside the target, and `NAME.part.tag`, which says of which version it is."""

    def __init__(self, path: str | PathLike[str], *, resume: bool) -> None:
        self.path = Path(path)
        self.part = self.path.with_name(self.path.name + ".part")
        self.note = self.path.with_name(self.path.name + ".part.tag")
        tag = self.note.read_text("latin-1").strip() if resume and self.part.exists() and self.note.exists() else ""
        self.tag = tag
        self.have = self.part.stat().st_size if tag else 0

    def headers(self) -> dict[str, str]:
        """Ask for what is missing, if the resource is still the same (RFC 9110 section 13.1.5)."""
        if not self.have:
            return {"Accept-Encoding": "identity"}
        return {"Accept-Encoding": "identity", "Range": f"bytes={self.have}-", "If-Range": self.tag}

    def begin(self, response: Response) -> tuple[Any, int | None]:
        """Open the part for what comes, and give it with the length in all."""
        left = response.headers.get("content-length")
        if response.status == 206 and self.have:
            span = response.headers.get("content-range", "")
            if not span.startswith(f"bytes {self.have}-"):
                message = f"asked for the bytes from {self.have}, got Content-Range {span!r}"
                raise OSError(message)
            file = self.part.open("ab")
        else:
            self.have = 0
            tag = response.headers.get("etag", "")
            # A weak tag cannot vouch for bytes (RFC 9110 section 8.8.1).
            strong = tag if tag and not tag.startswith("W/") else response.headers.get("last-modified", "")
            if strong:
                self.note.write_text(strong, "latin-1")
            else:
                self.note.unlink(missing_ok=True)
            file = self.part.open("wb")
        return file, self.have + int(left) if left and left.isdecimal() else None

    def finish(self, file: Any) -> None:
        """Put the whole file in place."""
        file.flush()
        os.fsync(file.fileno())
        file.close()
        self.part.replace(self.path)
        self.note.unlink(missing_ok=True)

    def whole(self, response: Response) -> bool:
        """Whether the part was the whole file already (416, and its length is the one that is told)."""
        return response.status == 416 and response.headers.get("content-range") == f"bytes */{self.have}"


def download(
    url: str,
    path: str | PathLike[str],
    *,
    resume: bool = True,
    progress: Callable[[int, int | None], None] | None = None,
    client: Client | None = None,
    **options: Any,
) -> Response:
    """Fetch `url` into the file `path`, which appears there only when it is whole.

    What an interrupted download left (in `path` + `.part`) is continued by Range and If-Range, if the server still has
    the same version. `progress(have, total)` is called as bytes come; total is None where the server does not tell.
    Redirections are followed unless `follow_redirects=False`. `timeout` is without a total unless one is given.

    Raises: as `Client.request`, and `HTTPStatusError` for a status that is no success.
    """
    own = client if client is not None else Client(**_split(options))
    options.setdefault("follow_redirects", True)
    options.setdefault("timeout", (30.0, 30.0, 30.0, 30.0, None))
    target = _Target(path, resume=resume)
    headers = {**dict(options.pop("headers", None) or {}), **target.headers()}
    try:
        with own.stream("GET", url, headers=headers, **options) as response:
            if target.whole(response):
                response.read()
                with target.part.open("ab") as file:
                    target.finish(file)
                return response
            response.raise_for_status()
            file, total = target.begin(response)
            with file:
                have = target.have
                for piece in response.iter_bytes():
                    file.write(piece)
                    have += len(piece)
                    if progress is not None:
                        progress(have, total)
                target.finish(file)
            return response
    finally:
        if client is None:
            own.close()


async def adownload(
    url: str,
    path: str | PathLike[str],
    *,
    resume: bool = True,
    progress: Callable[[int, int | None], None] | None = None,
    client: AsyncClient | None = None,
    **options: Any,
) -> Response:
    """Do what `download` does, awaited."""
    own = client if client is not None else AsyncClient(**_split(options))
    options.setdefault("follow_redirects", True)
    options.setdefault("timeout", (30.0, 30.0, 30.0, 30.0, None))
    target = _Target(path, resume=resume)
    headers = {**dict(options.pop("headers", None) or {}), **target.headers()}
    try:
        async with own.stream("GET", url, headers=headers, **options) as response:
            if target.whole(response):
                await response.aread()
                with target.part.open("ab") as file:
                    target.finish(file)
                return response
            response.raise_for_status()
            file, total = target.begin(response)
            with file:
                have = target.have
                async for piece in response.aiter_bytes():
                    file.write(piece)
                    have += len(piece)
                    if progress is not None:
                        progress(have, total)
                target.finish(file)
            return response
    finally:
        if client is None:
            await own.aclose()
