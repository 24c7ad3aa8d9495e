"""What the arguments of `log` mean, in the forms that programs of both generations have."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ml_logger import plain
from ml_logger.errors import UnsupportedValue

SEP, END = " ", "\n"
UNSET: Any = type("Unset", (), {"__repr__": lambda self: "<unset>"})()


def check_options(**options: Any) -> None:
    """Refuse what was meant as a value of a name that `log` has a use for: it would be lost without a word.

    Raises:
        UnsupportedValue: one that is no text.
    """
    for name, given in options.items():
        if given is not None and not isinstance(given, (str, os.PathLike)):
            raise UnsupportedValue(
                f"{name}={given!r:.60} is no text: pass a value of this name in a dict, log(step, {{{name!r}: ...}})"
            )


def told_apart(
    args: tuple[Any, ...], metrics: Any, key_values: dict[str, Any], step: Any
) -> tuple[dict[str, Any], Any, list[Any]]:
    """Tell values, step and text of a call of `log` apart, by what they are and never by their count.

    Raises:
        UnsupportedValue: a step that is no number, `metrics` that are no mapping.
    """
    if metrics is not None and not isinstance(metrics, Mapping):
        raise UnsupportedValue(f"metrics= is a mapping, not {metrics!r:.60}: pass a value of this name in a dict")
    given = [values for values in (metrics, *args) if isinstance(values, Mapping)]
    texts = [arg for arg in args if not isinstance(arg, Mapping)]
    values: dict[str, Any] = {}
    for each in (*given, key_values):
        values.update(each)
    number = UNSET
    has_values = bool(given or key_values)  # an empty mapping is one, too
    if has_values and texts and args[0] is texts[0] and (args[0] is None or plain.is_number(args[0])):
        number = texts.pop(0)
    if step is not UNSET:
        number = plain.number(step)
        values = {"step": number, **values}
    return values, number, texts
