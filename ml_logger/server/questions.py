"""Questions in JSON: what a page or a client asks with a body."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from sanic import Request
from sanic.exceptions import SanicException

from ml_logger.errors import CorruptData

T = TypeVar("T")

Json = dict[str, Any]

#: Bytes of a question: as values it takes some forty times its size, and nobody else has a turn while it is read.
LONGEST = 2**21


async def question(request: Request, parse: Callable[[Json], T], otherwise: str) -> T:
    """Read the body of a request, and return what it asks.

    Args:
        request: the request.
        parse: makes a question of an object, in a thread.
        otherwise: what is said where the body is no object.

    Raises:
        SanicException: 415, it is not said to be JSON; and what reading it may raise.
        CorruptData: it is no JSON object.
    """
    expect_json(request)
    service = request.app.ctx.service
    async with service.bodies.read(request, LONGEST) as body:
        return await service.in_thread(lambda: parse(object_in(body, otherwise)))  # type: ignore[no-any-return]


def expect_json(request: Request) -> None:
    """Refuse a body of another kind.

    Raises:
        SanicException: 415.
    """
    if request.headers.get("content-type") != "application/json":
        raise SanicException("the content type must be application/json", status_code=415)


def object_in(body: bytes, otherwise: str) -> Json:
    """Return the object that a body is.

    Raises:
        CorruptData: it is none.

    >>> object_in(b'{"key": "run"}', "a question is a JSON object")
    {'key': 'run'}
    """
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        asked = None
    if type(asked) is not dict:
        raise CorruptData(otherwise)
    return asked
