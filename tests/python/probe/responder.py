"""A network of one process: hosts behind a TUN device that answer echo requests rightly, wrongly, late or not at all.

Run as `responder.py DEVICE` in a namespace of its own; it says "ready" and answers until it is ended. A host's last
byte says how it behaves (`BEHAVIOURS`), both of 10.88.0.0/16 and of fd88::/64. 10.89.0.0/16 lies behind a virtual path:
10.89.H.x has H routers before it, 10.88.200.1, 10.88.200.2, ..., of which number x is silent (0: none), for ICMP, UDP
and TCP; who is on it quotes IP + 8 bytes.
"""

from __future__ import annotations

import fcntl
import heapq
import itertools
import os
import select
import struct
import subprocess
import sys
import time
from ipaddress import IPv4Address, IPv6Address, ip_address

BEHAVIOURS = {
    "right": 1,
    "silent": 2,
    "delayed": 3,  # 20 ms
    "duplicate": 4,
    "reordered": 5,  # each odd sequence is answered after the even one that follows it
    "corrupt byte 20": 6,
    "bad checksum": 7,
    "truncated": 8,
    "wrong source": 9,
    "wrong identifier": 10,
    "late": 11,  # 300 ms
    "every second lost": 12,
    "net unreachable": 20,
    "host unreachable": 21,
    "port unreachable": 22,
    "prohibited": 23,
    "too big": 24,  # MTU 1300
    "time exceeded": 25,
    "redirect": 26,  # to 10.88.9.9, and answered
    "parameter problem": 27,  # at byte 6
    "source quench": 28,
    "short quotation": 29,  # host unreachable, quoting IP + 8 bytes
    "labels": 30,  # time exceeded with the MPLS labels 12345 and 99
}
ROUTER4, ROUTER6 = IPv4Address("10.88.200.1"), IPv6Address("fd88::c8:1")
ERRORS4 = {20: (3, 0, 0), 21: (3, 1, 0), 22: (3, 3, 0), 23: (3, 13, 0), 24: (3, 4, 1300), 25: (11, 0, 0)}
ERRORS4 |= {26: (5, 1, int(IPv4Address("10.88.9.9"))), 27: (12, 0, 6 << 24), 28: (4, 0, 0), 29: (3, 1, 0)}
ERRORS6 = {20: (1, 0, 0), 21: (1, 3, 0), 22: (1, 4, 0), 23: (1, 1, 0), 24: (2, 0, 1300), 25: (3, 0, 0)}
ERRORS6 |= {27: (4, 0, 6), 29: (1, 3, 0)}


def checksum(data: bytes) -> int:
    """RFC 1071, by the book."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def icmp(kind: int, code: int, rest: bytes, body: bytes, ends: tuple[bytes, bytes] | None) -> bytes:
    """Build a message with its checksum; ICMPv6's covers the addresses."""
    message = struct.pack("!BBH", kind, code, 0) + rest + body
    pseudo = b"" if ends is None else ends[0] + ends[1] + struct.pack("!II", len(message), 58)
    return message[:2] + struct.pack("!H", checksum(pseudo + message)) + message[4:]


def packet(source: IPv4Address | IPv6Address, target: bytes, kind: int, code: int, rest: bytes, body: bytes) -> bytes:
    """Build an IP packet with an ICMP message in it."""
    if source.version == 6:
        message = icmp(kind, code, rest, body, (source.packed, target))
        return struct.pack("!IHBB", 6 << 28, len(message), 58, 64) + source.packed + target + message
    message = icmp(kind, code, rest, body, None)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(message), 0, 0, 64, 1, 0, source.packed, target)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + message


def labels(quoted: bytes) -> bytes:
    """Pad a quotation to 128 bytes and add RFC 4950's stack."""
    stack = struct.pack("!HBBII", 12, 1, 1, 12345 << 12 | 5 << 9 | 1, 99 << 12 | 1 << 8 | 7)
    structure = struct.pack("!BBH", 0x20, 0, 0) + stack
    structure = structure[:2] + struct.pack("!H", checksum(structure)) + structure[4:]
    return quoted[:128].ljust(128, b"\0") + structure


class Responder:
    """What comes in, and what goes out when."""

    def __init__(self, device: str) -> None:
        self.tun = os.open("/dev/net/tun", os.O_RDWR)
        # TUNSETIFF with IFF_TUN | IFF_NO_PI.
        fcntl.ioctl(self.tun, 0x400454CA, struct.pack("16sH22x", device.encode(), 0x1001))
        self.later: list[tuple[float, int, bytes]] = []
        self.order = itertools.count()
        self.held: dict[bytes, bytes] = {}

    def send(self, data: bytes, after: float = 0.0) -> None:
        """Send now, or later."""
        if after:
            heapq.heappush(self.later, (time.monotonic() + after, next(self.order), data))
        else:
            os.write(self.tun, data)

    def run(self) -> None:
        """Answer for ever."""
        while True:
            wait = max(0.0, self.later[0][0] - time.monotonic()) if self.later else None
            ready, _, _ = select.select([self.tun], [], [], wait)
            while self.later and self.later[0][0] <= time.monotonic():
                os.write(self.tun, heapq.heappop(self.later)[2])
            if ready:
                self.take(os.read(self.tun, 65536))

    def take(self, data: bytes) -> None:
        """Answer one packet."""
        if data[0] >> 4 == 4 and data[16:18] == bytes([10, 89]):
            self.way(data)
            return
        if data[0] >> 4 == 4 and data[9] == 1:
            size = (data[0] & 15) * 4
            source, target = data[12:16], ip_address(data[16:20])
        elif data[0] >> 4 == 6 and data[6] == 58:
            size, source, target = 40, data[8:24], ip_address(data[24:40])
        else:
            return
        message = data[size:]
        if message[0] != (8 if target.version == 4 else 128):
            return
        self.behave(data, size, source, target, message)

    def way(self, data: bytes) -> None:
        """Be the virtual path to 10.89.H.x, whose routers and end quote IP + 8 bytes; router x is silent (0: none)."""
        source, target, ttl, protocol = data[12:16], IPv4Address(data[16:20]), data[8], data[9]
        _, _, far, silent = target.packed
        message = data[(data[0] & 15) * 4 :]
        if ttl <= far:
            if ttl != silent:
                self.send(packet(IPv4Address(int(ROUTER4) + ttl - 1), source, 11, 0, b"\0\0\0\0", data[:28]))
        elif protocol == 1 and message[0] == 8:
            self.send(packet(target, source, 0, 0, message[4:8], message[8:]))
        elif protocol == 17:
            self.send(packet(target, source, 3, 3, b"\0\0\0\0", data[:28]))
        elif protocol == 6:
            ours, theirs, sequence = struct.unpack("!HHI", message[:8])
            reset = struct.pack("!HHIIBBHHH", theirs, ours, 0, (sequence + 1) & 0xFFFFFFFF, 0x50, 0x14, 0, 0, 0)
            total = checksum(target.packed + source + struct.pack("!HH", 6, len(reset)) + reset)
            reset = reset[:16] + struct.pack("!H", total) + reset[18:]
            head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, 6, 0, target.packed, source)
            self.send(head[:10] + struct.pack("!H", checksum(head)) + head[12:] + reset)

    def error(self, data: bytes, source: bytes, version: int, how: int) -> None:
        """Report an error about the packet."""
        kind, code, rest = (ERRORS4 if version == 4 else ERRORS6)[how]
        quoted = data[: (20 if version == 4 else 40) + 8] if how == 29 else data[:548]
        self.send(packet(ROUTER4 if version == 4 else ROUTER6, source, kind, code, struct.pack("!I", rest), quoted))

    def behave(self, data: bytes, size: int, source: bytes, target: IPv4Address | IPv6Address, message: bytes) -> None:
        """Do as the host does."""
        how = target.packed[-1]
        version, kind = target.version, 0 if target.version == 4 else 129
        label, body = message[4:8], message[8:]
        sequence = struct.unpack("!H", label[2:])[0]
        right = packet(target, source, kind, 0, label, body)
        if how in (ERRORS4 if version == 4 else ERRORS6):
            self.error(data, source, version, how)
            if how in (26, 28):
                self.send(right)
        elif how == 30:
            router, length = (ROUTER4, b"\0\x20\0\0") if version == 4 else (ROUTER6, b"\x10\0\0\0")
            self.send(packet(router, source, 11 if version == 4 else 3, 0, length, labels(data)))
        elif how == 3:
            self.send(right, 0.02)
        elif how == 4:
            self.send(right)
            self.send(right)
        elif how == 5:
            if sequence % 2:
                self.held[label[:2]] = right
            else:
                self.send(right)
                self.send(self.held.pop(label[:2], right))
        elif how == 6:
            place = min(20, len(body) - 1)
            wrong = bytes([body[place] ^ 0xFF])
            self.send(packet(target, source, kind, 0, label, body[:place] + wrong + body[place + 1 :]))
        elif how == 7:
            place = (20 if version == 4 else 40) + 2
            self.send(right[:place] + bytes([right[place] ^ 0x55]) + right[place + 1 :])
        elif how == 8:
            self.send(packet(target, source, kind, 0, label, body[:10]))
        elif how == 9:
            other = ip_address(target.packed[:-1] + b"\xfe")
            self.send(packet(other, source, kind, 0, label, body))
        elif how == 10:
            self.send(packet(target, source, kind, 0, bytes([label[0] ^ 0x55]) + label[1:], body))
        elif how == 11:
            self.send(right, 0.3)
        elif how == 12:
            if sequence % 2 == 0:
                self.send(right)
        elif how != 2:
            self.send(right)


def main(device: str) -> None:
    """Set the device up and answer."""
    responder = Responder(device)
    for words in (
        ("addr", "add", "10.88.255.1/16", "dev", device),
        ("addr", "add", "fd88::ffff:1/64", "dev", device, "nodad"),
        ("link", "set", device, "up"),
        ("route", "add", "10.89.0.0/16", "dev", device),
    ):
        subprocess.run(["ip", *words], check=True)
    print("ready", flush=True)
    responder.run()


if __name__ == "__main__":
    main(sys.argv[1])
