"""Cookies of sessions in the wrong hands: sent along by pages of other sites, planted, guessed, or used for more."""

from __future__ import annotations

from ml_logger.transport import frames, protocol
from ml_logger.transport.frames import Op
from tests.attacks.attack import MARK, OPEN, Attack, Deed, batch_head, head, statuses, told
from tests.attacks.scene import Scene
from tests.wire import append, parsed

FILE = f"{protocol.FILES}/{OPEN}"
OWN = "Origin: http://localhost"


def session(scene: Scene, name: str) -> str:
    """Begin a session with a token, as the page does, and return the header that its browser sends from then on."""
    answer = parsed(scene.ask(head("POST", protocol.SESSION, OWN, scene.token(name))))
    return f"Cookie: {answer.headers['set-cookie'].split(';')[0]}"


def reads(*fields: str) -> Deed:
    """Read a file with a cookie, and tell the status."""
    return lambda scene: statuses(scene.ask(head("GET", FILE, session(scene, "admin"), *fields)))


def writes(name: str, *fields: str, key: str = "stolen/a") -> Deed:
    """Write with a cookie, and tell the answer."""

    def deed(scene: Scene) -> str:
        return told(scene.ask(batch_head(scene.fresh(), append(1, MARK, key), session(scene, name), *fields)))

    return deed


def planted(form: str) -> Deed:
    """Send the cookie in another form: `{0}` is its name, `{1}` its value; tell the status."""

    def deed(scene: Scene) -> str:
        name, value = session(scene, "admin").removeprefix("Cookie: ").split("=", 1)
        return statuses(scene.ask(head("GET", FILE, *form.format(name, value).split("\n"))))

    return deed


def fixed(scene: Scene) -> str:
    """Log somebody in over a cookie that was planted, and tell what that cookie is good for then."""
    before = session(scene, "team")
    scene.ask(head("POST", protocol.SESSION, OWN, scene.token("admin"), before))
    return statuses(scene.ask(head("GET", f"{protocol.FILES}/team/a", before)))


def logs_in_from_elsewhere(scene: Scene) -> str:
    """Log somebody in as another from another site, and tell whether a cookie comes of it."""
    answer = parsed(scene.ask(head("POST", protocol.SESSION, "Origin: https://evil.example", scene.token("team"))))
    return f"{answer.status} {'set-cookie' in answer.headers}"


def logs_out_from_elsewhere(scene: Scene) -> str:
    """Log somebody out from another site, and tell whether the session still holds."""
    cookie = session(scene, "admin")
    first = statuses(scene.ask(head("DELETE", protocol.SESSION, cookie, "Origin: https://evil.example")))
    second = statuses(scene.ask(head("DELETE", protocol.SESSION, cookie)))
    return f"{first} {second} {statuses(scene.ask(head('GET', FILE, cookie)))}"


def guesses(scene: Scene) -> str:
    """Try 100 cookies that are nearly right, and tell what they are answered."""
    cookie = session(scene, "admin")
    tries = [cookie[:-1] + chr(33 + n % 90) for n in range(100) if cookie[-1] != chr(33 + n % 90)]
    tries += [cookie.split("=")[0] + "=", cookie.split("=")[0] + "=" + "x" * 10_000, cookie.upper(), cookie + "x"]
    tries = [text for text in tries if ";" not in text]
    return " ".join(sorted({statuses(scene.ask(head("GET", FILE, text))) for text in tries}))


def floods(scene: Scene) -> str:
    """Begin 300 sessions with one token, and tell whether the session of another one still holds."""
    other = session(scene, "reader")
    for _ in range(300):
        session(scene, "admin")
    return statuses(scene.ask(head("GET", FILE, other)))


FOREIGN = {
    "S01 another site": ("Origin: https://evil.example",),
    "S01 another port of ours": ("Origin: http://localhost:1",),
    "S01 no site": ("Origin: null",),
    "S01 from a neighbor": ("Sec-Fetch-Site: same-site",),
    "S01 from elsewhere": ("Sec-Fetch-Site: cross-site",),
}

CASES = [
    *(Attack(f"{name} writes", writes("admin", *fields), "403", "guarded") for name, fields in FOREIGN.items()),
    *(Attack(f"{name} reads", reads(*fields), "401", "guarded") for name, fields in FOREIGN.items()),
    Attack("S02 writes without saying from where", writes("admin"), "401", "guarded"),
    Attack("S02 reads as our page", reads("Sec-Fetch-Site: same-origin"), "200", "guarded"),
    Attack("S03 logs somebody in as another", logs_in_from_elsewhere, "403 False", "guarded"),
    Attack("S03 logs somebody out", logs_out_from_elsewhere, "403 200 200", "guarded"),
    Attack("S04 a session that was there before", fixed, "401", "guarded"),
    Attack("S05 a reader writes", writes("reader", OWN), "403", "guarded"),
    Attack("S05 out of the prefix", writes("team", OWN, key="run/a"), "403", "guarded"),
    Attack("S06 guesses", guesses, "401", "guarded"),
    Attack("S06 the name of another server", planted("Cookie: ml-logger-0123456789abcdef={1}"), "401", "guarded"),
    Attack("S07 two of one name", planted("Cookie: {0}=x; {0}={1}"), "401", "guarded"),
    Attack("S07 two headers", planted("Cookie: {0}=x\nCookie: {0}={1}"), "401", "guarded"),
    Attack("S07 as a token", planted("Authorization: Bearer {1}"), "401", "guarded"),
    Attack("S07 in the address of nobody", planted("X-Cookie: {0}={1}"), "401", "guarded"),
    Attack("S08 300 sessions", floods, "200", "guarded"),
    Attack(
        "S09 removes everything with a cookie, from elsewhere",
        lambda scene: told(
            scene.ask(
                batch_head(
                    scene.fresh(),
                    frames.encode(1, Op.REMOVE, b"run", b""),
                    session(scene, "admin"),
                    "Origin: http://localhost.evil.example",
                )
            )
        ),
        "403",
        "guarded",
    ),
]
