"""Paths as attackers write them: in addresses, in frames, in globs, and planted on the disk."""

from __future__ import annotations

from ml_logger.transport import protocol
from ml_logger.transport.frames import Op
from tests.attacks.attack import MARK, OPEN, Attack, everywhere, finds, gets, links, posts

#: What is no key is read by nobody, and each of nine operations on it is refused.
NO_KEY = "400 | 400 | 200, committed 9, rejected 9 | 400 | stop"
#: In an address it cannot be said at all, or means something else.
NO_LEAF = "404 | 404 | 200, committed 4, rejected 4 | 404"

KEYS = {
    "P01 parent": "../secret",
    "P02 parent within": "run/../../secret",
    "P03 dot": "run/./a",
    "P04 absolute": "/etc/passwd",
    "P04 absolute, of a file outside": "{outside}/secret",
    "P05 two slashes": "//etc/passwd",
    "P10 backslash": "..\\secret",
    "P12 NUL": "run/a\0.pkl",
    "P14 the root": ".",
    "P15 empty part": "run//a",
    "P16 slash at the end": "run/a/",
    "P17 a name of 256 bytes": "x" * 256,
    "P18 a path of 5,000 bytes": "x/" * 2500 + "x",
    "P19 a depth of 1,000": "/".join("a" * 511),
    "P23 newline": "run/a\nb",
    "P23 return": "run/a\rb",
    "P23 escape": "run/\x1b[2J",
    "P23 bidi override": "run/\u202egnp.exe",
    "P23 no width": "run/a\u200bb",
    "P24 drive": "C:/x",
    "P24 share": "\\\\host\\x",
    "P24 device path": "\\\\?\\x",
    "P25 device": "CON",
    "P25 device with a suffix": "run/nul.txt",
    "P25 dot at the end": "run/x.",
    "P25 space at the end": "run/x ",
    "P25 stream": "run/a::$DATA",
    "P26 our catalog": ".ml_logger/catalog.db",
    "P26 our tokens": ".ml_logger/tokens.json",
    "P26 our lock in capitals": ".ML_LOGGER/lock",
    "P26 our short name": "ML_LOG~1/lock",
    "P26 our name, wide": "\uff0eml_logger/lock",
    "P26 our name, deeper": "run/.ml_logger/x",
    "P27 sibling": "../data-evil/secret",
    "P37 address of a file": "file:///etc/passwd",
    "P37 address of a site": "http://x/y",
    "P41 division slash": "..\u2215secret",
    "P41 wide slash": "..\uff0fsecret",
    "P41 wide dots": "\uff0e\uff0e/secret",
    "P41 two dot leader": "\u2025/secret",
}

ADDRESSES = {
    "P06 slash": ("..%2fsecret", "400"),
    "P07 dots": ("%2e%2e/secret", "400"),
    "P08 both": ("%2e%2e%2fsecret", "400"),
    "P09 twice": ("%252e%252e%252fsecret", "404"),
    "P09 thrice": ("%25252e%25252e%25252fsecret", "404"),
    "P11 backslash": ("..%5csecret", "400"),
    "P12 NUL in an address": ("run/a%00.txt", "400"),
    "P20 no UTF-8": ("%ff%fe", "400"),
    "P21 overlong dots": ("%c0%ae%c0%ae/secret", "400"),
    "P21 overlong slash": ("..%c0%afsecret", "400"),
    "P21 overlong in three": ("..%e0%80%afsecret", "400"),
    "P22 surrogate": ("%ed%a0%80", "400"),
    "P36 home": ("~/.ssh/id", "404"),
    "P36 variable": ("$HOME/.ssh/id", "404"),
    "P36 variable of Windows": ("%25HOME%25/.ssh/id", "404"),
    "P38 fragment": ("run/a%23../../secret", "400"),
    "P38 question mark": ("run/a%3F../../secret", "400"),
    "P38 semicolon": ("run;/..;/..;/secret", "404"),
    "P42 wide escape": ("%u002e%u002e/secret", "404"),
    "P42 stray escape": ("run/a%zz", "404"),
    "P42 unfinished escape": ("run/a%2", "404"),
    "P42 of a process": ("proc/self/environ", "404"),
    "P42 dots behind a file": ("run/a/../../../secret", "400"),
}

GLOBS = {
    "P43 parent": ("../*", "400"),
    "P43 parent within": ("run/../../*", "400"),
    "P43 absolute": ("/etc/*", "0 files"),
    "P43 our own": (".ml_logger/**", "0 files"),
    "P43 our own in a set": ("[.]ml_logger/*", "0 files"),
    "P43 our own by a question mark": ("?ml_logger/*", "0 files"),
    "P43 our own in capitals": (".ML_LOGGER/*", "0 files"),
    "P43 behind a link": ("run/dir/**", "0 files"),
    "P43 behind a link, by name": ("**/secret", "0 files"),
    "P43 behind a link upwards": ("run/up/up/**", "0 files"),
    "P43 wide dots": ("\uff0e\uff0e/*", "0 files"),
    "P43 parent in a set": ("[.][.]/*", "0 files"),
    "P43 NUL": ("run/\0*", "0 files"),
}

LINKS = {
    "P28 link to a file outside": "run/file",
    "P28 relative link to a file outside": "run/relative",
    "P28 link to the environment": "run/proc",
    "P28 link to nothing yet": "run/nowhere",
    "P28 link to itself": "run/loop",
    "P29 link to a folder outside": "run/dir",
    "P29 through a link to a folder outside": "run/dir/secret",
    "P29 new file through a link": "run/dir/new",
    "P29 through a link to the sibling": "run/sibling/secret",
    "P29 through a link to our own": "run/own/catalog.db",
    "P29 new file in our own": "run/own/new",
    "P29 through a link upwards": "run/up/run/a",
    "P30 link to a file inside": "run/inside",
    "P33 pipe": "run/pipe",
    "P33 socket": "run/socket",
    "P35 file as a folder": "run/a/b",
}

CASES = [
    *(Attack(name, everywhere(key), NO_KEY) for name, key in KEYS.items()),
    *(Attack(name, gets(f"{protocol.FILES}/{path}"), expected) for name, (path, expected) in ADDRESSES.items()),
    *(Attack(f"{name}, as a glob", finds(glob), expected) for name, (glob, expected) in GLOBS.items()),
    *(Attack(name, links(key), NO_LEAF) for name, key in LINKS.items()),
    # An empty folder can be copied: that makes nothing.
    Attack("P34 folder as a file", links("run/folder"), "404 | 404 | 200, committed 4, rejected 3 | 404"),
    Attack("P13 empty", posts([(1, Op.WRITE, b"", MARK)]), "200, committed 1, rejected 1"),
    Attack("P13 nothing behind the address", gets(f"{protocol.FILES}/"), "400"),
    Attack("P20 no UTF-8 in a frame", posts([(1, Op.WRITE, b"\xff\xfe", MARK)]), "400"),
    Attack("P20 no UTF-8 as a target", posts([(1, Op.COPY, OPEN.encode(), b"\xff")]), "200, committed 1, rejected 1"),
    Attack("P22 surrogate in a frame", posts([(1, Op.WRITE, b"\xed\xa0\x80", MARK)]), "400"),
    Attack(
        "P32 hard link to a file outside",
        posts([(1, Op.APPEND, b"run/hard", MARK)]),
        "200, committed 1, rejected 1",
    ),
    Attack(
        "P39 two spellings of one name",
        posts([(1, Op.APPEND, "z\u0308".encode(), b"1"), (2, Op.APPEND, "z\u0308".encode(), b"2")], then="z%CC%88"),
        "200, committed 2; there is b'12'",
    ),
    Attack(
        "P40 two cases of one name",
        posts([(1, Op.WRITE, b"case/x", b"1"), (2, Op.WRITE, b"case/X", b"2")], then="case/x"),
        "200, committed 2; there is b'1'",
    ),
    Attack(
        "P44 half an escape is a name",
        posts([(1, Op.WRITE, b"run/%2e%2e", b"1")], then="run/%252e%252e"),
        "200, committed 1; there is b'1'",
    ),
]
