"""Formulas in reports: `$...$` and `$$...$$` are found in Markdown, and become MathML that holds nothing else."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element  # nosec B405 # a type: what is walked was built, and never parsed

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline

#: Characters of one formula, of which the slowest that was found takes 60 ms.
LONGEST = 2000

#: What MathML may hold: names of elements, and attributes whose values are plain words and lengths.
_ELEMENTS = {
    *("math", "mrow", "mi", "mn", "mo", "ms", "mtext", "mspace", "mstyle", "mfrac", "msqrt", "mroot", "msub", "msup"),
    *("msubsup", "mover", "munder", "munderover", "mtable", "mtr", "mtd", "mpadded", "mphantom", "menclose"),
}
_ATTRIBUTES = {
    *("display", "mathvariant", "stretchy", "fence", "form", "lspace", "rspace", "width", "height", "depth", "accent"),
    *("accentunder", "linethickness", "columnalign", "rowalign", "columnspacing", "rowspacing", "columnlines"),
    *("rowlines", "displaystyle", "scriptlevel", "minsize", "maxsize", "notation", "movablelimits", "mathcolor"),
    *("separator", "symmetric", "linebreak"),
}
_VALUE = re.compile(r"[#\w .%+-]{0,40}", re.ASCII)


def add_to(parser: MarkdownIt) -> None:
    """Have a parser find formulas: tokens `math_inline` and `math_block` with what stands between the dollars."""
    parser.inline.ruler.before("escape", "math_inline", _inline)
    parser.block.ruler.before("fence", "math_block", _block, {"alt": ["paragraph", "blockquote", "list"]})


def _inline(state: StateInline, silent: bool) -> bool:
    start = state.pos
    if state.src[start] != "$":
        return False
    mark = "$$" if state.src.startswith("$$", start) else "$"
    first = start + len(mark)
    end = state.src.find(mark, first, min(state.posMax, first + LONGEST))
    text = state.src[first:end] if end > first else ""
    # As others do, so that prices are prices: no space within, no digit behind.
    if not text or text[0].isspace() or text[-1].isspace() or text[-1] == "\\":
        return False
    if mark == "$" and state.src[end + 1 : end + 2].isdigit():
        return False
    if not silent:
        state.push("math_inline", "", 0).content = text
    state.pos = end + len(mark)
    return True


def _block(state: StateBlock, start: int, stop: int, silent: bool) -> bool:
    first = _line(state, start)
    if state.is_code_block(start) or not first.startswith("$$"):
        return False
    lines, line = [first[2:]], start
    while not lines[-1].rstrip().endswith("$$"):
        line += 1
        if line >= stop or sum(map(len, lines)) > LONGEST:
            return False
        lines.append(_line(state, line))
    text = "\n".join(lines).rstrip()[:-2].strip()
    if not text or "$$" in text:
        return False
    if not silent:
        state.push("math_block", "", 0).content = text
        state.line = line + 1
    return True


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]]


def mathml(text: str, *, block: bool) -> str:
    """Return a formula as MathML, or, where it is none or nothing is installed that reads it, as code."""
    code = f"<code>{html.escape(text)}</code>"
    try:
        from latex2mathml.converter import convert_to_element
    except ImportError:
        return code
    text = re.sub(r"\\(begin|end)\{aligned\}", r"\\\1{align*}", text)
    try:
        if len(text) <= LONGEST:
            return _written(convert_to_element(text, display="block" if block else "inline"))
    except Exception:  # nosec B110 # whatever it thinks of a formula: people see what they wrote
        pass
    return code


def _written(element: Any) -> str:
    """Return an element as text, escaped by us: the library leaves what is in a \\text as it was written."""
    assert isinstance(element, Element)
    if element.tag not in _ELEMENTS:
        raise ValueError(f"{element.tag!r} is no part of a formula")
    told = [f' {name}="{value}"' for name, value in element.items() if name in _ATTRIBUTES and _VALUE.fullmatch(value)]
    inner = html.escape(html.unescape(element.text or "")) + "".join(map(_written, element))
    return f"<{element.tag}{''.join(told)}>{inner}</{element.tag}>"
