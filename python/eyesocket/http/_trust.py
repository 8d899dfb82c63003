"""Whom TLS trusts and what it shows: `verify=` and `cert=`, made into what the native client takes.

Of an `ssl.SSLContext` all that can be read is honoured: its authorities, `verify_mode`, `check_hostname`, the versions
of TLS, the cipher suites, `keylog_filename`. What it asks for and cannot be done here is refused. A client's
certificate that was loaded into a context cannot be read back, so it is given as `cert=`; HTTP/1.1 is the only protocol
that ALPN offers.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import Any, NoReturn

__all__ = ["identity", "trust"]


Verify = bytes | list[bytes] | bool | None
Policy = tuple[bool, bool, bool, list[int], str | None]


def trust(verify: object) -> tuple[Verify, Policy | None]:
    """Give the authorities and the policy that `verify` stands for."""
    if isinstance(verify, bool):
        return (None if verify else False), None
    if hasattr(verify, "get_ca_certs"):
        context: Any = verify
        return _context(context)
    return _file(verify), None


def _context(context: ssl.SSLContext) -> tuple[Verify, Policy]:
    import ssl

    for method in ("wrap_socket", "wrap_bio"):
        if getattr(type(context), method) is not getattr(ssl.SSLContext, method):
            _refuse(
                f"{type(context).__name__} makes its own connections; for this platform's authorities use verify=True"
            )
    if context.protocol == ssl.PROTOCOL_TLS_SERVER:
        _refuse("a server's context; a client's is ssl.create_default_context() or PROTOCOL_TLS_CLIENT")
    if context.verify_flags & (ssl.VERIFY_CRL_CHECK_LEAF | ssl.VERIFY_CRL_CHECK_CHAIN):
        _refuse("it asks for revocation lists (VERIFY_CRL_CHECK_...), which cannot be read from a context")
    if context.security_level > 2:
        _refuse(f"security level {context.security_level}; this TLS has what OpenSSL calls level 2")
    if context.post_handshake_auth:
        _refuse("post_handshake_auth is not spoken here")
    policy = _policy(context)
    if context.verify_mode == ssl.CERT_NONE:
        return False, policy
    authorities = list(context.get_ca_certs(binary_form=True))
    if not authorities:
        _refuse(
            "the context lists no authority (those of a directory are looked up late and cannot be read); "
            "for this platform's use verify=True, else load a file: create_default_context(cafile=...)"
        )
    return authorities, policy


def _policy(context: ssl.SSLContext) -> Policy:
    import ssl

    lowest, highest = context.minimum_version, context.maximum_version

    def allowed(version: ssl.TLSVersion, option: ssl.Options) -> bool:
        above = lowest in (ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.MAXIMUM_SUPPORTED) or lowest <= version
        if lowest == ssl.TLSVersion.MAXIMUM_SUPPORTED:
            above = version == ssl.TLSVersion.TLSv1_3
        below = highest == ssl.TLSVersion.MAXIMUM_SUPPORTED or highest >= version
        return above and below and not context.options & option

    older = allowed(ssl.TLSVersion.TLSv1_2, ssl.OP_NO_TLSv1_2)
    newer = allowed(ssl.TLSVersion.TLSv1_3, ssl.OP_NO_TLSv1_3)
    if not (older or newer):
        _refuse("it allows neither TLS 1.2 nor TLS 1.3; older ones are not spoken here")
    suites = [cipher["id"] & 0xFFFF for cipher in context.get_ciphers()]
    return context.check_hostname, older, newer, suites, context.keylog_filename


def identity(cert: object) -> tuple[bytes, bytes] | None:
    """Give the chain and the key of `cert`: a file with both, or two files."""
    if cert is None:
        return None
    if isinstance(cert, tuple):
        if len(cert) == 3 and cert[2] is not None:
            message = "cert: a key with a password is not read; take it off: openssl pkey -in KEY -out PLAIN"
            raise ValueError(message)
        return _file(cert[0]), _file(cert[1] or cert[0])
    both = _file(cert)
    return both, both


def _file(path: object) -> bytes:
    with open(path, "rb") as file:  # type: ignore[call-overload]  # noqa: PTH123 - any path-like, bytes too
        content: bytes = file.read()
    return content


def _refuse(reason: str) -> NoReturn:
    message = f"verify: {reason}"
    raise ValueError(message)
