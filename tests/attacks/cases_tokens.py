"""Tokens that are wrong, too small, or in the wrong place: all on a server that needs one."""

from __future__ import annotations

import json
from urllib.parse import quote

from ml_logger.transport import frames, protocol
from ml_logger.transport.frames import Op
from tests.attacks.attack import MARK, OPEN, Attack, Deed, batch_head, blocks, gets, head, statuses, told
from tests.attacks.scene import Scene
from tests.wire import append, parsed

FILE = f"{protocol.FILES}/{OPEN}"


def with_token(name: str, method: str, target: str, *fields: str, form: str = "{}", body: bytes = b"") -> Deed:
    """Ask with a token, perhaps in another form, and tell the status."""
    return lambda scene: statuses(
        scene.ask(
            head(method, target, f"Authorization: {form.format(f'Bearer {scene.secrets[name]}')}", *fields, body=body)
        )
    )


def posts_as(name: str, *ops: tuple[object, ...]) -> Deed:
    """Post frames with a token, and tell the answer."""

    def deed(scene: Scene) -> str:
        body = b"".join(frames.encode(seq, *op) for seq, op in enumerate(ops, 1))  # type: ignore[arg-type]
        return told(scene.ask(batch_head(scene.fresh(), body, scene.token(name))))

    return deed


def lists_as(name: str, pattern: str) -> Deed:
    """List with a token, and tell which files of others are seen."""

    def deed(scene: Scene) -> str:
        _own(scene)
        answer = parsed(scene.ask(head("GET", f"{protocol.ENTRIES}?pattern={quote(pattern)}", scene.token(name))))
        if answer.status != 200:
            return str(answer.status)
        return " ".join(sorted(key for key, _, _ in json.loads(answer.body)["entries"]))

    return deed


def columns_as(name: str, question: dict[str, object]) -> Deed:
    """Ask for columns with a token, and tell the kinds of blocks, or the status."""

    def deed(scene: Scene) -> str:
        _own(scene)
        body = json.dumps(question).encode()
        fields = ("Content-Type: application/json", scene.token(name))
        answer = parsed(scene.ask(head("POST", protocol.TABLES, *fields, body=body)))
        return " ".join(blocks(answer)) if answer.status == 200 else str(answer.status)

    return deed


def _own(scene: Scene) -> None:
    for key in ("team/x", "team2/x"):
        scene.answered(frames.encode(1, Op.WRITE, key.encode(), b"x"))


def same_answers(scene: Scene) -> str:
    """Tell whether a file of others that is there is answered as one that is not."""
    answers = {
        scene.ask(head("GET", f"{protocol.FILES}/{key}", scene.token("team"))) for key in (OPEN, "none", "run/zz")
    }
    return f"{len(answers)} answers: {statuses(answers.pop())}"


def guesses(scene: Scene) -> str:
    """Try 200 tokens that are nearly right, and tell what they are answered."""
    secret = scene.secrets["admin"]
    tries = [secret[:-1] + chr(33 + n % 90) for n in range(100) if secret[-1] != chr(33 + n % 90)]
    tries += [secret.upper(), secret + "=", secret[1:], secret + secret, secret[:-1]]
    return " ".join(sorted({statuses(scene.ask(head("GET", FILE, f"Authorization: Bearer {text}"))) for text in tries}))


DIGEST = 'Digest username="a", realm="b", response="c"'
PLAIN = {
    "T01 none": ((), "401"),
    "T01 none, to write": (("X: y",), "401"),
    "T02 a wrong one": (("Authorization: Bearer mll_" + "x" * 43,), "401"),
    "T02 an empty one": (("Authorization: Bearer ",), "401"),
    "T02 another scheme": (("Authorization: Basic YWRtaW46YWRtaW4=",), "401"),
    "T02 a digest": ((f"Authorization: {DIGEST}",), "401"),
    "T02 no scheme": (("Authorization: admin",), "401"),
    "T03 of 15,000 bytes": (("Authorization: Bearer " + "x" * 15_000,), "401"),
    "T03 of 1 MB": (("Authorization: Bearer " + "x" * 10**6,), "401"),
    "T04 no ASCII": (("Authorization: Bearer \xff\xfe\xe9",), "401"),
    "T04 NUL": (("Authorization: Bearer a\0b",), "400"),
    "T05 two": (("Authorization: Bearer a", "Authorization: Bearer b"), "400"),
    "T06 names of admins": (("X-Admin: true", "X-Remote-User: admin", "X-Forwarded-User: admin"), "401"),
    "T06 the SHA-256 of nothing": (
        ("Authorization: Bearer e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",),
        "401",
    ),
}

ROUND = {
    "T07 health, and then another": f"{protocol.HEALTH}/../entries",
    "T07 health, and then a slash": f"{protocol.HEALTH}/",
    "T07 health, and then an escape": f"{protocol.HEALTH}%2f..%2fentries",
    "T07 health in escapes, and then more": "/v1/%68ealth/entries",
    "T07 entries in capitals": "/V1/ENTRIES",
    "T07 entries with a semicolon": f"{protocol.ENTRIES};{protocol.HEALTH}",
    "T07 entries with health in the query": f"{protocol.ENTRIES}?x={protocol.HEALTH}",
    "T07 entries in escapes": "/v1/%65ntries",
    "T07 entries with a slash": f"{protocol.ENTRIES}/",
}


def query(scene: Scene) -> str:
    """Send a right token in the address, in a cookie, and in other headers."""
    secret = scene.secrets["admin"]
    tries = [
        head("GET", f"{FILE}?access_token={secret}"),
        head("GET", FILE, f"Cookie: access_token={secret}; Authorization=Bearer {secret}"),
        head("GET", FILE, f"Proxy-Authorization: Bearer {secret}"),
        head("GET", FILE, f"X-Access-Token: {secret}"),
        head("GET", FILE, f"Authorization: Basic {secret}"),
    ]
    return " ".join(statuses(scene.ask(request)) for request in tries)


CASES = [
    *(Attack(name, gets(FILE, *fields), expected, "guarded") for name, (fields, expected) in PLAIN.items()),
    *(Attack(name, gets(target), "401", "guarded") for name, target in ROUND.items()),
    Attack("T08 a right one in the wrong place", query, "401 401 401 401 401", "guarded"),
    Attack("T09 an expired one", with_token("old", "GET", FILE), "401", "guarded"),
    Attack("T09 a right one twice in one", with_token("admin", "GET", FILE, form="{0}, {0}"), "401", "guarded"),
    Attack("T09 200 that are nearly right", guesses, "401", "guarded"),
    Attack("T10 a reader writes", posts_as("reader", (Op.WRITE, b"evil/t", MARK)), "403", "guarded"),
    Attack("T10 a reader removes", posts_as("reader", (Op.REMOVE, OPEN.encode(), b"")), "403", "guarded"),
    Attack("T10 a reader, with another method", with_token("reader", "POST", FILE, body=b"x"), "403", "guarded"),
    Attack("T11 files of others, there or not", same_answers, "1 answers: 403", "guarded"),
    Attack("T12 a name that begins like the prefix", posts_as("team", (Op.WRITE, b"team2/x", MARK)), "403", "guarded"),
    Attack(
        "T12 out of the prefix",
        posts_as("team", (Op.WRITE, b"team/../run/a", MARK)),
        "200, committed 1, rejected 1",
        "guarded",
    ),
    Attack(
        "T12 out of the prefix, in an address",
        with_token("team", "GET", f"{protocol.FILES}/team/..%2frun%2fa"),
        "400",
        "guarded",
    ),
    Attack("T12 the prefix in capitals", posts_as("team", (Op.WRITE, b"TEAM/x", MARK)), "403", "guarded"),
    Attack(
        "T13 to others",
        posts_as("team", (Op.APPEND, b"team/a", b"x"), (Op.MOVE, b"team/a", b"run/b")),
        "403",
        "guarded",
    ),
    Attack("T13 from others", posts_as("team", (Op.COPY, OPEN.encode(), b"team/stolen")), "403", "guarded"),
    Attack(
        "T13 one frame of many",
        posts_as("team", (Op.APPEND, b"team/b", MARK), (Op.APPEND, b"run/a", MARK)),
        "403",
        "guarded",
    ),
    Attack("T13 removes what is above", posts_as("team", (Op.REMOVE, b"", b"")), "403", "guarded"),
    Attack("T14 lists everything", lists_as("team", "**"), "team/x", "guarded", stores=True),
    Attack("T14 lists others", lists_as("team", "run/**"), "", "guarded", stores=True),
    Attack("T14 lists what begins alike", lists_as("team", "team*/**"), "team/x", "guarded", stores=True),
    Attack("T14 lists what is above", lists_as("team", "team/../**"), "400", "guarded", stores=True),
    Attack("T15 columns of others", columns_as("team", {"key": OPEN}), "403", "guarded", stores=True),
    Attack(
        "T15 columns of everything", columns_as("team", {"pattern": "**"}), "file ended stop", "guarded", stores=True
    ),
    Attack("T15 columns of what begins alike", columns_as("team", {"key": "team2/x"}), "403", "guarded", stores=True),
    Attack(
        "T16 a writer of somebody else",
        lambda scene: told(scene.ask(batch_head(scene.fresh(), append(1, MARK, "run/z"), scene.token("team")))),
        "403",
        "guarded",
    ),
]
