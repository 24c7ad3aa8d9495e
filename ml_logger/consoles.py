"""Text for the person at the terminal, past the progress bars that are drawn there."""

from __future__ import annotations

import sys

from ml_logger.notices import write


def show(text: str, end: str = "\n") -> None:
    """Write text to stdout, whatever state it is in; bars of tqdm are taken away for it and drawn again below.

    Bars of rich need nothing: while one is drawn, rich stands in for stdout.
    """
    tqdm = getattr(sys.modules.get("tqdm"), "tqdm", None)
    if tqdm is not None and getattr(tqdm, "_instances", None):
        try:
            tqdm.write(text, file=sys.stdout, end=end)
            sys.stdout.flush()
            return
        except Exception:  # nosec B110 # a broken stdout, or one that cannot hold this, is written to below
            pass
    write(sys.stdout, text + end)
