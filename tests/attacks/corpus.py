"""All attacks that are a request or a few: those that are floods are in `floods`."""

from __future__ import annotations

from tests.attacks import (
    cases_browser,
    cases_http,
    cases_paths,
    cases_protocol,
    cases_reads,
    cases_series,
    cases_sessions,
    cases_tokens,
)
from tests.attacks.attack import Attack

FAMILIES: dict[str, list[Attack]] = {
    "paths": cases_paths.CASES,
    "http": cases_http.CASES,
    "browser": cases_browser.CASES,
    "protocol": cases_protocol.CASES,
    "reads": cases_reads.CASES,
    "series": cases_series.CASES,
    "tokens": [*cases_tokens.CASES, *cases_sessions.CASES],
}
CORPUS = [attack for family in FAMILIES.values() for attack in family]
