"""When a request is tried again."""

from __future__ import annotations

from eyesocket import errors
from eyesocket.http._settings import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from eyesocket.http._base import Prepared
    from eyesocket.http._response import Response

__all__ = ["Retry"]

_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})


def _seconds(asked: str) -> float | None:
    """Give how long a Retry-After asks to wait: seconds, or until a date (RFC 9110 section 10.2.3)."""
    if asked.isdecimal():
        return float(asked)
    import datetime
    from email.utils import parsedate_to_datetime

    try:
        until = parsedate_to_datetime(asked)
    except (ValueError, OverflowError, TypeError, IndexError):
        # What the parser raises over dates that are none.
        return None
    # A date without its zone is GMT, as all dates of HTTP.
    until = until.replace(tzinfo=until.tzinfo or datetime.UTC)
    return max(0.0, (until - datetime.datetime.now(datetime.UTC)).total_seconds())


class Retry:
    """Try a request up to `total` times more, if its method is one of `methods` (idempotent ones, RFC 9110 9.2.2).

    Again after an error of the connection, and after a status of `statuses`, when the wait is over: `backoff` seconds,
    doubled each time and shaken a little, at most `max_wait`; or what Retry-After says, if that is not longer. All this
    shares the total of the request's timeout: where the wait would outlast that, what came last is the result.
    """

    def __init__(
        self,
        total: int = 0,
        *,
        methods: Collection[str] = _IDEMPOTENT,
        statuses: Collection[int] = (429, 502, 503, 504),
        backoff: float = 0.2,
        max_wait: float = 30.0,
    ) -> None:
        self.total = count("retries", total, 2**63 - 1)
        self.methods = frozenset(methods)
        self.statuses = frozenset(statuses)
        self.backoff = backoff
        self.max_wait = max_wait

    def _wait(self, attempt: int, response: Response | None) -> float:
        import random

        asked = response.headers.get("retry-after", "") if response is not None else ""
        if (seconds := _seconds(asked)) is not None:
            return min(seconds, self.max_wait)
        return min(self.backoff * float(2**attempt), self.max_wait) * random.uniform(0.5, 1)  # noqa: S311 - no secret

    def _allowed(self, prepared: Prepared) -> bool:
        return prepared.request.method in self.methods and (
            prepared.request._body.pieces is None or prepared.request._body.rewinds
        )

    def _worth(self, response: Response | None, error: OSError | None) -> bool:
        if response is not None:
            return response.status in self.statuses
        return isinstance(error, (ConnectionError, TimeoutError)) and not isinstance(
            error, (errors.TLSError, errors.ProtocolError)
        )

    def _again(
        self, attempt: int, prepared: Prepared, response: Response | None, error: OSError | None
    ) -> float | None:
        """Give the seconds to wait before the next attempt; None if there is none."""
        if attempt >= self.total or not self._allowed(prepared) or not self._worth(response, error):
            return None
        wait, left = self._wait(attempt, response), prepared.left()
        return None if left is not None and wait >= left else wait

    def run(self, send: Callable[[Prepared], Response], prepared: Prepared) -> Response:
        """Send until it is good or over."""
        import time

        for attempt in range(self.total + 1):
            response: Response | None = None
            try:
                response = send(prepared)
            except OSError as error:
                wait = self._again(attempt, prepared, None, error)
                if wait is None:
                    raise
            else:
                wait = self._again(attempt, prepared, response, None)
                if wait is None:
                    return response
                response.close()
            time.sleep(wait)
        raise AssertionError  # the last attempt returns or raises

    async def run_async(self, send: Callable[[Prepared], Awaitable[Response]], prepared: Prepared) -> Response:
        """Send until it is good or over."""
        import asyncio

        for attempt in range(self.total + 1):
            response: Response | None = None
            try:
                response = await send(prepared)
            except OSError as error:
                wait = self._again(attempt, prepared, None, error)
                if wait is None:
                    raise
            else:
                wait = self._again(attempt, prepared, response, None)
                if wait is None:
                    return response
                response.close()
            await asyncio.sleep(wait)
        raise AssertionError  # the last attempt returns or raises

    def __repr__(self) -> str:
        return f"Retry({self.total}, statuses={sorted(self.statuses)}, backoff={self.backoff})"
