"""A server that says what a test tells it to, byte for byte; a certificate authority of our own."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


class Script:
    """Plays one reply (or function of connection) a connection and keeps what it was told.

    A reply is bytes, sent after a whole request head (and its Content-Length) came; `None` closes at once. After the
    last reply of a connection the connection is closed, unless `stay` is set.
    """

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.requests: list[bytes] = []
        self.connections = 0
        self.plays: list[list[bytes | Callable[[socket.socket], None] | None]] = []
        self.stay = False
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def note(self, tag: str, total: str = "", path: str = "/") -> str:
        """Give what a download of `path` notes beside what it leaves."""
        return f"{tag}\n{total}\n{hashlib.sha256(self.url(path).encode()).hexdigest()}\n"

    def play(self, *replies: bytes | Callable[[socket.socket], None] | None) -> str:
        """Queue the replies of the next connection, and give the URL."""
        self.plays.append(list(replies))
        return self.url()

    def serve(self) -> None:
        while not self.over.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            replies = self.plays.pop(0) if self.plays else []
            threading.Thread(target=self.speak, args=(connection, replies), daemon=True).start()

    def speak(self, connection: socket.socket, replies: list[bytes | Callable[[socket.socket], None] | None]) -> None:
        with connection:
            try:
                for reply in replies:
                    request = read_request(connection)
                    if request is None:
                        return
                    self.requests.append(request)
                    if reply is None:
                        return
                    if callable(reply):
                        reply(connection)
                    else:
                        connection.sendall(reply)
                if self.stay:
                    connection.recv(1)
            except OSError:
                pass

    def close(self) -> None:
        self.over.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)


def read_request(connection: socket.socket) -> bytes | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    chunked = b"\r\ntransfer-encoding: chunked" in head.lower()
    while (len(body) < length) or (chunked and not body.endswith(b"0\r\n\r\n")):
        piece = connection.recv(65536)
        if not piece:
            break
        body += piece
    return head + b"\r\n\r\n" + body


@pytest.fixture
def script() -> Iterator[Script]:
    made = Script()
    yield made
    made.close()


NOW = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
DAY = datetime.timedelta(days=1)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    def __init__(self, folder, label):
        self.folder, self.label = folder, label
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name(label))
            .issuer_name(name(label))
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - DAY)
            .not_valid_after(NOW + DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.file = folder / f"{label}.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        *,
        names=("localhost",),
        addresses=("127.0.0.1",),
        begins=-DAY,
        ends=DAY,
        key=None,
        own=False,
        usage=ExtendedKeyUsageOID.SERVER_AUTH,
    ):
        """A file with a certificate and its key."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = name(names[0] if names else "localhost")
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if own else self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + begins)
            .not_valid_after(NOW + ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        )
        alternatives = [x509.DNSName(one) for one in names]
        alternatives += [x509.IPAddress(ipaddress.ip_address(one)) for one in addresses]
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        certificate = builder.sign(key if own else self.key, hashes.SHA256())
        file = self.folder / f"{x509.random_serial_number()}.pem"
        file.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return file


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"), "authority")
