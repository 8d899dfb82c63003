"""Whom TLS believes: certificates made here, good and bad in each way that badssl.com shows."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
import threading
import warnings

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from eyesocket import errors, http

DAY = datetime.timedelta(days=1)


@pytest.fixture
def serve():
    """serve(FILE) gives the port of a TLS server with that certificate; it answers every request with `hello`."""
    listeners = []
    threads = []

    def start(file, *, client_authority=None, goodbye=True, tune=None, body=b"Content-Length: 5\r\n\r\nhello"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # Old keys are what some of these tests offer.
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.load_cert_chain(file)
        if client_authority:
            context.load_verify_locations(client_authority)
            context.verify_mode = ssl.CERT_REQUIRED
        if tune:
            tune(context)
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def accept():
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                try:
                    with plain, context.wrap_socket(plain, server_side=True) as connection:
                        while True:
                            data = b""
                            while b"\r\n\r\n" not in data:
                                piece = connection.recv(4096)
                                if not piece:
                                    break
                                data += piece
                            if not data:
                                break
                            connection.sendall(b"HTTP/1.1 200 OK\r\n" + body)
                            if b"Length" not in body:
                                if goodbye:
                                    connection.unwrap()
                                break
                except OSError:
                    pass

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        threads.append(thread)
        return listener.getsockname()[1]

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join(5)


def test_a_good_certificate(authority, serve):
    port = serve(authority.issue())
    for host in ("localhost", "127.0.0.1"):
        response = http.get(f"https://{host}:{port}/", verify=str(authority.file))
        assert response.content == b"hello"
        assert response.timings.connect < response.timings.tls < response.timings.sent


def test_awaited_and_kept_alive(authority, serve):
    port = serve(authority.issue())

    async def thrice():
        async with http.AsyncClient(verify=authority.file) as client:
            return [(await client.get(f"https://localhost:{port}/")).timings.reused for _ in range(3)]

    assert asyncio.run(thrice()) == [False, True, True]


def test_a_context_brings_its_authorities(authority, serve):
    context = ssl.create_default_context(cafile=authority.file)
    assert http.get(f"https://localhost:{serve(authority.issue())}/", verify=context).content == b"hello"


BAD = {
    "expired": ({"begins": -3 * DAY, "ends": -DAY}, "localhost", "expired"),
    "not yet valid": ({"begins": DAY, "ends": 2 * DAY}, "localhost", "not valid yet|NotValidYet"),
    "wrong host": ({"names": ["other.example"], "addresses": []}, "localhost", "not valid for name"),
    "wrong address": ({"addresses": ["127.0.0.2"]}, "127.0.0.1", "not valid for name"),
    "address only in a name": ({"names": ["127.0.0.1.example"], "addresses": []}, "127.0.0.1", "not valid for name"),
    "self-signed": ({"own": True}, "localhost", "UnknownIssuer"),
    "no SAN": ({"names": [], "addresses": []}, "localhost", "not valid for name|NotValidForName"),
    "for clients": ({"usage": ExtendedKeyUsageOID.CLIENT_AUTH}, "localhost", "(?i)purpose|usage"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_certificate(authority, serve, case):
    options, host, reason = BAD[case]
    port = serve(authority.issue(**options))
    with pytest.raises(errors.TLSError, match=reason) as caught:
        http.get(f"https://{host}:{port}/", verify=str(authority.file))
    assert caught.value.address == f"{host}:{port}"
    assert isinstance(caught.value, ConnectionError)
    with pytest.raises(errors.TLSError, match=reason):
        asyncio.run(http.aget(f"https://{host}:{port}/", verify=str(authority.file)))


def test_an_untrusted_authority(authority, serve, tmp_path):
    port = serve(type(authority)(tmp_path, "other").issue())
    with pytest.raises(errors.TLSError, match="UnknownIssuer"):
        http.get(f"https://localhost:{port}/", verify=str(authority.file))
    with pytest.raises(errors.TLSError, match="UnknownIssuer"):
        asyncio.run(http.aget(f"https://localhost:{port}/", verify=str(authority.file)))


def test_a_weak_key(authority, serve):
    port = serve(authority.issue(key=rsa.generate_private_key(65537, 1024)))
    with pytest.raises(errors.TLSError):
        http.get(f"https://localhost:{port}/", verify=str(authority.file))
    with pytest.raises(errors.TLSError):
        asyncio.run(http.aget(f"https://localhost:{port}/", verify=str(authority.file)))


def test_an_old_protocol(authority, serve):
    def old(context):
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with warnings.catch_warnings(action="ignore"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1

    port = serve(authority.issue(), tune=old)
    with pytest.raises(errors.TLSError):
        http.get(f"https://localhost:{port}/", verify=str(authority.file))


def test_unverified_is_one_clients_choice(authority, serve):
    port = serve(authority.issue(own=True))
    with http.Client(verify=False) as careless:
        assert careless.get(f"https://localhost:{port}/").content == b"hello"
    with http.Client(verify=str(authority.file)) as careful, pytest.raises(errors.TLSError):
        careful.get(f"https://localhost:{port}/")


def test_the_clients_own_certificate(authority, serve):
    port = serve(authority.issue(), client_authority=authority.file)
    own = str(authority.issue(names=["me"], addresses=[], usage=ExtendedKeyUsageOID.CLIENT_AUTH))
    assert http.get(f"https://localhost:{port}/", verify=str(authority.file), cert=own).content == b"hello"
    with pytest.raises(OSError):  # noqa: PT011 - the alert, or the reset that overtakes it
        http.get(f"https://localhost:{port}/", verify=str(authority.file))


def test_a_stream_cut_without_goodbye_is_truncated(authority, serve):
    port = serve(authority.issue(), goodbye=True, body=b"\r\nwhole")
    assert http.get(f"https://localhost:{port}/", verify=str(authority.file)).content == b"whole"
    port = serve(authority.issue(), goodbye=False, body=b"\r\nhalf")
    with pytest.raises(errors.TruncatedError) as caught:
        http.get(f"https://localhost:{port}/", verify=str(authority.file))
    assert caught.value.partial == b"half"


def test_something_else_than_tls(script):
    script.play(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    # The scripted server waits for a request that never comes; TLS speaks first, so it never answers.
    with pytest.raises((errors.TLSError, TimeoutError)):
        http.get(f"https://127.0.0.1:{script.port}/", timeout=0.5)


@pytest.mark.parametrize(
    "text", [b"", b"no certificate\n", b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"]
)
def test_a_file_without_authorities(tmp_path, text):
    file = tmp_path / "authority.pem"
    file.write_bytes(text)
    with pytest.raises(ValueError, match="verify"):
        http.get("https://127.0.0.1:1/", verify=str(file))


# what of an ssl.SSLContext holds


def test_a_context_may_leave_names_alone_and_still_want_the_authority(authority, serve, tmp_path):
    context = ssl.create_default_context(cafile=authority.file)
    context.check_hostname = False
    port = serve(authority.issue(names=["other.example"], addresses=[]))
    assert http.get(f"https://localhost:{port}/", verify=context).content == b"hello"
    for bad in (type(authority)(tmp_path, "other").issue(), authority.issue(begins=-3 * DAY, ends=-DAY)):
        with pytest.raises(errors.TLSError, match=r"UnknownIssuer|expired"):
            http.get(f"https://localhost:{serve(bad)}/", verify=context)


def test_a_context_may_verify_nothing(authority, serve):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    assert http.get(f"https://localhost:{serve(authority.issue(own=True))}/", verify=context).content == b"hello"


@pytest.mark.parametrize(
    ("versions", "spoken"),
    [
        ({"minimum_version": ssl.TLSVersion.TLSv1_3}, ssl.TLSVersion.TLSv1_3),
        ({"maximum_version": ssl.TLSVersion.TLSv1_2}, ssl.TLSVersion.TLSv1_2),
        ({"options": ssl.OP_NO_TLSv1_3}, ssl.TLSVersion.TLSv1_2),
        ({"options": ssl.OP_NO_TLSv1_2}, ssl.TLSVersion.TLSv1_3),
    ],
)
def test_a_context_says_which_versions(authority, serve, versions, spoken):
    context = ssl.create_default_context(cafile=authority.file)
    with warnings.catch_warnings(action="ignore"):
        for attribute, value in versions.items():
            setattr(context, attribute, value | context.options if attribute == "options" else value)

    def only(version):
        def tune(server):
            server.minimum_version = server.maximum_version = version

        return serve(authority.issue(), tune=tune)

    both = {ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3}
    assert http.get(f"https://localhost:{only(spoken)}/", verify=context).content == b"hello"
    with pytest.raises(errors.TLSError):
        http.get(f"https://localhost:{only((both - {spoken}).pop())}/", verify=context)


def test_a_context_says_which_ciphers(authority, serve):
    context = ssl.create_default_context(cafile=authority.file)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    used = []

    def only(server, ciphers):
        server.set_ciphers(ciphers)
        server.sni_callback = lambda connection, name, _context: used.append((name, connection.version()))

    good = serve(authority.issue(), tune=lambda server: only(server, "ECDHE-ECDSA-AES128-GCM-SHA256"))
    bad = serve(authority.issue(), tune=lambda server: only(server, "ECDHE-ECDSA-AES256-GCM-SHA384"))
    assert http.get(f"https://localhost:{good}/", verify=context).content == b"hello"
    assert used[0][0] == "localhost"
    with pytest.raises(errors.TLSError):
        http.get(f"https://localhost:{bad}/", verify=context)


def test_a_context_says_where_secrets_are_written(authority, serve, tmp_path):
    context = ssl.create_default_context(cafile=authority.file)
    context.keylog_filename = str(tmp_path / "keys")
    http.get(f"https://localhost:{serve(authority.issue())}/", verify=context)
    labels = {line.split()[0] for line in (tmp_path / "keys").read_text().splitlines() if not line.startswith("#")}
    assert "CLIENT_TRAFFIC_SECRET_0" in labels


class Elsewhere(ssl.SSLContext):
    def wrap_bio(self, *words, **options):
        raise NotImplementedError


def revocations(context):
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def afterwards(context):
    context.post_handshake_auth = True


def old(context):
    with warnings.catch_warnings(action="ignore"):
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = ssl.TLSVersion.TLSv1_1


def strong(context):
    context.set_ciphers("DEFAULT:@SECLEVEL=3")


@pytest.mark.parametrize(
    ("kind", "protocol", "tune", "reason"),
    [
        (Elsewhere, ssl.PROTOCOL_TLS_CLIENT, None, "its own connections"),
        (ssl.SSLContext, ssl.PROTOCOL_TLS_SERVER, None, "server's context"),
        (ssl.SSLContext, ssl.PROTOCOL_TLS_CLIENT, revocations, "revocation"),
        (ssl.SSLContext, ssl.PROTOCOL_TLS_CLIENT, afterwards, "post_handshake_auth"),
        (ssl.SSLContext, ssl.PROTOCOL_TLS_CLIENT, old, r"neither TLS 1\.2"),
        (ssl.SSLContext, ssl.PROTOCOL_TLS_CLIENT, strong, "security level 3"),
        (ssl.SSLContext, ssl.PROTOCOL_TLS_CLIENT, None, "lists no authority"),
    ],
)
def test_what_a_context_wants_and_is_not_done_is_refused(kind, protocol, tune, reason):
    context = kind(protocol)
    if tune is not None:
        tune(context)
    with pytest.raises(ValueError, match=reason):
        http.Client(verify=context)


def test_a_key_with_a_password_is_refused(authority):
    file = str(authority.issue())
    with pytest.raises(ValueError, match="openssl pkey"):
        http.Client(cert=(file, file, "secret"))
