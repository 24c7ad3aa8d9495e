"""The API as it is described: requests that fit the description, and some that do not, are answered as it says."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from ml_logger.testing import Server
from ml_logger.transport import frames, protocol
from tests.wire import append, post

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
_KEYS = st.sampled_from([b"run/a", b"run/b", b"", b"..", b"a" * 2000, b"\xff"])
_FRAMES = st.lists(st.tuples(st.sampled_from([*frames.Op]), _KEYS, _KEYS | st.binary(max_size=40)), max_size=4)

schemathesis.openapi.media_type(
    protocol.CONTENT_TYPE,
    st.tuples(st.integers(0, 9), _FRAMES).map(
        lambda drawn: b"".join(frames.encode(seq, *frame) for seq, frame in enumerate(drawn[1], drawn[0]))
    ),
)

#: Addresses of which nothing can be asked in a wrong way.
BARE = (protocol.HEALTH, protocol.OPENAPI, protocol.SESSION, "/")
#: Seconds that an answer may take.
PATIENCE = 20.0


@contextmanager
def live() -> Iterator[Callable[[Any], None]]:
    """Give the target, with a server that it asks; at the end, too, nothing has gone wrong in it."""
    with tempfile.TemporaryDirectory() as scratch, requests.Session() as session:
        server = Server(Path(scratch) / "data")
        server.start()
        try:
            post(server, append(1, b"0123456789")).raise_for_status()
            schema = schemathesis.openapi.from_url(f"{server.url}/v1/openapi.json")
            yield Api(schema, server.url, session)
            assert b"Traceback" not in server.log.read_bytes()
        finally:
            status = server.stop()
        assert status == 0, f"the server ended with status {status}"


class Api:
    """The target: takes a case of schemathesis, one request, and holds the answer to the description."""

    def __init__(self, schema: Any, url: str, session: requests.Session) -> None:
        self._schema = schema
        self._url = url
        self._session = session

    def __call__(self, case: Any) -> None:
        """Send one request."""
        if case.path == protocol.LIVE:
            self._begin(case)
            return
        case.call_and_validate(self._url, self._session, checks=CHECKS, timeout=PATIENCE)

    def _begin(self, case: Any) -> None:
        """Begin a stream, which has no end: what it is answered with is all there is to see."""
        asked = case.as_transport_kwargs(base_url=self._url)
        with self._session.request(**asked, timeout=PATIENCE, stream=True) as answer:
            told = case.operation.definition.raw["responses"]
            assert str(answer.status_code) in told, f"{answer.status_code}: {asked}"
            assert answer.status_code < 500, f"{answer.status_code}: {asked}"
            if answer.status_code != 200:
                assert set(answer.json()) == {"error"}

    def inputs(self) -> st.SearchStrategy[Any]:
        """Return a strategy of requests to all addresses."""
        operations = [found.ok() for found in self._schema.get_all_operations()]
        return st.one_of(
            *(
                operation.as_strategy(generation_mode=mode)
                for operation in operations
                for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
                if mode is GenerationMode.POSITIVE or operation.path not in BARE
            )
        )
