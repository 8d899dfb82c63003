"""ICMP echo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import eyesocket
from eyesocket import socket
from eyesocket.article.ping import checksum, create_packet

if TYPE_CHECKING:
    from eyesocket._tour.stage import Stage

TITLE = "ping: neither TCP nor UDP, but ICMP"


def tell(stage: Stage) -> None:
    """Ping loopback, v4 and v6."""
    packet = create_packet(0x1234)
    stage.show(f"type {packet[0]}, code {packet[1]}, checksum {packet[2]:02x}{packet[3]:02x}, id {packet[4:6].hex()}")
    stage.check(checksum(packet) == 0, "an echo request with its checksum in place sums up to zero (RFC 1071)")
    try:
        result = eyesocket.ping("127.0.0.1", count=3, interval=0.05)
    except PermissionError as refused:
        stage.skip(str(refused))
    stage.show(result)
    stage.check(result.received == 3, "three requests, three replies from 127.0.0.1")
    stage.check(all(0 < rtt < 1 for rtt in result.rtts), "each round-trip time is above zero and below a second")
    if socket.has_ipv6:
        try:
            result = eyesocket.ping("::1", count=1)
        except OSError as refused:
            stage.aside(f"no IPv6 here: {refused}")
        else:
            stage.show(result)
            stage.check(result.received == 1, "the same for IPv6")
