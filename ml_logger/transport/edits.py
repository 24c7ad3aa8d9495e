"""What the `ml-logger trash` command asks a server for: short questions and answers in JSON."""

from __future__ import annotations

import json
from typing import Any

from ml_logger.errors import CorruptData
from ml_logger.transport import answers, protocol
from ml_logger.transport.http import check_url, transport_to


def ask(url: str, path: str, edit: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask a server for what an address gives, or for an edit, and return its answer.

    Raises:
        LoggerError: it cannot be reached, refuses, or answers something that is no JSON object.
    """
    transport = transport_to(check_url(url), None)
    try:
        response = transport.request("GET" if edit is None else "POST", path, json=edit)
        try:
            answer = json.loads(transport.body(response, answers.MAX_PAGE))
        except (ValueError, RecursionError):
            answer = None
        if type(answer) is not dict:
            raise CorruptData(f"{transport.url} answered with something that is no answer of ours: is a server there?")
        if response.status_code != 200:
            said = f"{transport.url} answered {response.status_code}: {transport.said(answer.get('error'))}"
            raise protocol.error_of(response.status_code, said)
        return answer
    finally:
        transport.close()
