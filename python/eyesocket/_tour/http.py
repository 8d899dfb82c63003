"""A user agent by hand, then the package's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eyesocket._tour.stage import Stage

TITLE = "HTTP: what if the reply is longer than one recv?"


def tell(stage: Stage) -> None:
    """Run the article's user agent, plain and over TLS; each begins by hand and ends with `eyesocket.http`."""
    told = stage.script("http_ua")
    by_hand, ours = told.split("eyesocket.http", 1)
    stage.check("HTTP/1.1 200 OK" in by_hand, "twenty lines by hand fetch a page, if it is short enough")
    short = re.search(r"one recv of a long reply: (\d+) bytes; the wire had (\d+)", ours)
    stage.check(short is not None and int(short[1]) < int(short[2]), "one recv of a longer reply is not the reply")
    stage.check(ours.count("<Response 200") == 2, "eyesocket.http fetches both whole, by Content-Length and by chunks")
    told = stage.script("https_ua")
    stage.check("<Response 200" in told, "the same over TLS, the server's certificate checked")
