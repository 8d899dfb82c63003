"""TCP has no messages; framing makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eyesocket import framing, socket

if TYPE_CHECKING:
    from eyesocket._tour.stage import Stage

TITLE = "A pitfall: to believe that TCP keeps messages apart"


def tell(stage: Stage) -> None:
    """Show the pitfall over TCP, its absence over UDP, and the cure."""
    with stage.server("framing_assumptions.tcp_server", "--port", "0") as server:
        stage.script("framing_assumptions.tcp_client", "--port", server.port)
        stage.check(server.finish() == "hellohello\n\n", "over TCP two sends came as one recv, then nothing")
    with stage.server("framing_assumptions.udp_server", "--port", "0") as server:
        stage.script("framing_assumptions.udp_client", "--port", server.port)
        stage.check(server.finish() == "hello\nhello\n", "over UDP two sends are two messages")
    stage.say(
        "The cure: say on the wire where a message ends. A length in front, or a line end, and one object for it."
    )
    for codec in (framing.LengthPrefixed(4, max_frame=1024), framing.Lines(max_frame=1024)):
        ours, theirs = socket.socketpair()
        with framing.wrap(ours, codec) as sender, framing.wrap(theirs, codec) as receiver:
            sender.send(b"hello")
            sender.send(b"hello")
            got = [receiver.recv(), receiver.recv()]
            stage.show(f"{codec!r}: {got}")
            stage.check(got == [b"hello", b"hello"], "two sends, two messages")
