"""Connections: as Sanic has them, but what dribbles in does not stay for ever."""

from __future__ import annotations

from sanic.http import Stage
from sanic.server import HttpProtocol


class Connection(HttpProtocol):
    """A connection whose time for the head of a request counts from its first byte, and not from its last.

    So does the time for the rest of a body that was answered before it was read: it counts from the answer.
    """

    def data_received(self, data: bytes) -> None:
        """Take bytes in; those of a head, or of a body that is answered already, do not begin its time anew."""
        began, http = self._time, self.http
        in_head = http is not None and http.stage is Stage.REQUEST
        is_answered = http is not None and http.stage is Stage.IDLE and http.request_body
        super().data_received(data)
        if in_head or is_answered:
            self._time = began
