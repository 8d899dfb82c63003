"""`eyesocket echo serve` and `eyesocket echo send`: an echo server and its client over TCP, UDP or a UNIX-domain path.

The server sends back every byte until its peer closes (RFC 862), many clients at once; each event is a line, with
--json a JSON object. Exit status of `send`: 0 the echo is what was sent, 1 it is not or there was none.
"""

from __future__ import annotations

import contextlib
import json
import stat
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from eyesocket import socket

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

__all__ = ["configure", "run"]

CLIENTS = 256
"""Clients served at once; further ones wait in the backlog."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    sides = parser.add_subparsers(dest="side", required=True, metavar="serve|send")
    server = sides.add_parser("serve", help="send back what comes", description="Send back what comes.")
    client = sides.add_parser("send", help="send, print what comes back", description="Send, print what comes back.")
    for side in (server, client):
        way = side.add_mutually_exclusive_group()
        way.add_argument("-u", "--udp", action="store_true", help="UDP in place of TCP")
        way.add_argument("-U", "--unix", metavar="PATH", help="a UNIX-domain stream socket on PATH")
        side.add_argument("--host", default="127.0.0.1", help="address or name (default: loopback)")
        side.add_argument("-p", "--port", type=int, default=5500, help="port (default: %(default)s)")
        side.add_argument("--json", action="store_true", help="one JSON object a line")
    server.add_argument("-c", "--count", type=int, help="end after so many clients (UDP: datagrams)")
    client.add_argument("-W", "--timeout", type=float, default=5.0, help="seconds to wait (default: %(default)s)")
    client.add_argument("message", nargs="?", default="hello socket world", help="what to send (default: %(default)s)")


def run(options: argparse.Namespace) -> int:
    """Serve, or send."""
    tell = Teller(as_json=options.json)
    if options.side == "serve":
        return serve(options, tell)
    return send(options, tell)


class Teller:
    """Prints events, from any thread, a line each."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._lock = threading.Lock()

    def __call__(self, told: str, /, **values: object) -> None:
        """Print `told`, or `values` as JSON."""
        line = json.dumps(values) if self._as_json else told
        with self._lock:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


def named(address: object) -> str:
    """Write an address as a person does."""
    if isinstance(address, tuple):
        host, port = address[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return str(address) or "a client"


def target(options: argparse.Namespace) -> tuple[socket.AddressFamily, tuple[object, ...] | str]:
    """Give the family and the first address that the options mean."""
    if options.unix:
        return socket.AF_UNIX, options.unix
    kind = socket.SOCK_DGRAM if options.udp else socket.SOCK_STREAM
    try:
        family, _, _, _, address = socket.getaddrinfo(options.host, options.port, type=kind)[0]
    except socket.gaierror as error:
        error.address = options.host  # type: ignore[attr-defined]
        raise
    return family, address


@contextlib.contextmanager
def about(address: object) -> Iterator[None]:
    """Let an error that names no address name this one."""
    try:
        yield
    except OSError as error:
        if not getattr(error, "address", None):
            error.address = named(address)  # type: ignore[attr-defined]
        raise


def serve(options: argparse.Namespace, tell: Teller) -> int:
    """Echo until the count is full or Ctrl-C."""
    family, address = target(options)
    kind = socket.SOCK_DGRAM if options.udp else socket.SOCK_STREAM
    with socket.socket(family, kind) as sock, contextlib.ExitStack() as stack:
        if not options.udp:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with about(address):
            sock.bind(address)
        if options.unix:
            stack.callback(unlink, Path(options.unix), Path(options.unix).stat().st_ino)
        where = sock.getsockname()
        if options.udp:
            tell(f"listening on {named(where)} (udp)", event="listening", address=where)
            return datagrams(sock, options.count, tell)
        sock.listen()
        tell(f"listening on {named(where)}", event="listening", address=where)
        return streams(sock, options.count, tell)


def unlink(path: Path, inode: int) -> None:
    """Take our own socket out of the file system, not what somebody has put there since."""
    with contextlib.suppress(FileNotFoundError):
        found = path.lstat()
        if stat.S_ISSOCK(found.st_mode) and found.st_ino == inode:
            path.unlink()


def datagrams(sock: socket.socket, count: int | None, tell: Teller) -> int:
    """Send each datagram back to where it came from."""
    served = 0
    while count is None or served < count:
        data, peer = sock.recvfrom(65536)
        sock.sendto(data, peer)
        served += 1
        tell(f"{named(peer)}: {len(data)} bytes", event="echoed", peer=peer, bytes=len(data))
    return 0


def streams(listener: socket.socket, count: int | None, tell: Teller) -> int:
    """Serve each client on a thread of its own, so that a silent one holds up nobody."""
    places = threading.BoundedSemaphore(CLIENTS)
    threads: list[threading.Thread] = []

    def client(sock: socket.socket, peer: object) -> None:
        echoed = 0
        try:
            with sock:
                while data := sock.recv(65536):
                    sock.sendall(data)
                    echoed += len(data)
            tell(f"{named(peer)}: closed after {echoed} bytes", event="closed", peer=peer, bytes=echoed)
        except OSError as error:
            text = f"{named(peer)}: {error} after {echoed} bytes"
            tell(text, event="failed", peer=peer, bytes=echoed, error=str(error), errno=error.errno)
        finally:
            places.release()

    served = 0
    while count is None or served < count:
        places.acquire()
        sock, peer = listener.accept()
        served += 1
        tell(f"{named(peer)}: connected", event="connected", peer=peer)
        thread = threading.Thread(target=client, args=(sock, peer), daemon=True)
        thread.start()
        if count is not None:
            threads.append(thread)
    for thread in threads:
        thread.join()
    return 0


def send(options: argparse.Namespace, tell: Teller) -> int:
    """Send the message, and compare what comes back."""
    family, address = target(options)
    message = options.message.encode(errors="surrogateescape")
    kind = socket.SOCK_DGRAM if options.udp else socket.SOCK_STREAM
    with socket.socket(family, kind) as sock, about(address):
        sock.settimeout(options.timeout)
        began = time.monotonic()
        sock.connect(address)
        if options.udp:
            sock.send(message)
            got = sock.recv(65536)
        else:
            sock.sendall(message)
            sock.shutdown(socket.SHUT_WR)
            got = b"".join(iter(lambda: sock.recv(65536), b""))
        took = time.monotonic() - began
    same = got == message
    text = got.decode(errors="backslashreplace")
    shown = "".join(char if char.isprintable() or char in "\t\n" else repr(char)[1:-1] for char in text)
    tell(
        shown if same else f"the echo differs: {len(got)} of {len(message)} bytes came back: {shown}",
        event="echo",
        peer=address,
        bytes=len(got),
        same=same,
        seconds=round(took, 6),
        text=text,
    )
    return 0 if same else 1
