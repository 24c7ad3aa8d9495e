"""A proxy that shows a server below a path, as people put one in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler

from ml_logger.testing import Server
from tests.wire import answering

PATH = "/lab/logs"
#: What is about the connection and not about the answer.
OWN = ("connection", "keep-alive", "transfer-encoding")


@contextmanager
def below_a_path(server: Server) -> Iterator[str]:
    """Give the address below which a server is shown, for as long as the block lasts; elsewhere nothing is."""

    class Proxy(BaseHTTPRequestHandler):
        """Takes the path away, and hands pieces on as they come."""

        def do_GET(self) -> None:
            """Hand a request on, and its answer back."""
            if not self.path.startswith(f"{PATH}/"):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            upstream = HTTPConnection("127.0.0.1", server.port)
            upstream.request(self.command, self.path.removeprefix(PATH), body or None, dict(self.headers))
            answer = upstream.getresponse()
            with suppress(OSError):  # the browser has left
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in OWN:
                        self.send_header(name, value)
                self.end_headers()
                while piece := answer.read1(65536):
                    self.wfile.write(piece)
            upstream.close()

        do_POST = do_DELETE = do_HEAD = do_GET

        def log_message(self, *args: object) -> None:
            """Print nothing."""

    with answering(Proxy) as url:
        yield f"{url}{PATH}/"
