"""Files fetched to disk: resumed where they were left, in place only when they are whole."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eyesocket.http._client import AsyncClient, Client
from eyesocket.http._functions import _split
from eyesocket.http._headers import Headers, encoded

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from typing import BinaryIO

    from eyesocket.http._response import Response

__all__ = ["adownload", "download"]

_SPAN = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
"""Content-Range of a part, RFC 9110 section 14.4."""


class _Part:
    """The file `NAME.part` beside the target, and `NAME.part.tag`, which says of which version it is.

    A target that is there and no file (a device, a pipe) is written to as it is: nothing may take its place.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        progress: Callable[[int, int | None], None] | None,
        options: dict[str, Any],
        *,
        resume: bool,
    ) -> None:
        given = Path(path)
        self.direct = given.exists() and not given.is_file()
        resume = resume and not self.direct
        # A link goes on pointing where it does.
        self.path = given if self.direct else Path(os.path.realpath(given))
        self.part = self.path.with_name(self.path.name + ".part")
        self.note = self.path.with_name(self.path.name + ".part.tag")
        tag = self.note.read_text("latin-1").strip() if resume and self.part.exists() and self.note.exists() else ""
        self.have = self.part.stat().st_size if tag else 0
        self.tag = tag
        self.total: int | None = None
        self.progress = progress
        self.file: BinaryIO | None = None
        # What is missing, if the resource is still the same (RFC 9110 section 13.1.5).
        asked = {"Range": f"bytes={self.have}-", "If-Range": tag} if self.have else {}
        own = {"Accept-Encoding": "identity", **asked}
        more = options.get("headers") or []
        pairs = more.raw if isinstance(more, Headers) else more.items() if hasattr(more, "items") else more
        kept = [(name, value) for name, value in pairs if encoded(name).title() not in map(str.encode, own)]
        options["headers"] = [*kept, *own.items()]
        options.setdefault("follow_redirects", True)
        options.setdefault("timeout", (30.0, 30.0, 30.0, 30.0, None))

    def outdated(self, response: Response, options: dict[str, Any]) -> bool:
        """Whether what is there goes beyond the resource as it is now; then `options` ask for all of it."""
        whole = response.headers.get("content-range") == f"bytes */{self.have}"
        if response.status != 416 or not self.have or whole:
            return False
        self.have, self.tag = 0, ""
        options["headers"] = [pair for pair in options["headers"] if pair[0] not in {"Range", "If-Range"}]
        return True

    def begin(self, response: Response) -> bool:
        """Open the part for what comes; False if it was the whole file already."""
        if response.status == 416 and response.headers.get("content-range") == f"bytes */{self.have}":
            self.file = self.part.open("ab")
            return False
        response.raise_for_status()
        left = response.headers.get("content-length", "")
        self.total = int(left) if left.isdecimal() else None
        if response.status == 206:
            self.total = self.rest(response)
            self.file = self.part.open("ab")
        elif self.direct:
            self.have, self.file = 0, self.path.open("wb")
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
        return True

    def rest(self, response: Response) -> int:
        """See that this is all that is missing, of the same version; give the size of the whole."""
        span = response.headers.get("content-range", "")
        known = _SPAN.fullmatch(span)
        first, last, size = known.groups() if known else ("", "", "")
        tag = response.headers.get("etag", "")
        whole = bool(self.have) and first == str(self.have) and int(last) >= self.have
        if not whole or size not in {"*", str(int(last) + 1)}:
            message = f"asked for the bytes from {self.have}, got Content-Range {span!r}"
            raise OSError(message)
        if tag and self.tag.startswith('"') and tag != self.tag:
            message = f"asked for more of version {self.tag}, got some of {tag}; remove {self.part} to begin anew"
            raise OSError(message)
        return int(last) + 1

    def take(self, piece: bytes) -> None:
        """Write what came."""
        if self.file is not None:
            self.file.write(piece)
        self.have += len(piece)
        if self.progress is not None:
            self.progress(self.have, self.total)

    def finish(self) -> None:
        """Put the whole file in place."""
        if self.total not in {None, self.have}:
            message = f"{self.have} of {self.total} bytes came; {self.part} keeps them"
            raise OSError(message)
        if self.direct:
            self.close()
            return
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
    """Fetch `url` into the file `path`, which appears there only when it is whole; a device or pipe is written to.

    What an interrupted download left (in `path` + `.part`) is continued by Range and If-Range, if the server still has
    the same version; only what GET gives is. `progress(have, total)` is called as bytes come; total is None where the
    server does not tell. Redirections are followed unless `follow_redirects=False`. `timeout` is without a total unless
    one is given.

    Raises: as `Client.request`, and `HTTPStatusError` for a status that is no success.
    """
    own = client if client is not None else Client(**_split(options))
    part = _Part(path, progress, options, resume=resume and method == "GET")
    try:
        while True:
            with own.stream(method, url, **dict(options)) as response:
                if part.outdated(response, options):
                    continue
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
        while True:
            async with own.stream(method, url, **dict(options)) as response:
                if part.outdated(response, options):
                    continue
                if part.begin(response):
                    async for piece in response.aiter_bytes():
                        part.take(piece)
                part.finish()
                return response
    finally:
        part.close()
        if client is None:
            await own.aclose()
