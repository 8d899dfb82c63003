"""TCP has no messages; framing makes them, and serves them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eyesocket import framing, socket

if TYPE_CHECKING:
    from eyesocket._tour.stage import Stage

TITLE = "A pitfall: to believe that TCP keeps messages apart"


def tell(stage: Stage) -> None:
    """Show the pitfall over TCP, its absence over UDP, the cure, and the echo servers on it."""
    with stage.server("framing_assumptions.tcp_server", "--port", "0") as server:
        stage.script("framing_assumptions.tcp_client", "--port", server.port)
        stage.check(server.finish() == "hellohello\n\n", "over TCP two sends came as one recv, then nothing")
    with stage.server("framing_assumptions.udp_server", "--port", "0") as server:
        stage.script("framing_assumptions.udp_client", "--port", server.port)
        stage.check(server.finish() == "hello\nhello\n", "over UDP two sends are two messages")
    stage.say(
        "The cure: say on the wire where a message ends. A length in front, or a line end, and one object for it."
    )
    with stage.server("framing_assumptions.framed_tcp_server", "--port", "0") as server:
        stage.script("framing_assumptions.framed_tcp_client", "--port", server.port)
        stage.check(server.finish() == "hello\nhello\n", "over TCP with frames two sends are two messages again")
    _cut(stage, framing.LengthPrefixed(4))
    _cut(stage, framing.Lines())
    _serve(stage)


def _cut(stage: Stage, codec: framing.Codec) -> None:
    """Cut the stream at every byte: the frames are the same."""
    wire = codec.encode_many([b"hello", b"hello"])
    decoder = codec.decoder()
    got = [frame for at in range(len(wire)) for frame in decoder.feed(wire[at : at + 1])]
    stage.show(f"{type(codec).__name__}: {wire!r}, one byte at a time: {got}")
    stage.check(got == [b"hello", b"hello"], "however the bytes come, the frames are the same")


def _serve(stage: Stage) -> None:
    """Run the echo servers once more, by framing.serve."""
    stage.say(
        "The article's echo server takes one client at a time: a silent one holds up all others. On framing.serve it "
        "does not, and the client needs no change."
    )
    with stage.server("simple_tcp_echo.framed_echo_server", "--port", "0", "--count", "1") as server:
        with socket.create_connection(("127.0.0.1", int(server.port))):
            told = stage.script("simple_tcp_echo.echo_client", "--port", server.port)
            stage.check(told == "hello socket world\n", "a client is answered though a silent one came before it")
        server.finish()
    told = stage.script("tcp_echo_with_pitfall.framed_echo", "--port", "0")
    stage.check(told == "hello socket world\n", "server and client in five lines, and no length known beforehand")
