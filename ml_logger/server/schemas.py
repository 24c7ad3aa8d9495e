"""The shapes of JSON that the server's description refers to, as JSON Schema."""

from __future__ import annotations

from typing import Any

from ml_logger import keys
from ml_logger.server import edits
from ml_logger.server.batches import MAX_SEQ
from ml_logger.tokens import SCOPES

Json = dict[str, Any]

TEXT: Json = {"type": "string"}
COUNT: Json = {"type": "integer", "minimum": 0}
SEQ: Json = {"type": "integer", "minimum": 1, "maximum": MAX_SEQ}
KEY: Json = {"type": "string", "minLength": 1, "maxLength": keys.MAX_KEY_BYTES}
CATALOG: Json = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
#: Not by `prefixItems`: not all who read descriptions understand it.
ENTRY: Json = {"type": "array", "items": {"type": ["string", "number"]}, "minItems": 3, "maxItems": 3}


def obj(required: Json, optional: Json | None = None) -> Json:
    """Return the schema of an object that has these members and no others."""
    known = {**required, **(optional or {})}
    return {"type": "object", "required": [*required], "properties": known, "additionalProperties": False}


def _series(members: Json) -> Json:
    """Return the schema of a line or a band that is asked for: a part of a series over an x."""
    number = {"type": ["number", "null"]}
    known = {**members, "key": TEXT, "x": TEXT, "from": number, "to": number}
    return {"type": "object", "required": [name for name in members if name != "name"], "properties": known}


POSITIVE: Json = {"type": "integer", "minimum": 1}
REJECTED = obj({"seq": SEQ, "error": TEXT})
NULLABLE: Json = {"type": ["string", "null"]}
TEXTS: Json = {"type": "array", "items": TEXT}
DISCARDED = obj({"undo": TEXT, "key": KEY, "time": {"type": "number"}, "who": TEXT})
NUMBERS: Json = {"type": "array", "items": {"type": "number"}}
HISTOGRAM = obj(
    {"step": {"type": ["number", "null"]}, "counts": {"type": "array", "items": COUNT}, "edges": NUMBERS},
    {"nan": COUNT, "inf": COUNT},
)
OF_ONE_NAME = obj({"name": TEXT, "count": COUNT, "histograms": {"type": "array", "items": HISTOGRAM}})
PANEL = obj(
    {
        "type": {"enum": ["series", "image", "video", "file"]},
        "title": {"type": ["string", "null"]},
        "keys": {"type": "array", "items": TEXT},
        "x": {"type": ["string", "null"]},
        "glob": {"type": ["string", "null"]},
    }
)
MARK: Json = {"type": "array", "items": {"type": ["string", "number"]}, "minItems": 5, "maxItems": 5}
SCHEMAS: Json = {
    "Error": obj({"error": TEXT}),
    "Gap": obj({"catalog": CATALOG, "error": TEXT, "expected": SEQ}),
    "Acknowledgement": obj({"catalog": CATALOG, "committed": COUNT, "rejected": {"type": "array", "items": REJECTED}}),
    "Listing": obj({"entries": {"type": "array", "items": ENTRY}}, {"next": KEY}),
    "Session": obj(
        {
            "required": {"type": "boolean"},
            "name": {"type": ["string", "null"]},
            "scopes": {"type": "array", "items": {"enum": [*SCOPES]}},
            "prefix": TEXT,
        }
    ),
    "Histograms": obj({"series": {"type": "array", "items": OF_ONE_NAME}}),
    "Panels": obj(
        {
            "key": {"anyOf": [KEY, {"type": "null"}]},
            "panels": {"type": "array", "items": PANEL},
            "fault": {"type": ["string", "null"]},
        }
    ),
    "Health": obj({"status": {"const": "ok"}, "catalog": CATALOG, "commits": COUNT, "syncs": COUNT}),
    "SeriesQuestion": {
        "type": "object",
        "properties": {
            "lines": {"type": "array", "items": _series({"run": TEXT})},
            "bands": {"type": "array", "items": _series({"name": TEXT, "runs": TEXTS, "bins": POSITIVE})},
            "points": {"type": "integer", "minimum": 10},
            "precision": {"enum": [32, 64]},
        },
    },
    "Question": {
        "type": "object",
        "properties": {
            "key": {"anyOf": [KEY, {"type": "null"}]},
            "pattern": TEXT,
            "after": TEXT,
            "columns": {"anyOf": [{"type": "array", "items": TEXT}, {"type": "null"}]},
            "marks": {"anyOf": [{"type": "object", "additionalProperties": MARK}, {"type": "null"}]},
            "x": TEXT,
            "points": {"anyOf": [{"type": "integer", "minimum": 4}, {"type": "null"}]},
        },
    },
    "Edit": {"type": "object", "required": ["action"], "properties": {"action": {"enum": [*edits.ACTIONS]}}},
    "Edited": obj({}, {"undo": TEXT, "key": KEY, "tags": TEXTS, "note": TEXT, "etag": TEXT, "removed": TEXTS}),
    "Conflict": obj({"error": TEXT}, {"text": NULLABLE, "etag": NULLABLE}),
    "Text": obj({"text": TEXT, "key": KEY}),
    "Report": obj({"html": TEXT, "text": TEXT, "etag": NULLABLE}),
    "Runs": obj(
        {"version": TEXT, "complete": {"type": "boolean"}, "reset": {"type": "boolean"}, "removed": TEXTS}
        | {"runs": {"type": "array", "items": {"type": "object", "required": ["run", "parameters", "metrics"]}}},
    ),
    "Watch": {"type": "object", "properties": {"runs": NULLABLE, "watch": {"type": "object"}, "files": TEXTS}},
    "Trash": obj({"entries": {"type": "array", "items": DISCARDED}}),
}
