"""What the `ml-logger trash` command asks a server for: short questions and answers in JSON."""

from __future__ import annotations

import json
from typing import Any

from ml_logger.errors import CorruptData, ServerUnavailable
from ml_logger.transport import answers, protocol
from ml_logger.transport.access import token_for, warn_of_plain_http
from ml_logger.transport.http import check_url
from ml_logger.transport.sessions import FAILURES, Session, body_of
from ml_logger.transport.wire import reason_of


def ask(url: str, path: str, edit: dict[str, Any] | None = None, timeout: float = 60.0) -> dict[str, Any]:
    """Ask a server for what an address gives, or for an edit, and return its answer.

    Raises:
        LoggerError: it cannot be reached, refuses, or answers something that is no JSON object.
    """
    url = check_url(url)
    token = token_for(url, None, quiet=False)
    warn_of_plain_http(url, token)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with Session() as session:
        session.trust_env = False  # else a password of ~/.netrc would take the place of the token
        try:
            response = session.request(
                "GET" if edit is None else "POST", url + path, json=edit, headers=headers, timeout=timeout, stream=True
            )
        except FAILURES as error:
            raise ServerUnavailable(f"{url} cannot be reached: {reason_of(error)}") from None
        try:
            answer = json.loads(body_of(response, answers.MAX_PAGE, url))
        except (ValueError, RecursionError):
            answer = None
    if type(answer) is not dict:
        raise CorruptData(f"{url} answered with something that is no answer of ours: is a server there?")
    if response.status_code != 200:
        raise protocol.error_of(response.status_code, f"{url} answered {response.status_code}: {answer.get('error')}")
    return answer
