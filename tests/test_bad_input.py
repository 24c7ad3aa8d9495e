"""Bad input: each gets an error that says what is wrong, where, and what to do; nothing logged before is lost by it."""

from __future__ import annotations

import argparse
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_logger import ML_Logger, config, errors
from ml_logger.testing import Server
from tests import programs
from tests.wire import answering

Call = Callable[[ML_Logger], Any]

BAD_CALLS: dict[str, tuple[Call, type[Exception], str]] = {
    "key with ..": (
        lambda log: log.log_text("x", "../out.txt"),
        errors.InvalidKey,
        r"'\.\./|'me/run/\.\./out.txt'.*'\.\.'",
    ),
    "key with NUL": (lambda log: log.log_text("x", "a\0b"), errors.InvalidKey, r"control character '\\x00'"),
    "key with an empty part": (lambda log: log.log_text("x", "a//b"), errors.InvalidKey, "empty part"),
    "key of 5,000 characters": (
        lambda log: log.log_text("x", "k" * 5000),
        errors.InvalidKey,
        "5,007 bytes, more than 1,024",
    ),
    "key of a Windows path": (lambda log: log.log_text("x", "a\\b"), errors.InvalidKey, "backslash.*'/'"),
    "key of the host": (lambda log: log.load_file("//etc/passwd"), errors.InvalidKey, "'//'"),
    "key of our own": (lambda log: log.log_text("x", "/.ml_logger/catalog.db"), errors.InvalidKey, "reserved"),
    "key that is no text": (lambda log: log.log_text("x", 5), (errors.InvalidKey, TypeError), "int"),
    "image of shape (5,)": (lambda log: log.log_image(1, face=np.zeros(5)), errors.InvalidImage, r"face.*\(5,\)"),
    "image of complex": (
        lambda log: log.log_image(1, face=np.zeros((4, 4), complex)),
        errors.InvalidImage,
        "complex128",
    ),
    "image with NaN": (lambda log: log.log_image(1, face=np.full((4, 4), np.nan)), errors.InvalidImage, "(?i)nan"),
    "image beyond [0, 1]": (
        lambda log: log.log_image(1, face=np.full((4, 4), 7.5)),
        errors.InvalidImage,
        "normalize.*7.5",
    ),
    "image without a path": (lambda log: log.log_image(np.zeros((4, 4))), errors.InvalidKey, "needs a path"),
    "metric that is an object": (lambda log: log.log(5, thing=object()), errors.UnsupportedValue, "'thing'.*log_data"),
    "metric that is too large": (
        lambda log: log.log(5, big=np.zeros(2000)),
        errors.UnsupportedValue,
        "'big'.*2,000.*log_data",
    ),
    "metric with a reserved name": (lambda log: log.log(5, {"_step": 3}), errors.InvalidKey, "_step.*first argument"),
    "two metrics of one name": (
        lambda log: log.log(5, {"a/b": 1, "a": {"b": 2}}),
        errors.UnsupportedValue,
        "named 'a/b'.*rename",
    ),
    "metrics within themselves": (lambda log: log.log(5, _endless()), errors.UnsupportedValue, "within itself"),
    "metric named as an option": (lambda log: log.log(5, cache=0.9), errors.UnsupportedValue, "cache=0.9.*in a dict"),
    "metric named end": (lambda log: log.log(5, start=1, end=2), errors.UnsupportedValue, "end=2.*in a dict"),
    "metric named metrics": (lambda log: log.log(5, metrics=0.9), errors.UnsupportedValue, "metrics=.*in a dict"),
    "key and value twice": (lambda log: log.log_key_value("a", 1, key="b"), errors.UnsupportedValue, "each once"),
    "key without a value": (lambda log: log.log_keyvalue(3, "a"), errors.UnsupportedValue, "a key and a value"),
    "rows in a file outside": (lambda log: log.log(5, a=1, file="../x.pkl"), errors.InvalidKey, r"'\.\.'"),
    "rows in a Windows path": (lambda log: log.log_metrics({"a": 1}, file="a\\b.pkl"), errors.InvalidKey, "backslash"),
    "rows in a file within a block": (
        lambda log: log.Prefix("x").__enter__().log(step=5, a=1, file="//x.pkl"),
        errors.InvalidKey,
        "host",
    ),
    "rows in a CSV file": (lambda log: log.log(5, a=1, file="x.csv"), errors.UnsupportedFormat, "x.csv.*jsonl"),
    "pattern to remove": (lambda log: log.remove("x/*"), errors.InvalidKey, r"remove\(\*logger.glob\('x/\*'\)\)"),
    "glob of the host": (lambda log: log.glob("//etc/*"), errors.InvalidKey, "host"),
    "step that is text": (lambda log: log.log(step="five", x=1), errors.UnsupportedValue, "step is a number"),
    "unpicklable object": (
        lambda log: log.log_data({"model": {"lock": threading.Lock()}}),
        errors.UnsupportedValue,
        r"\[.model.\]\[.lock.\].*lock",
    ),
    "parameters with a lock": (
        lambda log: log.log_params(Args={"lr": 1, "lock": threading.Lock()}),
        errors.UnsupportedValue,
        "'Args.lock'.*leave it out",
    ),
    "namespace with a lock": (
        lambda log: log.log_params(Args=argparse.Namespace(lock=threading.Lock())),
        errors.UnsupportedValue,
        "'Args.lock'",
    ),
    "file that is not there": (lambda log: log.log_file("/no/such/file.py"), errors.KeyNotFound, "/no/such/file.py"),
    "file that is a folder": (
        lambda log: log.log_file("/"),
        (errors.UnsupportedValue, errors.InvalidKey),
        "empty|folder|directory",
    ),
    "figure format": (lambda log: log.savefig("a.docx", _figure()), errors.UnsupportedFormat, "docx.*png"),
    "histogram of text": (lambda log: log.log_histogram(1, names=["a", "b"]), Exception, "names"),
    "array of objects": (lambda log: log.load_np("not-there.npy"), errors.KeyNotFound, "not-there.npy"),
    "parameters named silent": (lambda log: log.log_params(silent={"lr": 1}), errors.UnsupportedValue, "silent="),
    "parameters without a name": (lambda log: log.log_params({"lr": 1}), errors.UnsupportedValue, "passed by name"),
    "image and path swapped": (lambda log: log.save_image("a.png", np.zeros((4, 4))), errors.InvalidKey, "not ndarray"),
    "line of an unknown color": (lambda log: log.print("x", color="mauve"), errors.InvalidSetting, "mauve.*green"),
    "image and step swapped": (lambda log: log.log_image(np.zeros((4, 4)), 0), errors.InvalidKey, "needs a path"),
    "metrics that are a number": (
        lambda log: log.log_metrics(15, loss=1),
        errors.UnsupportedValue,
        "a mapping, not 15",
    ),
    "path that is a number": (lambda log: log.load_pkl("metrics.pkl", 0), errors.InvalidKey, "not int"),
    "glob that leaves": (lambda log: log.glob("../*"), errors.InvalidKey, "wd="),
    "two paths": (lambda log: log.log_data(1, 2, 3), errors.UnsupportedValue, "at most one path"),
}


def _endless() -> dict[str, Any]:
    values: dict[str, Any] = {}
    values["within"] = values
    return values


def _figure() -> Any:
    from matplotlib.figure import Figure

    return Figure()


@pytest.mark.parametrize("name", BAD_CALLS)
def test_bad_calls_say_what_is_wrong(logger: ML_Logger, name: str) -> None:
    """The error names the key and what to do, and all that was and will be logged arrives."""
    call, error, says = BAD_CALLS[name]
    logger.log(0, value=0)
    logger.log_text("before\n", "log.txt")
    with pytest.raises(error, match=says) as caught:
        call(logger)
    logger.log(1, value=1)
    logger.log_text("after\n", "log.txt")

    assert isinstance(caught.value, errors.LoggerError | TypeError)
    assert [row["value"] for row in logger.load_pkl("metrics.pkl") or []] == [0, 1]
    assert logger.load_text("log.txt") == "before\nafter\n"
    assert logger.health()[:4] == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("root", "says"),
    [
        ("http://", "names no host"),
        ("https:///path", "names no host"),
        ("http://host:port", "no address"),
        ("http://host:99999", "no address"),
        ("s3://bucket/runs", "scheme 's3'"),
        ("localhost:8081", "write http://localhost:8081"),
        ("ftp://host/", "scheme 'ftp'"),
        ("http://user:secret@host", "must not hold a password"),
        ("http://host/?token=x", "query"),
        ("file://elsewhere/folder", "'elsewhere'"),
        ("", "no log directory"),
        (5, "int"),
    ],
)
def test_roots_that_make_no_sense(root: Any, says: str) -> None:
    """An address without a host, or with a scheme that is not known, is refused when it is configured."""
    with pytest.raises(errors.InvalidRoot, match=says) as caught:
        ML_Logger(root=root)

    assert "secret" not in str(caught.value)


def test_two_roots_are_refused(tmp_path: Path) -> None:
    """Two different roots are a mistake; the same one twice is not."""
    with pytest.raises(TypeError, match="one thing"):
        ML_Logger(root=str(tmp_path), log_directory="/elsewhere")
    with pytest.raises(TypeError):
        ML_Logger(rooot=str(tmp_path))
    ML_Logger(root=str(tmp_path), log_directory=str(tmp_path))


def test_a_folder_that_cannot_be_written_raises_at_the_first_call(tmp_path: Path) -> None:
    """Logging into a folder that cannot be made, or that is a file, raises where it is first tried."""
    (tmp_path / "file").write_text("x")
    for root in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nowhere")):
        logger = ML_Logger(root=root, silent=True)
        with pytest.raises(errors.StorageFailed, match=r"configure another log_directory"):
            logger.log_text("x", "a.txt")


def test_a_disk_that_fills_up_does_not_stop_the_training(tmp_path: Path) -> None:
    """When the disk takes no more in the middle of a local run, the run goes on, is told once, and no row is torn."""
    code = """
        import resource, signal, sys
        from ml_logger import logger
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        logger.configure(root=sys.argv[1], silent=True)
        for n in range(500):
            logger.log(n, value=n, flush=True)
        print(logger.health().dropped)
    """
    done = programs.run(code, tmp_path / "root")
    rows = programs.rows(tmp_path / "root", "")

    assert done.stderr.count("\n") == 1
    assert "being lost" in done.stderr
    assert len(rows) + int(done.stdout) == 500
    assert [row["value"] for row in rows] == list(range(len(rows)))
    assert not (tmp_path / "root" / "metrics.pkl.torn").exists()


def test_something_else_on_the_port_is_no_server(tmp_path: Path) -> None:
    """A port on which something else answers is reported, and the records stay in the spool."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]

        def answer() -> None:
            while True:
                try:
                    client = listener.accept()[0]
                except OSError:
                    return
                with client:
                    client.recv(65536)
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>")

        threading.Thread(target=answer, daemon=True).start()
        code = "import sys; from ml_logger import logger; logger.configure(sys.argv[1]); logger.log_line('x')"
        done = programs.run(code, f"http://127.0.0.1:{port}")
        listener.shutdown(socket.SHUT_RDWR)

    assert "1 record" in done.stderr
    assert "ml-logger push" in done.stderr


def test_another_web_server_is_not_a_missing_file(server: Server) -> None:
    """Reading from an address that is not the server's own says so, and not that the file is missing."""
    reader = ML_Logger(root=f"{server.url}/me/run", prefix="x")
    for read in (lambda: reader.load_pkl("metrics.pkl"), lambda: reader.glob("**"), lambda: reader.load_text("a")):
        with pytest.raises(errors.ServerUnavailable, match="prefix="):
            read()


def test_settings_that_make_no_sense_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that cannot be read is an error with its name and its meaning."""
    monkeypatch.setenv("ML_LOGGER_EXIT_TIMEOUT", "soon")
    with pytest.raises(errors.InvalidSetting, match=r"ML_LOGGER_EXIT_TIMEOUT='soon'"):
        ML_Logger(root="http://127.0.0.1:9")


def test_data_that_names_a_class_is_not_built(logger: ML_Logger) -> None:
    """Reading stored data never runs code: a class outside the list is named, with how to trust it."""
    logger.log_data(argparse.Namespace(x=1), path="own.pkl")

    with pytest.raises(errors.UntrustedData, match=r"trust=\[.argparse.Namespace.\]"):
        logger.load_pkl("own.pkl")
    assert logger.load_pkl("own.pkl", trust=["argparse.Namespace"]) == [argparse.Namespace(x=1)]
    assert logger.load_pkl("own.pkl", trust=True) == [argparse.Namespace(x=1)]


@pytest.mark.parametrize("text", ["inf", "-inf", "1e999", "nan"])
@pytest.mark.parametrize("name", ["ML_LOGGER_MAX_BODY", "ML_LOGGER_CACHE_SIZE", "ML_LOGGER_SEGMENT_SIZE"])
def test_endless_sizes_make_no_sense(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A size without an end is said to make no sense, as any other text that is no size."""
    monkeypatch.setenv(name, text)
    with pytest.raises(errors.InvalidSetting, match=f"{name}='{text}' makes no sense"):
        config.get(name)


@pytest.mark.parametrize(
    "body", [b'{"committed": 1e999}', b'{"committed": 1, "rejected": [{"seq": 1e999, "error": ""}]}', b"[" * 100_000]
)
def test_answers_that_make_no_sense_are_said(body: bytes) -> None:
    """Numbers beyond all numbers, and lists without end, are no answer: the sender says so and keeps the records."""

    class Odd(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with answering(Odd) as url:
        code = "import sys; from ml_logger import logger; logger.configure(sys.argv[1]); logger.log_line('x')"
        done = programs.run(code, url)

    assert "answered nonsense" in done.stderr
    assert "1 record" in done.stderr
