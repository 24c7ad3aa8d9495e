"""Text: lines that are logged, and lines that are printed and logged."""

from __future__ import annotations

import io
from typing import Any

from ml_logger.colors import Color, paint
from ml_logger.facade.contexts import Contexts
from ml_logger.stores.base import Receipt

TEXT_FILE = "outputs.log"


class Text(Contexts):
    """The verbs for text."""

    def log_text(
        self,
        text: str | None = None,
        filename: str | None = None,
        dedent: bool = False,
        overwrite: bool = False,
        *,
        silent: bool | None = None,
    ) -> Receipt:
        """Append text to a file as it is, without a line break of ours.

        Args:
            text: the text.
            filename: the file; without one the text goes to `outputs.log` and is printed too, unless `silent`.
            dedent: take away the indentation that all lines share, and the line break at the start.
            overwrite: replace the file instead.
            silent: True does not print.
        """
        text = "" if text is None else str(text)
        if dedent:
            import textwrap

            text = textwrap.dedent(text).lstrip("\n")
        if text and filename is None and not silent and not self._silent:
            self._echo(text, "" if text.endswith("\n") else "\n")
        key = self._key(filename or TEXT_FILE)
        data = _encode(text)
        return self._write(key, data) if overwrite else self._append(key, data)

    def log_line(
        self,
        *args: Any,
        sep: str = " ",
        end: str = "\n",
        flush: bool = True,
        file: str | None = None,
        color: str | None = None,
    ) -> Receipt:
        """Log a line of text, put together as `print` does, without printing it.

        Args:
            args: what the line is made of.
            sep, end: between the parts, and behind the last.
            flush: taken for the sake of `print`; a line is always written at once.
            file: the file, `outputs.log` by default.
            color: for `print`; a file holds no colors.
        """
        return self._append(self._key(file or TEXT_FILE), _encode(_joined(args, sep, end)))

    def print(
        self,
        *args: Any,
        sep: str = " ",
        end: str = "\n",
        flush: bool = True,
        file: str | None = None,
        color: str | None = None,
    ) -> Receipt:
        """Print a line, and log it: the arguments of `log_line`; `color` colors what is printed.

        Raises:
            InvalidSetting: an unknown color.
        """
        text = _joined(args, sep, "")
        Color(text, color)  # an unknown color is a mistake, also where there are no colors
        receipt = self.log_line(*args, sep=sep, end=end, file=file)
        self._echo(paint(text, color) if color and self._colored else text, end)
        return receipt

    def pprint(self, value: Any, *, file: str | None = None, **kw: Any) -> Receipt:
        """Print a value laid out over lines, as the standard `pprint` does, and log it."""
        import pprint

        return self.print(pprint.pformat(value, **kw), file=file)


def _joined(args: tuple[Any, ...], sep: str, end: str) -> str:
    line = io.StringIO()  # for exactly what `print` makes of its arguments
    print(*args, sep=sep, end=end, file=line)
    return line.getvalue()


def _encode(text: str) -> bytes:
    # A lone surrogate (a file name of another encoding) must not cost the line.
    return text.encode("utf-8", "backslashreplace")
