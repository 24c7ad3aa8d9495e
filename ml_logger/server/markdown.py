"""Reports: Markdown becomes HTML that holds no script, no foreign address and no style, whoever wrote it.

Raw HTML is text here, but for a few bare tags. What is rendered is sanitized after that all the same.
"""

from __future__ import annotations

import html
import posixpath
import re
import secrets
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, unquote

from ml_logger import keys
from ml_logger.errors import InvalidKey
from ml_logger.server import formulas

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

#: Characters of a text that is rendered, and seconds that its thread may work for it.
LONGEST, SECONDS = 2**20, 1.0
#: How deep what is within a line may be nested.
DEEPEST = 100
#: Fenced blocks that the page fills.
BLOCKS = ("chart", "table", "image", "value")
#: Raw tags that are tags: without attributes, and none that browsers open again by themselves.
_BARE = re.compile(r"<(br|/?(?:sub|sup|kbd|details|summary))\s*/?>")
_MOST_BARE = 1000

_TAGS = {
    *("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "hr", "br", "a", "img"),
    *("em", "strong", "s", "table", "thead", "tbody", "tr", "th", "td", "div", "span", "input", "sub", "sup", "kbd"),
    *("details", "summary"),
}
_ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt", "title", "data-key"},
    "code": {"class"},
    "div": {"data-block", "data-spec"},
    "ol": {"start"},
    "th": {"align"},
    "td": {"align"},
    "input": {"type", "checked", "disabled", "aria-label"},
    "ul": {"class"},
    **{f"h{level}": {"id"} for level in range(1, 7)},
}
_ALIGN = re.compile("text-align:(left|right|center)")
_TASK = re.compile(r"\[([ xX])\]\s")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class TooMuch(Exception):
    """A text that takes too long to render."""


def render(text: str, key: str) -> str:
    """Return a text as HTML.

    Args:
        text: Markdown.
        key: where it stands: relative addresses begin in the folder of that.
    """
    try:
        from markdown_it import MarkdownIt
        from nh3 import clean
    except ImportError:
        return _plain(text, 'To see it rendered, install on the server: pip install "ml-logger[reports]"')
    if len(text) > LONGEST:
        return _plain(text[:LONGEST], "The text is too long to be rendered: this is its beginning.")
    text = text.encode("utf-8", "replace").decode()  # a lone half of a character is none
    until = time.thread_time() + SECONDS
    parser = MarkdownIt("commonmark", {"maxNesting": 20}).enable(["table", "strikethrough"])
    parser.disable("html_block")
    formulas.add_to(parser)
    _watch(parser, until)
    try:
        pieces = _Pieces(parser, key, until)
        written = pieces.write(parser.parse(text))
        cleaned = clean(written, tags=_TAGS, attributes=_ATTRIBUTES, url_schemes={"http", "https", "mailto", "data"})
        return pieces.with_formulas(cleaned)
    except (TooMuch, RecursionError):
        return _plain(
            text, "The text takes too long to be rendered, or is nested too deeply: this is how it is written."
        )


def _plain(text: str, why: str) -> str:
    return f'<p class="unrendered">{html.escape(why)}</p><pre>{html.escape(text)}</pre>'


def _watch(parser: MarkdownIt, until: float) -> None:
    """Have a parser look at the time before each rule: whatever a text is, it ends soon after that."""

    def look(*args: Any) -> bool:
        if time.thread_time() > until:
            raise TooMuch
        return False

    parser.inline.ruler.before("text", "watch", look)
    within: Any = {"alt": ["paragraph", "reference", "blockquote", "list", "table"]}  # and at each line of what is long
    parser.block.ruler.before(parser.block.ruler.get_all_rules()[0], "watch", look, within)


class _Pieces:
    """Writes the tokens of one text as HTML; formulas are put in behind the sanitizer, which knows no MathML."""

    def __init__(self, parser: MarkdownIt, key: str, until: float) -> None:
        self._folder = key.rpartition("/")[0]
        self._report = f"#/report{f'/{quote(self._folder)}' if self._folder else ''}"
        self._until = until
        self._nonce = secrets.token_hex(16)
        self._formulas: list[str] = []
        self._bare = 0
        self._slugs: dict[str, int] = {}
        self._options: Any = parser.options
        self._renderer = cast(Any, parser.renderer)  # whose type tells less than it has
        rules: dict[str, Callable[[Sequence[Token], int], str]] = {
            "fence": self._fence,
            "html_inline": self._html,
            "image": self._image,
            "math_inline": partial(self._math, block=False),
            "math_block": partial(self._math, block=True),
        }
        for name, rule in rules.items():
            self._renderer.rules[name] = lambda tokens, at, *_, rule=rule: rule(tokens, at)

    def write(self, tokens: list[Token]) -> str:
        """Return the HTML of some tokens, with places for the formulas."""
        for at, token in enumerate(tokens):
            self._check()
            if token.type in ("th_open", "td_open") and (match := _ALIGN.fullmatch(str(token.attrs.pop("style", "")))):
                token.attrs["align"] = match[1]
            if token.type == "inline":
                self._prepare(tokens, at)
        return str(self._renderer.render(tokens, self._options, {}))

    def with_formulas(self, cleaned: str) -> str:
        """Put the formulas in their places."""
        return re.sub(f"{self._nonce}-([0-9]+);", lambda match: self._formulas[int(match[1])], cleaned)

    def _check(self) -> None:
        if time.thread_time() > self._until:
            raise TooMuch

    def _prepare(self, tokens: list[Token], at: int) -> None:
        children, before = tokens[at].children or [], tokens[at - 1] if at else None
        if max((child.level for child in children), default=0) > DEEPEST:
            raise TooMuch
        if before and before.type == "heading_open":
            before.attrs["id"] = self._slug("".join(child.content for child in children))
        for child in children:
            if child.type == "link_open":
                child.attrs["href"] = self._address(str(child.attrs.get("href", "")))
        if at > 1 and tokens[at - 2].type == "list_item_open" and children and children[0].type == "text":
            self._task(children[0])

    def _slug(self, text: str) -> str:
        slug = re.sub(r"[^\w]+", "-", text.lower()).strip("-")[:80] or "part"
        count = self._slugs[slug] = self._slugs.get(slug, 0) + 1
        return f"part-{slug}" if count == 1 else f"part-{slug}-{count}"

    def _task(self, token: Token) -> None:
        if match := _TASK.match(token.content):
            is_done = match[1] != " "
            token.type, token.content = "html_inline", token.content[match.end() :]
            token.meta = {"task": is_done}

    def _html(self, tokens: Sequence[Token], at: int) -> str:
        token = tokens[at]
        if "task" in token.meta:
            done = token.meta["task"]
            state = 'checked="" aria-label="Done"' if done else 'aria-label="Not done"'
            return f'<input type="checkbox" disabled="" {state}> {html.escape(token.content)}'
        self._bare += 1
        return (
            token.content if self._bare <= _MOST_BARE and _BARE.fullmatch(token.content) else html.escape(token.content)
        )

    def _fence(self, tokens: Sequence[Token], at: int) -> str:
        token = tokens[at]
        kind = token.info.strip().split(" ", 1)[0]
        text = html.escape(token.content)
        if kind in BLOCKS:
            return f'<div data-block="{kind}" data-spec="{text}"></div>\n'
        name = f' class="language-{html.escape(kind)}"' if re.fullmatch(r"[\w+#-]{1,30}", kind) else ""
        return f"<pre><code{name}>{text}</code></pre>\n"

    def _math(self, tokens: Sequence[Token], at: int, *, block: bool) -> str:
        self._check()
        self._formulas.append(formulas.mathml(tokens[at].content, block=block))
        place = f"{self._nonce}-{len(self._formulas) - 1};"
        return f"<p>{place}</p>\n" if block else place

    def _image(self, tokens: Sequence[Token], at: int) -> str:
        token = tokens[at]
        source = str(token.attrs.get("src", ""))
        alt = html.escape(self._renderer.renderInlineAsText(token.children, self._options, {}))
        if source.lower().startswith("data:image/"):  # the parser lets those of pictures pass, and no others
            return f'<img src="{html.escape(source)}" alt="{alt}">'
        if _SCHEME.match(source) or source.startswith("//"):
            # The page loads nothing from elsewhere: who reads a report is nobody's to count.
            return f'<a href="{html.escape(source)}">{alt or html.escape(source)}</a>'
        key = self._key(source)
        if key is None:
            return alt
        # A drawing comes without its type, and no browser takes it from an address then: the page fetches it.
        place = "" if keys.suffix(key) == ".svg" else f'src="v1/files/{quote(key)}" '
        return f'<img {place}data-key="{html.escape(key)}" alt="{alt}">'

    def _address(self, address: str) -> str:
        """Return where a link leads in the page: to a report, to a file, or out of it."""
        if address.startswith("#"):
            return f"{self._report}?at={quote(unquote(address[1:]))}"
        if _SCHEME.match(address) or address.startswith("//"):
            return address if not address.lower().startswith("data:") else ""
        key = self._key(address)
        if key is None:
            return self._report
        folder, _, name = key.rpartition("/")
        if name == "README.md":
            return f"#/report/{quote(folder)}" if folder else "#/report"
        if keys.suffix(key) == ".md":
            return f"#/report/{quote(key)}"
        return f"#/files/{quote(key)}{'/' if address.endswith('/') else ''}"

    def _key(self, address: str) -> str | None:
        """Return the key that a relative address leads to; None where it leads out of the data folder."""
        path = unquote(address.partition("#")[0].partition("?")[0])
        joined = posixpath.normpath(posixpath.join("/", self._folder, path)).strip("/")
        depth = 0
        for part in [*self._folder.split("/"), *path.split("/")] if not path.startswith("/") else path.split("/"):
            depth += -1 if part == ".." else part not in ("", ".")
            if depth < 0:
                return None
        try:
            return keys.check(joined)
        except InvalidKey:
            return None
