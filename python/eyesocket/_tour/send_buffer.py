"""What the kernel makes of SO_SNDBUF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eyesocket.article.send_buffer import made_of

if TYPE_CHECKING:
    from eyesocket._tour.stage import Stage

TITLE = "The size of a send buffer"


def tell(stage: Stage) -> None:
    """Ask for sizes."""
    stage.say(
        "setsockopt(SOL_SOCKET, SO_SNDBUF, n) is a wish. Linux doubles n, for its own bookkeeping, within limits."
    )
    stage.script("send_buffer")
    stage.check(made_of(65536) == 2 * 65536, "65536 bytes become twice that")
    least = made_of(1)
    stage.check(least > 2, f"1 byte becomes the minimum, {least} bytes")
