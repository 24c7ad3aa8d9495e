"""Connections: as Sanic has them, but a request that dribbles in does not stay for ever."""

from __future__ import annotations

from sanic.http import Stage
from sanic.server import HttpProtocol


class Connection(HttpProtocol):
    """A connection whose time for the head of a request counts from its first byte, and not from its last."""

    def data_received(self, data: bytes) -> None:
        """Take bytes in; within a head they do not begin its time anew."""
        began = self._time
        in_head = self.http is not None and self.http.stage is Stage.REQUEST
        super().data_received(data)
        if in_head:
            self._time = began
