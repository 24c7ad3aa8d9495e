"""TLS: what a server proves itself with."""

from __future__ import annotations

import ssl

from ml_logger.errors import InvalidSetting


def context(certificate: str, key: str) -> ssl.SSLContext:
    """Return the context of a server, from its certificate (with those between it and the root) and its private key.

    Raises:
        InvalidSetting: a file that cannot be read, is no certificate or key, or a key of another certificate.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    for flag, path in (("--tls-cert", certificate), ("--tls-key", key)):
        try:
            with open(path, "rb"):
                pass
        except OSError as error:
            raise InvalidSetting(f"{flag} {path} cannot be read: {error.strerror}") from None
    try:
        made.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        why = getattr(error, "reason", None) or "no certificate and key in PEM format"
        raise InvalidSetting(
            f"--tls-cert {certificate} and --tls-key {key} cannot be used: {str(why).replace('_', ' ').lower()}; pass "
            "the certificate and the key that belongs to it, without a password, in PEM format"
        ) from None
    return made


def _no_password() -> str:
    return ""  # else OpenSSL asks at the terminal, and a service waits for ever
