"""Files fetched to disk: resumed where they were left, in place only when they are whole."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eyesocket.http._client import AsyncClient, Client
from eyesocket.http._functions import _split
from eyesocket.http._headers import Headers, encoded
from eyesocket.http._leftover import Leftover

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from typing import BinaryIO, Self

    from eyesocket.http._response import Response

__all__ = ["adownload", "download"]

_OPEN = re.compile(r"/(?:dev|proc/self|proc/thread-self)/fd/(\d{1,9})", re.ASCII)
_SPAN = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
"""Content-Range of a part, RFC 9110 section 14.4."""


def _descriptor(path: Path) -> int | None:
    """Give the number of an open file that the path names (`/dev/stdout`, `/dev/fd/N`): there is no other place."""
    name = os.path.abspath(path)  # noqa: PTH100 - links on the way are what is looked for
    for link, number in (("/dev/stdout", 1), ("/dev/stderr", 2)):
        if name == link:
            return number
    found = _OPEN.fullmatch(name)
    return int(found[1]) if found else None


class _Target:
    """Where a download goes to: a file, by way of what it leaves if it is interrupted.

    A target that is there and no file (a device, a pipe) is written to as it is: nothing may take its place.
    """

    def __init__(
        self,
        url: str,
        path: str | PathLike[str],
        progress: Callable[[int, int | None], None] | None,
        options: dict[str, Any],
        *,
        resume: bool,
    ) -> None:
        given = Path(path)
        number = _descriptor(given)
        # A link goes on pointing where it does.
        self.path = Path(os.path.realpath(given))
        self.device: BinaryIO | None = None
        self.leftover: Leftover | None = None
        self.have = 0
        if number is not None:
            self.device = os.fdopen(os.dup(number), "wb")
        elif given.exists() and not given.is_file():
            self.path = given
        else:
            self.leftover = Leftover(self.path, url, resume=resume)
            self.have = self.leftover.have
        self.total: int | None = None
        self.progress = progress
        # What is missing, if the resource is still the same (RFC 9110 section 13.1.5).
        tag = self.leftover.tag if self.leftover else ""
        asked = {"Range": f"bytes={self.have}-", "If-Range": tag} if self.have else {}
        own = {"Accept-Encoding": "identity", **asked}
        more = options.get("headers") or []
        pairs = more.raw if isinstance(more, Headers) else more.items() if hasattr(more, "items") else more
        kept = [(name, value) for name, value in pairs if encoded(name).title() not in map(str.encode, own)]
        options["headers"] = [*kept, *own.items()]
        options.setdefault("follow_redirects", True)
        options.setdefault("timeout", (30.0, 30.0, 30.0, 30.0, None))
        # Lengths and ranges are those of the bytes as they are sent.
        options["decode"] = False

    def outdated(self, response: Response, options: dict[str, Any]) -> bool:
        """Whether what is there goes beyond the resource as it is now; then `options` ask for all of it."""
        if response.status != 416 or not self.have or self.whole(response):
            return False
        self.have = 0
        options["headers"] = [pair for pair in options["headers"] if pair[0] not in {"Range", "If-Range"}]
        return True

    def whole(self, response: Response) -> bool:
        """Whether 416 says that what is there is all."""
        left = self.leftover
        return (
            left is not None
            and response.headers.get("content-range") == f"bytes */{self.have}"
            and left.total in {None, self.have}
            and self.same(response, left)
        )

    @staticmethod
    def same(response: Response, left: Leftover) -> bool:
        """Whether the response speaks of the version that is there, or does not say."""
        field = "etag" if left.tag.startswith('"') else "last-modified"
        return response.headers.get(field, left.tag) == left.tag

    def begin(self, response: Response) -> bool:
        """Be ready for what comes; False if all was there already."""
        if response.status == 416 and self.have and self.whole(response):
            return False
        response.raise_for_status()
        length = response.headers.get("content-length", "")
        self.total = int(length) if length.isdecimal() else None
        if response.status == 206:
            self.total = self.rest(response)
            return True
        self.have = 0
        if self.leftover is None:
            self.device = self.device or self.path.open("wb")
            return True
        self.leftover.begin(_validator(response.headers), self.total)
        return True

    def rest(self, response: Response) -> int:
        """See that this is all that is missing, of the same version; give the size of the whole."""
        span = response.headers.get("content-range", "")
        known = _SPAN.fullmatch(span)
        first, last, size = known.groups() if known else ("", "", "")
        left = self.leftover
        whole = bool(self.have) and first == str(self.have) and int(last) >= self.have
        if left is None or not whole or size not in {"*", str(int(last) + 1)}:
            message = f"asked for the bytes from {self.have}, got Content-Range {span!r}"
            raise OSError(message)
        if not self.same(response, left):
            now = response.headers.get("etag") or response.headers.get("last-modified")
            message = f"asked for more of version {left.tag}, got some of {now}; remove {left.part} to begin anew"
            raise OSError(message)
        if left.total not in {None, int(last) + 1}:
            message = f"of version {left.tag}, {left.total} bytes long, came {span!r}; remove {left.part} to begin anew"
            raise OSError(message)
        return int(last) + 1

    def take(self, piece: bytes) -> None:
        """Write what came."""
        if self.leftover is not None:
            self.leftover.write(piece)
        elif self.device is not None:
            self.device.write(piece)
        self.have += len(piece)
        if self.progress is not None:
            self.progress(self.have, self.total)

    def finish(self) -> None:
        """Put the whole file in place."""
        if self.total not in {None, self.have}:
            there = f"; {self.leftover.part} keeps them" if self.leftover else ""
            message = f"{self.have} of {self.total} bytes came{there}"
            raise OSError(message)
        if self.leftover is not None:
            self.leftover.place()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Keep what there is."""
        if self.leftover is not None:
            self.leftover.keep()
        if self.device is not None:
            self.device.close()


def _validator(headers: Headers) -> str:
    """Give what vouches for bytes: a strong tag; where there is no tag at all, a date that is one (RFC 9110 13.1.5)."""
    if tag := headers.get("etag", ""):
        return "" if tag.startswith("W/") else tag
    changed = headers.get("last-modified", "")
    # Of a second that was not over yet, the next version may have the same (RFC 9110 section 8.8.2.2).
    return changed if changed != headers.get("date", "") else ""


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
    the same version; only what GET gives is. One download at a time goes to a path. The bytes are those that are sent:
    content codings, which are not asked for, stay on. `progress(have, total)` is called as bytes come; total is None
    where the server does not tell. Redirections are followed unless `follow_redirects=False`. `timeout` is without a
    total unless one is given.

    Raises: as `Client.request`, `HTTPStatusError` for a status that is no success, `BlockingIOError` where another
    download goes to the same path, `OSError` where what comes is not the rest of what is there.
    """
    own = client if client is not None else Client(**_split(options))
    try:
        with _Target(str(url), path, progress, options, resume=resume and method == "GET") as target:
            while True:
                with own.stream(method, url, **dict(options)) as response:
                    if target.outdated(response, options):
                        continue
                    if target.begin(response):
                        for piece in response._modestly():
                            target.take(piece)
                    target.finish()
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
    method: str = "GET",
    **options: Any,
) -> Response:
    """Do what `download` does, awaited."""
    own = client if client is not None else AsyncClient(**_split(options))
    try:
        with _Target(str(url), path, progress, options, resume=resume and method == "GET") as target:
            while True:
                async with own.stream(method, url, **dict(options)) as response:
                    if target.outdated(response, options):
                        continue
                    if target.begin(response):
                        async for piece in response._amodestly():
                            target.take(piece)
                    target.finish()
                    return response
    finally:
        if client is None:
            await own.aclose()
