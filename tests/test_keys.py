"""Keys cannot leave the log directory, and globs match what people mean."""

from __future__ import annotations

import fnmatch
import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_logger import keys
from ml_logger.errors import InvalidKey


@given(st.text(alphabet=st.characters(codec=None) | st.sampled_from("./\\\0 ~\n:*"), max_size=40))
def test_an_accepted_key_stays_below_the_root(text: str) -> None:
    """Whatever text is offered, it is refused or it is a path below the root, in the one way to write it."""
    try:
        key = keys.check(text)
    except InvalidKey:
        return

    joined = posixpath.normpath(posixpath.join("/root", key))
    assert joined == f"/root/{key}"
    assert not key.lower().startswith(".ml_logger")
    assert len(key.encode()) <= 1024


@pytest.mark.parametrize(
    "key",
    [
        *(
            "../x",
            "a/../../x",
            "a/./b",
            "/x",
            "//x",
            "..\\x",
            "a\0",
            "",
            ".",
            "a//b",
            "a/",
            "x" * 256,
            "/".join("a" * 65),
        ),
        "d\ud800",
        "a\nb",
        "a\x1b[0m",
        "a\u202eb",
        "CON",
        "nul.txt",
        "Com1",
        "x.",
        "x ",
        ".ml_logger/lock",
        ".ML_LOGGER/x",
    ],
)
def test_bad_keys_are_refused_with_a_reason(key: str) -> None:
    """Each way out of the root, and each name that some file system cannot hold, is refused."""
    with pytest.raises(InvalidKey) as caught:
        keys.check(key)

    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "key", ["a", "a/b.pkl", "your-experiment-prefix!", "ü/日本.txt", "a b/c", "~/x", "$HOME", "a:b", "..a"]
)
def test_good_keys_are_kept_as_they_are(key: str) -> None:
    """What people name their runs is a key."""
    assert keys.check(key) == key


def test_join_puts_a_key_below_the_prefix() -> None:
    """A path is below the prefix, with a leading slash below the root; the host's files are out of reach."""
    assert keys.join("me/run", "a", "b") == "me/run/a/b"
    assert keys.join("", "a") == "a"
    assert keys.join("me/run", "/you/x") == "you/x"
    for parts in (("//etc/passwd",), ("a", "/b"), ("",), ("..",)):
        with pytest.raises(InvalidKey):
            keys.join("me", *parts)


def test_prefixes_are_joined_without_slashes() -> None:
    """Slashes at the ends of the parts of a prefix do not count."""
    assert keys.prefix("/me/", "run/") == "me/run"
    assert keys.prefix("", "/") == ""


@given(st.lists(st.sampled_from(["a", "b", "ab", "*", "?", "a*", "*b"]), min_size=1, max_size=3), st.data())
def test_globs_without_folders_match_as_fnmatch_does(parts: list[str], data: st.DataObject) -> None:
    """Within one name, a glob matches what the standard library's does."""
    query = "".join(parts)
    name = data.draw(st.text(alphabet="ab", min_size=1, max_size=5))

    assert bool(keys.pattern(query).fullmatch(name)) == fnmatch.fnmatchcase(name, query)


@pytest.mark.parametrize(
    ("query", "matches", "others"),
    [
        ("**", ["a", "a/b", "a/b/c"], []),
        ("*", ["a"], ["a/b"]),
        ("**/x", ["x", "a/x", "a/b/x"], ["ax", "a/x/b"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "ab", "b/a"]),
        ("a/**/x", ["a/x", "a/b/x", "a/b/c/x"], ["a/bx", "x"]),
        ("**/**/*.pkl", ["a.pkl", "a/b.pkl"], ["a.txt"]),
        ("[ab].txt", ["a.txt", "b.txt"], ["c.txt", "/.txt"]),
        ("[!ab].txt", ["c.txt"], ["a.txt", "/.txt"]),
        ("[[]x].txt", ["[x].txt"], ["x.txt"]),
        ("a[", ["a["], ["a"]),
        ("a.b", ["a.b"], ["axb"]),
    ],
)
def test_globs(query: str, matches: list[str], others: list[str]) -> None:
    """Stars stay within a name, two stars span folders, sets match one character."""
    pattern = keys.pattern(query)

    assert [name for name in [*matches, *others] if pattern.fullmatch(name)] == matches


def test_a_glob_that_makes_no_sense_is_refused() -> None:
    """A set with its ends the wrong way round is an error of the caller."""
    with pytest.raises(InvalidKey):
        keys.pattern("[b-a]")


@pytest.mark.parametrize(
    ("query", "good", "bad"),
    [
        ("[+--]", "+,-", "*."),
        ("[--a]", "-0Z", ",b"),
        ("[!a--]", "", ""),
        ("[a&&b||c~~d]", "a&b|c~d", "ex"),
        ("[a-]", "a-", "b"),
    ],
)
def test_sets_mean_what_they_say(query: str, good: str, bad: str, recwarn: pytest.WarningsRecorder) -> None:
    """Signs that may mean something else to Python one day stand for themselves in sets, and nobody is warned."""
    if not good:
        with pytest.raises(InvalidKey):
            keys.pattern(query)
        return
    matches = keys.pattern(query).fullmatch

    assert all(map(matches, good))
    assert not any(map(matches, bad))
    assert not recwarn.list


def test_a_key_of_stars_can_be_matched_literally() -> None:
    """Stars that a set makes literal are no wildcards, however many they are."""
    key = "*" * 200

    assert keys.pattern(keys.literal(key)).fullmatch(key)
    assert not keys.pattern(keys.literal(key)).fullmatch("a" * 200)
    with pytest.raises(InvalidKey, match="wildcards"):
        keys.pattern("*a" * 101)
