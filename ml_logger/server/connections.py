"""Connections: as Sanic has them, but what dribbles in does not stay for ever."""

from __future__ import annotations

from sanic.http import Http, Stage
from sanic.server import HttpProtocol


class Exchange(Http):
    """Requests and answers of one connection: an address that cannot be read is answered, too."""

    def create_empty_request(self) -> None:
        """Make the request that stands for one whose head could not be read; the address may be what is wrong."""
        self.url = None
        super().create_empty_request()


class Connection(HttpProtocol):
    """A connection whose time for the head of a request counts from its first byte, and not from its last.

    So does the time for the rest of a body that was answered before it was read: it counts from the answer.
    """

    HTTP_CLASS = Exchange

    def data_received(self, data: bytes) -> None:
        """Take bytes in; those of a head, or of a body that is answered already, do not begin its time anew."""
        began, http = self._time, self.http
        in_head = http is not None and http.stage is Stage.REQUEST
        is_answered = http is not None and http.stage is Stage.IDLE and http.request_body
        super().data_received(data)
        if in_head or is_answered:
            self._time = began
