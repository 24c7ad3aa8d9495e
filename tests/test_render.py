"""Reports: Markdown becomes HTML that is complete, that is quick, and that does nothing."""

from __future__ import annotations

import html
import sys
import time
from pathlib import Path

import pytest
import requests

from ml_logger import tokens
from ml_logger.server import formulas, markdown, trash
from ml_logger.testing import Server
from tests.fuzz import reports
from tests.wire import get, raw

KEY = "me/run/README.md"


def rendered(text: str) -> str:
    """Return a text as HTML, as a report of a run."""
    return markdown.render(text, KEY)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# One *two*", '<h1 id="part-one-two">One <em>two</em></h1>'),
        ("## A\n\n## A", '<h2 id="part-a-2">A</h2>'),
        ("a ~~b~~ **c** `d < e`", "<s>b</s> <strong>c</strong> <code>d &lt; e</code>"),
        ("|a|b|\n|-|-:|\n|1|2|", '<td align="right">2</td>'),
        ("- [x] done\n- [ ] open", 'checked="" aria-label="Done"> done'),
        ("- [x] done\n- [ ] open", '<input type="checkbox" disabled="" aria-label="Not done"> open'),
        ("3. three", '<ol start="3">'),
        ("```python\nx < 1\n```", '<pre><code class="language-python">x &lt; 1\n</code></pre>'),
        ("H<sub>2</sub>O<br>new", "H<sub>2</sub>O<br>new"),
        ("<details>\n<summary>More</summary>\n\ninner\n\n</details>", "<summary>More</summary>"),
        ("it costs $5 or $6", "it costs $5 or $6"),
        ("```chart\nkeys: loss, acc\n```", '<div data-block="chart" data-spec="keys: loss, acc\n"></div>'),
        ("```value\nkey: \"a\" <b>\n```", 'data-spec="key: &quot;a&quot; &lt;b&gt;\n"'),
    ],
    ids=range(13),
)  # fmt: skip
def test_what_people_write_is_rendered(text: str, found: str) -> None:
    """CommonMark, tables, strikethrough, tasks, a few bare tags, and blocks that the page fills."""
    assert found in rendered(text)


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("data.csv", "#/files/me/run/data.csv"),
        ("images/", "#/files/me/run/images/"),
        ("../other/README.md", "#/report/me/other"),
        ("/README.md", "#/report"),
        ("notes.md", "#/report/me/run/notes.md"),
        ("/top.txt?x#y", "#/files/top.txt"),
        ("a%20b.txt", "#/files/me/run/a%20b.txt"),
        ("#some-part", "#/report/me/run?at=some-part"),
        ("../../../etc/passwd", "#/report/me/run"),
        ("../../../me/run/x", "#/report/me/run"),
        (".ml_logger/tokens.json", "#/report/me/run"),
        ("https://example.org/x?y=1", "https://example.org/x?y=1"),
        ("mailto:me@example.org", "mailto:me@example.org"),
    ],
)
def test_links_lead_to_places_of_the_page(target: str, leads_to: str) -> None:
    """A relative address begins in the folder of the report, and never leaves the data folder."""
    assert f'<a href="{html.escape(leads_to)}"' in rendered(f"[text]({target})")


def test_pictures_come_from_the_folder_alone() -> None:
    """A picture is a file of the server or stands in the text; one from elsewhere is a link: nobody counts readers."""
    assert '<img src="v1/files/me/run/a%20b.png" data-key="me/run/a b.png" alt="A">' in rendered("![A](<a b.png>)")
    assert '<img src="v1/files/x.png"' in rendered("![](../../x.png)")
    assert '<img data-key="me/run/x.svg" alt="">' in rendered("![](x.svg)")
    assert "<img" not in rendered("![out](../../../x.png)")
    for scheme in ("data", "dAta"):
        assert f'<img src="{scheme}:image/png;base64,AA" alt="d">' in rendered(f"![d]({scheme}:image/png;base64,AA)")
        assert '<a href=""' in rendered(f"[d]({scheme}:image/png;base64,AA)")
    elsewhere = rendered("![plot](https://example.org/a.png) ![](//example.org/b.png)")
    assert "<img" not in elsewhere
    assert '<a href="https://example.org/a.png" rel="noopener noreferrer">plot</a>' in elsewhere


def test_formulas_become_mathml() -> None:
    """Between dollars stands a formula, in the line or by itself; what is none is shown as it was written."""
    assert '<math display="inline"><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math>' in rendered("so $x^2$, yes")
    assert '<p><math display="block">' in rendered("text\n$$\n\\frac{a}{b}\n$$\ntext")
    assert "<mtable displaystyle=" in rendered("$$\\begin{aligned}a&=b\\\\c&=d\\end{aligned}$$")
    assert "<code>\\frac{</code>" in rendered("$\\frac{$")
    assert rendered("a $ b $ c `$x$` \\$y$") == "<p>a $ b $ c <code>$x$</code> $y$</p>\n"
    assert rendered("a\ud800b") == "<p>a?b</p>\n"
    assert "<math" not in rendered(f"$${'x+' * formulas.LONGEST}1$$")
    assert '<img src="v1/files/me/run/p.png" data-key="me/run/p.png" alt="of ">' in rendered("![of $x$](p.png)")


ATTACKS = (
    "<script>window.stolen = 1</script>",
    "<img src=x onerror=stolen()>",
    "<svg onload=stolen()>",
    "<br onclick=stolen()>",
    "<details open ontoggle=stolen()>",
    "<sub\nonclick=stolen()>",
    "<iframe src=javascript:stolen()></iframe>",
    "<style>*{background:url(//example.org)}</style>",
    "<math><mtext><table><mglyph><style><img src=x onerror=stolen()>",
    "[x](javascript:stolen())",
    "[x](JaVaScRiPt:stolen())",
    "[x](java\tscript:stolen())",
    "[x](&#106;avascript:stolen())",
    "[x](vbscript:stolen())",
    "[x](data:text/html,<script>stolen()</script>)",
    "<javascript:stolen()>",
    "[x]: javascript:stolen()\n\n[x]",
    '[x](a "><img src=x onerror=stolen()>")',
    "![x](javascript:stolen())",
    "![x](data:image/svg+xml,<svg/onload=stolen()>)",
    '![" onerror="stolen()](x.png)',
    '![x](x.png" onerror="stolen)',
    "![a](<x.png onerror=stolen>)",
    '```chart"><img src=x onerror=stolen()>\n```',
    '```chart\n"><img src=x onerror=stolen()>\n```',
    "```x\" onclick=\"stolen()\n```",
    "$\\text{<script>stolen()</script>}$",
    "$\\text{&lt;script&gt;stolen()&lt;/script&gt;}$",
    "$\\href{javascript:stolen()}{x}$",
    "$\\style{background:url(//example.org)}{x}$",
    "$\\class{a}{x}$",
    '$\\color{red" onclick="stolen()}{x}$',
    "$$\\text{</math><img src=x onerror=stolen()>}$$",
    "# <img src=x onerror=stolen()>",
    "|<img src=x onerror=stolen()>|\n|-|\n|<script>|",
    "- [x] <img src=x onerror=stolen()>",
    "- [x] <script>stolen()</script>",
    "a\u2028<script>\u0000stolen()</script>",
)  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
@pytest.mark.parametrize("where", ["{}", "> {}", "text {} text", "<details>\n\n{}\n\n</details>"], ids=range(4))
def test_nothing_that_is_written_runs(attack: str, where: str) -> None:
    """No element, attribute or address of a report can run anything, or load anything from elsewhere."""
    reports.check(rendered(where.format(attack)))


def test_what_could_do_something_is_seen() -> None:
    """The check of what is rendered sees elements, attributes, addresses and comments that do something."""
    for written in (
        "<script>",
        "<p onclick=x>",
        "<a href='java&#115;cript:x'>",
        "<a href=' vbscript:x'>",
        "<img src='https://example.org'>",
        "<img src='//example.org'>",
        "<img src='data:image/svg+xml,x'>",
        "<!-- x -->",
        "<mi href=x>",
    ):
        with pytest.raises(AssertionError):
            reports.check(written)


#: Texts of a mebibyte at which a parser can be slow, or that can become much.
HEAVY = {
    "brackets": "[",
    "links": "[a](",
    "emphasis": "*a _b ",
    "quotes": "> " * 15 + "a\n",
    "ticks": "`a``",
    "comments": "<!--",
    "lines": "a\n",
    "tables": "|a|b|\n|-|-|\n",
    "formulas": "$$\n",
    "formula": "$x^{" + "y^{" * 100 + "1" + "}" * 100 + "}$ ",
    "tags": "<sub>",
    "references": "[a]: b\n",
    "entities": "&",
    "blocks": "```chart\n```\n",
}


@pytest.mark.parametrize("name", HEAVY)
def test_no_text_takes_long(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile text of a mebibyte is given up after the time that one may take, and is shown as it was written."""
    monkeypatch.setattr(markdown, "SECONDS", 0.1)  # so little that no machine is done in it
    unit = HEAVY[name]
    text = (unit * (2**20 // len(unit) + 1))[: 2**20]
    began = time.thread_time()
    written = rendered(text)

    assert time.thread_time() - began < 5  # a parser that goes on takes minutes
    assert written.startswith('<p class="unrendered">The text takes too long')
    assert html.escape(text) in written


def test_deep_nesting_is_shown_as_it_was_written() -> None:
    """What is nested a hundred times within a line is nothing that anybody reads."""
    text = "*a **b " * 150 + "x" + "***" * 150

    assert "nested too deeply" in rendered(text)
    assert len(rendered("> " * 500 + "x")) < 2000


@pytest.mark.parametrize("library", ["markdown_it", "nh3"])
def test_without_the_libraries_a_report_is_plain_text(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is installed that renders, the text is there, and a line says what to install."""
    monkeypatch.setitem(sys.modules, library, None)
    written = rendered("# <b>One</b>")

    assert 'pip install &quot;ml-logger[reports]&quot;' in written  # fmt: skip
    assert "<pre># &lt;b&gt;One&lt;/b&gt;</pre>" in written


def test_without_the_library_a_formula_is_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """All else of the report is rendered then."""
    monkeypatch.setitem(sys.modules, "latex2mathml.converter", None)

    assert rendered("*a* $x<y$") == "<p><em>a</em> <code>x&lt;y</code></p>\n"


# ------------------------------------------------------------------------------------------------------- the routes


def post_render(server: Server, text: object, key: object = KEY, token: str = "") -> requests.Response:
    """Have a text rendered."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.post(f"{server.url}/v1/render", json={"text": text, "key": key}, headers=headers, timeout=30)


def test_a_report_comes_rendered_and_as_it_is_written(server: Server) -> None:
    """`GET /v1/render` gives HTML, the text and the etag that it is saved with; there is none without a file."""
    path = server.data_dir / "me" / "run" / "README.md"
    path.parent.mkdir(parents=True)
    path.write_bytes("# Größe \u2713\n".encode() + b"\xff")
    told = get(server, f"/v1/render?key={KEY}").json()

    assert told["html"].startswith('<h1 id="part-größe-">') or "Größe" in told["html"]
    assert told["text"] == "# Größe \u2713\n\ufffd"
    assert told["etag"] == trash.etag_of(path.read_bytes())
    for key, status in (("me/none.md", 404), ("me", 404), ("", 400), ("../x", 400), (".ml_logger/tokens.json", 400)):
        assert get(server, f"/v1/render?key={key}").status_code == status, key
    path.write_bytes(bytes(2**20 + 1))
    assert get(server, f"/v1/render?key={KEY}").status_code == 413


def test_a_text_is_rendered_while_it_is_written(server: Server) -> None:
    """`POST /v1/render` renders as if the text stood under the key, and stores nothing."""
    assert post_render(server, "[a](b.txt)").json()["html"].startswith('<p><a href="#/files/me/run/b.txt"')
    assert post_render(server, 3).status_code == 400
    for key in ("../x", ["x"], {}, 3, None):
        assert post_render(server, "x", key).status_code == 400, key
    assert post_render(server, "x" * (2**20 + 1)).status_code == 413
    assert post_render(server, "\ud800").json()["html"] == "<p>?</p>\n"
    assert raw(server, "POST", "/v1/render", "Content-Type: text/plain", body=b"{}").status == 415
    assert [path.name for path in server.data_dir.iterdir()] == [".ml_logger"]


def test_reports_are_read_with_a_token_that_reaches_them(tmp_path: Path) -> None:
    """Reading is enough to see a report and to try one, of the keys that the token reaches."""
    data = tmp_path / "data"
    secret = tokens.add(tokens.path_in(data), "reader", scope="read", prefix="me")
    for folder in ("me", "you"):
        (data / folder).mkdir()
        (data / folder / "README.md").write_text("# Report")
    server = Server(data)
    server.start()
    try:
        headers = {"Authorization": f"Bearer {secret}"}
        statuses = [get(server, f"/v1/render?key={key}/README.md", **headers).status_code for key in ("me", "you")]
        tried = [post_render(server, "x", f"{key}/README.md", secret).status_code for key in ("me", "you")]
        without = get(server, "/v1/render?key=me/README.md").status_code
    finally:
        server.stop()

    assert (statuses, tried, without) == ([200, 403], [200, 403], 401)
