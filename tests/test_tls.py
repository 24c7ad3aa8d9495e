"""TLS: the server proves who it is, and the client believes nobody else."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest
import requests

from ml_logger import ML_Logger, tokens
from ml_logger.errors import InvalidSetting, ServerUnavailable
from ml_logger.testing import Server
from ml_logger.transport import protocol
from tests import programs
from tests.test_server import refused

# Made by OpenSSL's command and not by a library: the one that could, cryptography, is large, and used by nothing else
# here. Where Python has TLS the command mostly is, too.
pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed: no certificates")


class Authority:
    """Somebody who signs certificates, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.certificate = folder / "ca.pem"
        usage = ("-addext", "keyUsage=critical,keyCertSign")  # which Python 3.13 asks for
        self._openssl("req", "-x509", *self._new("ca"), "-out", "ca.pem", "-subj", "/CN=a test authority", *usage)

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.folder, capture_output=True, timeout=programs.PATIENCE, check=True)

    def _new(self, name: str) -> tuple[str, ...]:
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key")

    def sign(self, name: str, alternative: str, days: int = 2) -> tuple[str, ...]:
        """Make a certificate for some names, and return the flags of a server that has it."""
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(
            f"subjectAltName={alternative}\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
            "extendedKeyUsage=serverAuth\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        )
        self._openssl("req", "-new", *self._new(name), "-out", f"{name}.csr", "-subj", f"/CN={name}")
        self._openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", "2"),
            *("-out", f"{name}.pem", "-days", str(days), "-extfile", extensions.name),
        )
        return "--tls-cert", str(self.folder / f"{name}.pem"), "--tls-key", str(self.folder / f"{name}.key")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Somebody who signs certificates, whom nobody knows."""
    return Authority(tmp_path_factory.mktemp("tls") / "ca")


@pytest.fixture(scope="module")
def flags(authority: Authority) -> tuple[str, ...]:
    """The flags of a server with a certificate for this machine."""
    return authority.sign("here", "IP:127.0.0.1,DNS:localhost")


@pytest.fixture
def secure(tmp_path: Path, flags: tuple[str, ...]) -> Iterator[Server]:
    """A server that speaks HTTPS."""
    server = Server(tmp_path / "secure", options=flags)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that know who signed the server's certificate."""
    monkeypatch.setenv("ML_LOGGER_CA_BUNDLE", str(authority.certificate))


def test_all_of_it_over_tls(
    secure: Server,
    trusted: None,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Rows, pictures, large files, reading back, and a token, as over plain HTTP; the server ends as cleanly."""
    secret = tokens.add(tokens.path_in(secure.data_dir), "me")
    monkeypatch.setenv("ML_LOGGER_ACCESS_TOKEN", secret)
    assert secure.url.startswith("https://127.0.0.1:")
    big = np.random.default_rng(0).bytes(9_000_000)
    with ML_Logger(root=secure.url, prefix="run", silent=True) as logger:
        for n in range(500):
            logger.log(n, value=n)
        logger.log_image(0, sample=np.zeros((8, 8)))
        logger.log_text("x" * 300_000, "text.txt", overwrite=True)
        logger.upload_buffer(big, "big.bin")
        assert [row["value"] for row in logger.load_pkl("metrics.pkl") or []] == list(range(500))
        assert logger.load_file("big.bin") == big
        assert len(logger.load_text("text.txt")) == 300_000
        assert logger.glob("**/*.png") == ["images/sample/0000.png"]
    assert (secure.data_dir / "run" / "big.bin").read_bytes() == big
    assert requests.get(secure.url + protocol.ENTRIES, verify=str(authority.certificate), timeout=30).status_code == 401
    assert secure.stop() == 0
    assert (secure.log.read_text(), capfd.readouterr().err) == ("", "")


def test_an_unknown_signature_is_not_believed(
    secure: Server, authority: Authority, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without the authority nothing is sent or read, why is said once, and the next program that knows it sends all."""
    with ML_Logger(root=secure.url, prefix="run", silent=True) as logger:
        logger.log(0, value=7, flush=True)
        with pytest.raises(ServerUnavailable, match=r"not trusted \(.*\): name what to trust in ML_LOGGER_CA_BUNDLE"):
            logger._store.stat("a")
        programs.wait_until(lambda: "ML_LOGGER_CA_BUNDLE" in (logger.health().error or ""))
        logger.close(timeout=0.1)
    said = capfd.readouterr().err
    assert "certificate is not trusted" in said and "not sent yet: 1 record" in said
    assert not (secure.data_dir / "run").exists()
    monkeypatch.setenv("ML_LOGGER_CA_BUNDLE", str(authority.certificate))
    assert programs.push(secure.url).returncode == 0
    assert [row["value"] for row in programs.rows(secure.url, "run")] == [7]


@pytest.mark.parametrize(("name", "alternative"), [("elsewhere", "DNS:elsewhere"), ("there", "IP:127.0.0.2")])
def test_a_certificate_of_somebody_else_is_not_believed(
    name: str, alternative: str, authority: Authority, trusted: None, tmp_path: Path
) -> None:
    """A certificate that is signed well and is for another host proves nothing: no read and no batch gets through."""
    server = Server(tmp_path / "data", options=authority.sign(name, alternative))
    server.start()
    try:
        with ML_Logger(root=server.url, prefix="run", silent=True) as logger:
            logger.log(0, value=7, flush=True)
            programs.wait_until(lambda: "not trusted" in (logger.health().error or ""))
            with pytest.raises(ServerUnavailable, match="not trusted") as raised:
                logger._store.stat("a")
            assert "ML_LOGGER_CA_BUNDLE" not in str(raised.value)  # it would not help
            logger.close(timeout=0.1)
        assert not (server.data_dir / "run").exists()
    finally:
        server.stop()


def test_the_recipe_of_the_docs_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that is made as the docs say is one that a client can be told to trust."""
    page = (Path(__file__).parents[1] / "docs" / "server.rst").read_text(encoding="utf-8")
    recipe = page[page.index("    openssl req") :].partition("\n\n")[0].replace("\\\n", " ")
    words = recipe.replace("DNS:collector", "IP:127.0.0.1").split()
    subprocess.run(words, cwd=tmp_path, capture_output=True, timeout=programs.PATIENCE, check=True)
    files = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    server = Server(tmp_path / "data", options=("--tls-cert", files[0], "--tls-key", files[1]))
    server.start()
    monkeypatch.setenv("ML_LOGGER_CA_BUNDLE", files[0])
    try:
        with ML_Logger(root=server.url, prefix="run", silent=True) as logger:
            logger.log(0, value=7, flush=True)
            assert [row["value"] for row in logger.load_pkl("metrics.pkl") or []] == [7]
    finally:
        server.stop()


def test_what_is_no_tls_disturbs_nobody(secure: Server, trusted: None) -> None:
    """Plain HTTP, noise, handshakes that never end, old versions: none is served, all else goes on, no log fills."""
    head = f"GET {protocol.HEALTH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    for noise in (head, b"\x16\x03\x01" + b"\xff" * 100, b"\0" * 5000):
        with socket.create_connection(("127.0.0.1", secure.port), timeout=30) as connection:
            connection.sendall(noise)
            try:
                answer = connection.recv(1000)
            except ConnectionResetError:
                answer = b""
            assert b"HTTP/1.1 200" not in answer
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", secure.port), timeout=30) as connection, pytest.raises(OSError):
        old.wrap_socket(connection)
    stalled = [socket.create_connection(("127.0.0.1", secure.port), timeout=30) for _ in range(50)]
    try:
        with ML_Logger(root=secure.url, prefix="run", silent=True) as logger:
            logger.log(0, value=7, flush=True)
            assert len(logger.load_pkl("metrics.pkl") or []) == 1
        assert secure.stop() == 0
    finally:
        for connection in stalled:
            connection.close()
    assert secure.log.read_text() == ""


def test_what_a_server_cannot_prove_itself_with_is_said(
    authority: Authority, flags: tuple[str, ...], tmp_path: Path
) -> None:
    """Half of it, files that are not there or are no PEM, a key with a password or of another: each in a sentence."""
    _, certificate, _, key = flags
    (tmp_path / "noise").write_text("no PEM")
    locked, other = tmp_path / "locked.key", authority.folder / "ca.key"
    words = ["openssl", "pkcs8", "-topk8", "-in", key, "-out", str(locked), "-passout", "pass:hush-hush"]
    subprocess.run(words, capture_output=True, timeout=programs.PATIENCE, check=True)
    where = ("--data-dir", tmp_path / "d", "--port", 0)

    assert "belong together" in refused(*where, "--tls-cert", certificate)
    assert "belong together" in refused(*where, "--tls-key", key)
    assert "none.pem cannot be read: No such file" in refused(*where, "--tls-cert", "none.pem", "--tls-key", key)
    for bad in (("--tls-cert", tmp_path / "noise", "--tls-key", key), (*flags[:3], tmp_path / "noise")):
        assert "cannot be used" in refused(*where, *bad)
    assert "key values mismatch" in refused(*where, *flags[:3], other)
    assert "without a password" in refused(*where, *flags[:3], locked)
    assert not (tmp_path / "d").exists()


def test_what_a_client_cannot_trust_by_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle that is not there, or holds no certificate, is told where the program is configured."""
    (tmp_path / "noise").write_text("no PEM")
    for path, says in ((tmp_path / "none", "No such file"), (tmp_path / "noise", "holds no certificate")):
        monkeypatch.setenv("ML_LOGGER_CA_BUNDLE", str(path))
        with pytest.raises(InvalidSetting, match=f"ML_LOGGER_CA_BUNDLE={path} cannot be used: .*{says}"):
            ML_Logger(root="https://127.0.0.1:9", prefix="run")


def test_an_open_host_tells_clients_the_secure_address(flags: tuple[str, ...], tmp_path: Path) -> None:
    """The line for clients, that a first start prints, has the scheme that the server speaks."""
    server = Server(tmp_path / "d", options=("--host", "127.1", *flags))
    server.start()
    assert server._process is not None and server._process.stdout is not None
    printed = iter(server._process.stdout.readline, "")
    lines = [*takewhile(lambda line: not line.startswith("or set"), printed)]
    server.stop()

    assert any(f'log_directory="https://127.0.0.1:{server.port}", access_token="mll_' in line for line in lines)
