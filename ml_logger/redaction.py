"""Secrets in a patch: found by where they stand and what they look like, and replaced.

What is replaced by `[redacted]` is listed in the docs of `ML_Logger.diff`. It is a net, not a wall: a secret that looks
like ordinary text passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatch

MARK = "[redacted]"

#: Files whose contents are never stored, by name.
SECRET_FILES = (
    ".env",
    ".env.*",
    "*.env",
    ".envrc",
    ".netrc",
    "_netrc",
    ".npmrc",
    ".pypirc",
    ".htpasswd",
    ".pgpass",
    ".git-credentials",
    "credentials",
    "credentials.*",
    "secrets.*",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.kdbx",
)

_NAME = (
    r"(?:password|passwd|passphrase|pwd|secret|token|credentials?"
    r"|api_?-?key|access_?-?key|secret_?-?key|auth_?-?key|private_?-?key)"
)
#: A name that ends in such a word, and the sign behind it: `DB_PASSWORD=`, `"api_key": `, `token: `, `--token `.
_ASSIGNED = (
    r"(?<![A-Za-z0-9])("
    rf"(?:[\w.-]{{0,64}}[_.-])?{_NAME}[\"']?\s{{0,9}}(?::=|=>|[:=])\s{{0,9}}"
    rf"|--(?:[\w-]{{0,64}}-)?{_NAME}[ =])"
)
_QUOTED = re.compile(_ASSIGNED + r"([rbuf]{0,2})(\"\"\"|\'\'\'|\"|\')((?:\\.|(?!\3)[^\\])+)\3", re.IGNORECASE)
_BARE = re.compile(_ASSIGNED + r"(?![\"'$<({\[])([^\s\"',;#&|]{6,})", re.IGNORECASE)
_HEADER = re.compile(r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|token)\s+)[\w.~+/=-]{6,}")
_URL = re.compile(r"([a-z][a-z0-9+.-]{1,20}://[^\s:/@\"']{0,80}:)[^\s/@\"']{1,200}@", re.IGNORECASE)
_TOKENS = re.compile(
    r"(?<![A-Za-z0-9_])(?:"
    r"(?:AKIA|ASIA)[A-Z0-9]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_\w{30,255}"
    r"|glpat-[\w-]{18,100}"
    r"|mll_[\w-]{40,60}"  # ours
    r"|hf_[A-Za-z0-9]{20,100}"
    r"|sk-[A-Za-z0-9_-]{20,250}"
    r"|xox[abprs]-[\w-]{10,200}"  # Slack
    r"|AIza[\w-]{35}"  # Google
    r"|pypi-[\w-]{30,300}|npm_[A-Za-z0-9]{30,100}"
    r"|eyJ[\w-]{10,2000}\.eyJ[\w-]{10,4000}\.[\w-]{10,2000}"  # a JSON web token
    r")"
)
_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----")
_KEY_ENDS = re.compile(r"-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----")
#: Files in which a value without quotes is a text, and no name of a variable.
_CONFIGURATION = (
    "",
    ".yml",
    ".yaml",
    ".toml",
    ".ini",
    ".cfg",
    ".conf",
    ".json",
    ".properties",
    ".sh",
    ".txt",
    ".md",
    ".rst",
)
_LONGEST = 20_000  # characters of a line; longer ones are data, and the patterns are for text
_KEY_LINES = 200  # where no end of a private key comes, what began was the mention of one


def is_secret_file(path: str) -> bool:
    """Tell whether a file is one that holds secrets, by its name."""
    name = path.rpartition("/")[2].lower()
    return any(fnmatch(name, pattern) for pattern in SECRET_FILES)


def redact(patch: str, known: tuple[str, ...] = ()) -> str:
    """Return a patch of git with its secrets replaced; `known` ones wherever they stand.

    >>> redact('+++ b/a.py\\n+password = "hunter2"\\n+tokens = tokenize(text)\\n')
    '+++ b/a.py\\n+password = "[redacted]"\\n+tokens = tokenize(text)\\n'
    """
    return "".join(_redacted(patch, tuple(secret for secret in known if len(secret) >= 4)))


def _redacted(patch: str, known: tuple[str, ...]) -> Iterator[str]:
    secret_file = bare = False
    key_lines, binary = 0, False
    for line in re.split(r"(?<=\n)", patch):
        if line.startswith("diff --git "):
            path = line.rstrip().rpartition(" b/")[2].strip('"')
            secret_file, bare = is_secret_file(path), _is_configuration(path)
            key_lines, binary = 0, False
            yield line
        elif secret_file:
            binary = binary or line.startswith("GIT binary patch")
            yield "" if binary else _blank(line)
        elif binary or line.startswith("GIT binary patch"):
            binary = True
            yield line
        elif key_lines or _KEY_BEGINS.search(line):
            key_lines = 0 if _KEY_ENDS.search(line) or key_lines > _KEY_LINES else key_lines + 1
            yield f"{line[:1]}{MARK}\n"
        else:
            yield _line(line, bare, known)


def _is_configuration(path: str) -> bool:
    name = path.rpartition("/")[2]
    return (name[name.rindex(".") :].lower() if "." in name[1:] else "") in _CONFIGURATION


def _blank(line: str) -> str:
    """Return a line of a patch without what the file holds."""
    if line.startswith("@@"):
        return line[: line.index("@@", 2) + 2] + "\n" if "@@" in line[2:] else f"@@{MARK}\n"
    is_content = line[:1] in ("+", "-", " ") and not line.startswith(("+++ ", "--- "))
    return f"{line[:1]}{MARK}\n" if is_content else line


def _line(line: str, bare: bool, known: tuple[str, ...]) -> str:
    for secret in known:
        line = line.replace(secret, MARK)
    if len(line) > _LONGEST:
        return line
    line = _QUOTED.sub(rf"\1\2\3{MARK}\3", line)
    line = _HEADER.sub(rf"\1{MARK}", line)
    line = _URL.sub(rf"\1{MARK}@", line)
    line = _TOKENS.sub(MARK, line)
    return _BARE.sub(rf"\1{MARK}", line) if bare else line
