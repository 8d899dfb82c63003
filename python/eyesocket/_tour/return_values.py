"""send and recv may do less than they are asked for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from eyesocket import socket
from eyesocket.article.tcp_echo_with_pitfall.safe_socket import safe_recv, safe_send

if TYPE_CHECKING:
    from eyesocket._tour.stage import Stage

TITLE = "A pitfall: the return values of send and recv"


def tell(stage: Stage) -> None:
    """Fill a send buffer, then use the article's loops."""
    stage.say("send and recv work on the kernel's buffers. When a buffer is full, send takes what still fits.")
    message = bytes(range(256)) * 32768
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0)
        sent = ours.send(message)
        stage.show(f"send({len(message)} bytes) returned {sent}")
        stage.check(0 < sent < len(message), "one send took less than all")
        got = theirs.recv(len(message), socket.MSG_DONTWAIT)
        stage.show(f"recv({len(message)}) returned {len(got)} bytes")
        stage.check(0 < len(got) < len(message), "one recv gave less than asked for")
    stage.say("safe_send and safe_recv look at the return values and go on until all is through.")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sender = threading.Thread(target=safe_send, args=(ours, message))
        sender.start()
        whole = safe_recv(theirs, len(message))
        sender.join()
        stage.check(whole == message, f"all {len(message)} bytes arrived, in order")
        ours.close()
        broken = ""
        try:
            safe_recv(theirs, 1)
        except RuntimeError as error:
            broken = str(error)
            stage.show(f"after the peer has closed: RuntimeError: {error}")
        stage.check(
            broken == "socket connection broken", "recv gives b'' when the peer has closed, and the loop says so"
        )
    with stage.server("tcp_echo_with_pitfall.echo_server", "--port", "0", "--count", "1") as server:
        told = stage.script("tcp_echo_with_pitfall.echo_client", "--port", server.port)
        stage.check(told == "hello socket world\n", "the echo pair on these loops")
        server.finish()
