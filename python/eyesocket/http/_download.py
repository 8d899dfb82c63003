"""Files fetched to disk: resumed where they were left, in place only when they are whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eyesocket.http._client import AsyncClient, Client
from eyesocket.http._functions import _split

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from typing import BinaryIO

    from eyesocket.http._response import Response

__all__ = ["adownload", "download"]


class _Part:
    """The file `NAME.part` beside the target, and `NAME.part.tag`, which says of which version it is."""

    def __init__(
        self,
        path: str | PathLike[str],
        progress: Callable[[int, int | None], None] | None,
        options: dict[str, Any],
        *,
        resume: bool,
    ) -> None:
        self.path = Path(path)
        self.part = self.path.with_name(self.path.name + ".part")
        self.note = self.path.with_name(self.path.name + ".part.tag")
        tag = self.note.read_text("latin-1").strip() if resume and self.part.exists() and self.note.exists() else ""
        self.have = self.part.stat().st_size if tag else 0
        self.total: int | None = None
        self.progress = progress
        self.file: BinaryIO | None = None
        # What is missing, if the resource is still the same (RFC 9110 section 13.1.5).
        asked = {"Range": f"bytes={self.have}-", "If-Range": tag} if self.have else {}
        options["headers"] = {**dict(options.get("headers") or {}), "Accept-Encoding": "identity", **asked}
        options.setdefault("follow_redirects", True)
        options.setdefault("timeout", (30.0, 30.0, 30.0, 30.0, None))

    def begin(self, response: Response) -> bool:
        """Open the part for what comes; False if it was the whole file already."""
        if response.status == 416 and response.headers.get("content-range") == f"bytes */{self.have}":
            self.file = self.part.open("ab")
            return False
        response.raise_for_status()
        if response.status == 206 and self.have:
            span = response.headers.get("content-range", "")
            if not span.startswith(f"bytes {self.have}-"):
                message = f"asked for the bytes from {self.have}, got Content-Range {span!r}"
                raise OSError(message)
            self.file = self.part.open("ab")
        else:
            self.have = 0
            tag = response.headers.get("etag", "")
            # A weak tag cannot vouch for bytes (RFC 9110 section 8.8.1).
            strong = tag if tag and not tag.startswith("W/") else response.headers.get("last-modified", "")
            if strong:
                self.note.write_text(strong, "latin-1")
            else:
                self.note.unlink(missing_ok=True)
            self.file = self.part.open("wb")
        left = response.headers.get("content-length", "")
        self.total = self.have + int(left) if left.isdecimal() else None
        return True

    def take(self, piece: bytes) -> None:
        """Write what came."""
        if self.file is not None:
            self.file.write(piece)
        self.have += len(piece)
        if self.progress is not None:
            self.progress(self.have, self.total)

    def finish(self) -> None:
        """Put the whole file in place."""
        if self.file is not None:
            self.file.flush()
            os.fsync(self.file.fileno())
        self.close()
        self.part.replace(self.path)
        self.note.unlink(missing_ok=True)

    def close(self) -> None:
        """Keep what there is."""
        if self.file is not None:
            self.file.close()


def download(
    url: str,
    path: str | PathLike[str],
    *,
    resume: bool = True,
    progress: Callable[[int, int | None], None] | None = None,
    client: Client | None = None,
    method: str = "GET",
    **options: Any,
) -> Response:
    """Fetch `url` into the file `path`, which appears there only when it is whole.

    What an interrupted download left (in `path` + `.part`) is continued by Range and If-Range, if the server still has
    the same version; only what GET gives is. `progress(have, total)` is called as bytes come; total is None where the
    server does not tell. Redirections are followed unless `follow_redirects=False`. `timeout` is without a total unless
    one is given.

    Raises: as `Client.request`, and `HTTPStatusError` for a status that is no success.
    """
    own = client if client is not None else Client(**_split(options))
    part = _Part(path, progress, options, resume=resume and method == "GET")
    try:
        with own.stream(method, url, **options) as response:
            if part.begin(response):
                for piece in response.iter_bytes():
                    part.take(piece)
            part.finish()
            return response
    finally:
        part.close()
        if client is None:
            own.close()


async def adownload(
    url: str,
    path: str | PathLike[str],
    *,
    resume: bool = True,
    progress: Callable[[int, int | None], None] | None = None,
    client: AsyncClient | None = None,
    method: str = "GET",
    **options: Any,
) -> Response:
    """Do what `download` does, awaited."""
    own = client if client is not None else AsyncClient(**_split(options))
    part = _Part(path, progress, options, resume=resume and method == "GET")
    try:
        async with own.stream(method, url, **options) as response:
            if part.begin(response):
                async for piece in response.aiter_bytes():
                    part.take(piece)
            part.finish()
            return response
    finally:
        part.close()
        if client is None:
            await own.aclose()
