"""The fuzz target of packets starts from what the responder really sends: one packet a line, as hexadecimal digits.

`python tests/python/probe/test_seeds.py` writes the file anew.
"""

from __future__ import annotations

import struct
import sys
from ipaddress import ip_address
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import responder

SEEDS = Path(__file__).parents[3] / "fuzz" / "seeds" / "packets.hex"


class Recorder(responder.Responder):
    """A responder without a device, which keeps what it would send."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.held: dict[bytes, bytes] = {}

    def send(self, data: bytes, after: float = 0.0) -> None:
        self.sent.append(data)


def request(target: str, sequence: int, protocol: int = 1, ttl: int = 64) -> bytes:
    """Build a probe as it arrives at the responder."""
    there = ip_address(target)
    here = ip_address("10.88.255.1" if there.version == 4 else "fd88::ffff:1")
    payload = bytes(range(32))
    if protocol == 1:
        kind = 8 if there.version == 4 else 128
        rest = struct.pack("!HH", 0x1234, sequence)
        ends = (here.packed, there.packed) if there.version == 6 else None
        message = responder.icmp(kind, 0, rest, payload, ends)
    elif protocol == 17:
        message = struct.pack("!HHHH", 40_000, 33_434, 8 + len(payload), 0x5A00 + sequence) + payload
    else:
        message = struct.pack("!HHIIBBHHH", 40_000, 80, 7000 + sequence, 0, 0x50, 2, 5840, 0, 0)
    if there.version == 6:
        return struct.pack("!IHBB", 6 << 28, len(message), 58, ttl) + here.packed + there.packed + message
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(message), sequence, 0, ttl, protocol, 0)
    return head + here.packed + there.packed + message


def seeds() -> str:
    """Ask for every behaviour, and for the virtual path by every protocol; give what is answered."""
    recorder = Recorder()
    for last in responder.BEHAVIOURS.values():
        for host in (f"10.88.0.{last}", f"fd88::{last:x}"):
            for sequence in (1, 2):
                recorder.take(request(host, sequence))
    for protocol in (1, 6, 17):
        for ttl in (1, 2, 3):
            recorder.take(request("10.89.2.0", ttl, protocol, ttl))
    return "".join(f"{line}\n" for line in dict.fromkeys(data.hex() for data in recorder.sent))


def test_the_seeds_are_what_the_responder_sends() -> None:
    assert SEEDS.read_text() == seeds(), f"run {Path(__file__).name}"
    assert len(SEEDS.read_text().splitlines()) > 60


if __name__ == "__main__":
    SEEDS.parent.mkdir(exist_ok=True)
    SEEDS.write_text(seeds())
