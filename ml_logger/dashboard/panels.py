"""What a `.charts.yml` asks the dashboard to show: panels with lines, pictures or files, told in texts alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ml_logger.errors import CorruptData, NotAvailable

#: The name of the file.
NAME = ".charts.yml"
#: Bytes that it may have, folders of lists and mappings within each other, and panels that are taken.
LARGEST, DEEPEST, MOST = 16_384, 8, 200

_SERIES, _KINDS = "series", ("series", "image", "video", "file")
#: What a file of YAML consists of, without numbers, dates and classes: those are texts here.
Plain = str | list["Plain"] | dict[str, "Plain"]


class Panel(NamedTuple):
    """One panel.

    Fields:
        type: `series`, lines; or `image`, `video` or `file`, which the files of a glob are shown as.
        keys: the metrics of lines.
        x: the column they are drawn over; None is the page's own.
        glob: which files, below the folder.
    """

    type: str
    title: str | None
    keys: list[str]
    x: str | None
    glob: str | None


def parse(data: bytes) -> list[Panel]:
    """Return the panels of a file: a mapping with a list `charts`, of names of metrics and of mappings.

    Raises:
        CorruptData: it is no such file, or too large.
        NotAvailable: PyYAML is not installed.
    """
    if len(data) > LARGEST:
        raise CorruptData(f"it has {len(data)} bytes, and {LARGEST} at most are read")
    try:
        found = _plain(data.decode())
    except UnicodeDecodeError:
        raise CorruptData("it is no UTF-8") from None
    charts = found.get("charts", []) if isinstance(found, dict) else None
    if not isinstance(charts, list):
        raise CorruptData("it must be a mapping with a list `charts`")
    return [_panel(number, chart) for number, chart in enumerate(charts[:MOST], 1)]


def _plain(text: str) -> Plain | None:
    """Build plain values from what the parser comes across; aliases, which can stand for very much, are refused."""
    yaml = _yaml()
    open_: list[list[Plain]] = [[]]
    try:
        for event in _events(yaml, text):
            if isinstance(event, yaml.AliasEvent):
                raise CorruptData("aliases (*name) are not taken: write it out")
            if isinstance(event, yaml.ScalarEvent):
                open_[-1].append(event.value)
            elif isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
                open_.append([])
            elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
                items = open_.pop()
                is_list = isinstance(event, yaml.SequenceEndEvent)
                open_[-1].append(items if is_list else _mapping(items))
            if len(open_) > DEEPEST:
                raise CorruptData(f"lists and mappings are nested more than {DEEPEST} deep")
    except yaml.YAMLError as error:
        raise CorruptData(f"it is no YAML: {' '.join(str(error).split())}") from None
    return open_[0][0] if open_[0] else None


def _yaml() -> Any:
    try:
        import yaml
    except ImportError:
        raise NotAvailable('it needs PyYAML on the server: pip install "ml-logger[yaml]"') from None
    return yaml


def _events(yaml: Any, text: str) -> Iterator[Any]:
    # One after another: the parser of Python takes a minute for 16 KiB of brackets, of which eight are looked at.
    return iter(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def _mapping(items: list[Plain]) -> dict[str, Plain]:
    pairs = zip(items[::2], items[1::2], strict=True)
    return {name: value for name, value in pairs if isinstance(name, str)}


def _panel(number: int, chart: Plain) -> Panel:
    if isinstance(chart, str):
        return Panel(_SERIES, None, [chart], None, None)
    if not isinstance(chart, dict):
        raise CorruptData(f"chart {number} is neither the name of a metric nor a mapping")
    keys = _texts(number, chart, "yKeys") + _texts(number, chart, "yKey")
    glob = _text(number, chart, "glob")
    kind = _text(number, chart, "type") or (_SERIES if keys else "file")
    if kind not in _KINDS:
        raise CorruptData(f"chart {number} has the type {kind!r}: it is one of {', '.join(_KINDS)}")
    if kind == _SERIES and not keys:
        raise CorruptData(f"chart {number} names no metric: it takes `yKey`, or `yKeys`")
    if kind != _SERIES and not glob:
        raise CorruptData(f"chart {number} names no files: it takes `glob`")
    return Panel(kind, _text(number, chart, "title"), keys, _text(number, chart, "xKey"), glob)


def _text(number: int, chart: dict[str, Plain], name: str) -> str | None:
    value = chart.get(name) or None
    if value is not None and not isinstance(value, str):
        raise CorruptData(f"`{name}` of chart {number} is a text")
    return value


def _texts(number: int, chart: dict[str, Plain], name: str) -> list[str]:
    value = chart.get(name) or []
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise CorruptData(f"`{name}` of chart {number} is a text, or a list of texts")
    return [one for one in values if isinstance(one, str)]
