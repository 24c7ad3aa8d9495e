"""Reports: whatever somebody writes, what is rendered runs nothing, loads nothing, and comes soon."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser

from ml_logger.server import formulas, markdown
from tests.fuzz.inputs import text_of

_ELEMENTS = markdown._TAGS | formulas._ELEMENTS
_SCHEME = re.compile(r"[\s\x00-\x1f]*([A-Za-z][A-Za-z0-9+.-]*):")
_LINKS = ("http", "https", "mailto")
_PICTURE = re.compile("data:image/(png|gif|jpeg|webp)[;,]", re.IGNORECASE)


class _Look(HTMLParser):
    """Sees that there is no element and no attribute but harmless ones."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        assert tag in _ELEMENTS, tag
        known = formulas._ATTRIBUTES if tag in formulas._ELEMENTS else markdown._ATTRIBUTES.get(tag, set()) | {"rel"}
        for name, value in attrs:
            assert name in known or (tag == "p" and (name, value) == ("class", "unrendered")), (tag, name)
            scheme = _SCHEME.match(value or "")
            if name in ("href", "src") and scheme:
                assert scheme[1].lower() in _LINKS if name == "href" else _PICTURE.match(value or ""), (name, value)
            assert not (name == "src" and (value or "").startswith("//")), value

    def handle_comment(self, data: str) -> None:
        """See that there is none: browsers differ about where they end."""
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def check(written: str) -> None:
    """See that what was rendered can do nothing.

    Raises:
        AssertionError: it could.
    """
    look = _Look(convert_charrefs=True)
    look.feed(written)
    look.close()


def seeds() -> list[bytes]:
    """Return texts with everything that is rendered."""
    texts = (
        "# One\n\n|a|b|\n|-|-:|\n|1|2|\n\n- [x] done\n",
        "$x^2$ $$\\text{<script>}$$ ~~a~~ **b** `c`",
        "```chart\nkeys: loss\n```\n\n![a](<b c.png>) ![d](data:image/png;base64,AA)",
        '[x](javascript:a()) <br> <details onclick=x> <b> [y](a "b") <https://a.b>',
        "[r]: java&#115;cript:a\n\n[r] ![r]\n\n> > 1. a\n>\n>    ---\n",
        "$$\n\\begin{matrix}a&b\\\\c\\end{matrix}\\href{javascript:a}{x}\\style{a}{b}\n$$",
    )
    return [text.encode() for text in texts]


def target(data: bytes) -> None:
    """Render a text, and look at what came."""
    began = time.thread_time()
    check(markdown.render(text_of(data), "me/run/README.md"))
    assert time.thread_time() - began < 20 * markdown.SECONDS
