"""The floor that no binding can go below: the same system calls in loops of C, on descriptors of this process."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from benches.harness import Missing

__all__ = ["Limits", "limits"]

SOURCE = Path(__file__).with_name("limits.c")


class Limits:
    """The functions of limits.c; each raises the OSError that ended its loop."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library

    def send_recv(self, left: int, right: int, *, size: int, room: int, times: int) -> None:
        """Send and receive `size` bytes between two descriptors, so many times."""
        self._done(self._library.send_recv(left, right, ctypes.c_size_t(size), ctypes.c_size_t(room), times))

    def send_batch(self, descriptor: int, *, count: int, size: int) -> None:
        """Send `count` datagrams to the connected peer by sendmmsg(2)."""
        self._done(self._library.send_batch(descriptor, count, ctypes.c_size_t(size)))

    def recv_batch(self, descriptor: int, *, count: int, size: int) -> None:
        """Receive `count` datagrams and their senders by recvmmsg(2)."""
        self._done(self._library.recv_batch(descriptor, count, ctypes.c_size_t(size)))

    def send_segments(self, descriptor: int, data: bytes, segment: int) -> None:
        """Send one buffer that the kernel cuts (UDP_SEGMENT, udp(7))."""
        size = ctypes.c_size_t(len(data))
        self._done(self._library.send_segments(descriptor, data, size, ctypes.c_uint16(segment)))

    def recv_joined(self, descriptor: int, *, count: int, total: int) -> None:
        """Receive datagrams that the kernel joined (UDP_GRO) until they are `total` bytes."""
        self._done(self._library.recv_joined(descriptor, count, ctypes.c_size_t(total)))

    def send_pieces(self, descriptor: int, *, count: int, segment: int) -> None:
        """Send one buffer that the kernel cuts, from `count` places in memory."""
        self._done(self._library.send_pieces(descriptor, count, ctypes.c_uint16(segment)))

    @staticmethod
    def _done(errno: int) -> None:
        if errno:
            raise OSError(errno, os.strerror(errno))


@cache
def limits() -> Limits | Missing:
    """Compile the loops, once a process; say why where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return Missing("a C compiler (cc) is not installed")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "limits.so"
        command = [compiler, "-O2", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", str(library), str(SOURCE)]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        if built.returncode:
            return Missing(f"limits.c does not compile here: {built.stderr.strip().splitlines()[-1]}")
        return Limits(ctypes.CDLL(str(library)))
