"""Where the code comes from: revisions, and patches that leave the repository alone and keep secrets to themselves."""

from __future__ import annotations

import functools
import os
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_logger import ML_Logger, provenance, redaction
from tests import programs

RANDOM = os.urandom(3000)


def git(*args: str, folder: Path | None = None, **run: Any) -> str:
    """Run git as a person would."""
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main", *args]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=True, **run)
    return done.stdout.decode(errors="replace")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a commit and a tag, which is the folder we are in."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "train.py").write_text("lr = 0.1\n")
    (folder / "image.bin").write_bytes(RANDOM)
    (folder / ".gitignore").write_text("*.log\n")
    git("init", "-q", folder=folder)
    git("add", ".", folder=folder)
    git("commit", "-qm", "first", folder=folder)
    git("tag", "v1", folder=folder)
    monkeypatch.chdir(folder)
    return folder


def fingerprint(folder: Path) -> dict[str, tuple[int, bytes | None]]:
    """Return the modification times and contents of everything that git keeps."""
    paths = [path for path in (folder / ".git").rglob("*")]
    return {str(path): (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else None) for path in paths}


def test_a_diff_can_be_applied(logger: ML_Logger, repository: Path, tmp_path: Path) -> None:
    """The patch takes a fresh copy of the commit to what is here: changed, staged, new, binary and removed files."""
    (repository / "train.py").write_text("lr = 0.2\n")
    (repository / "staged.py").write_text("new\n")
    git("add", "staged.py")
    (repository / "deep").mkdir()
    (repository / "deep" / "ü new*.txt").write_text("untracked\r\nno end", newline="")
    (repository / "new.bin").write_bytes(RANDOM[::-1])
    (repository / "latin.txt").write_bytes("käse\n".encode("latin-1"))
    (repository / "run.sh").write_text("echo\n")
    (repository / "run.sh").chmod(0o755)
    (repository / "link").symlink_to("train.py")
    (repository / "ignored.log").write_text("ignored")
    (repository / "image.bin").unlink()
    patch = logger.diff()

    assert patch is not None
    assert "lr = 0.2" in patch
    logger.download_file("index.diff", tmp_path / "index.diff")
    git("clone", "-q", str(repository), str(tmp_path / "copy"))
    git("apply", str(tmp_path / "index.diff"), folder=tmp_path / "copy")
    here = {
        path.name: path.read_bytes() for path in repository.rglob("*") if path.is_file() and ".git" not in path.parts
    }
    copy = tmp_path / "copy"
    there = {path.name: path.read_bytes() for path in copy.rglob("*") if path.is_file() and ".git" not in path.parts}
    del here["ignored.log"]
    assert there == here
    assert stat.S_IMODE((copy / "run.sh").stat().st_mode) & 0o100
    assert (copy / "link").is_symlink()


def test_a_diff_leaves_the_repository_alone(repository: Path, tmp_path: Path) -> None:
    """Index, objects and everything else that git keeps stay as they were, byte for byte."""
    (repository / "train.py").write_text("lr = 0.2\n")
    (repository / "new.py").write_text("new\n")
    os.utime(repository / "image.bin", (1, 1))  # git would refresh its index for this
    status = git("status", "--porcelain")
    before = fingerprint(repository)
    logger = ML_Logger(tmp_path / "root", silent=True)

    assert logger.diff() is not None
    assert "new.py" in logger.load_text("index.diff")
    assert fingerprint(repository) == before
    assert git("status", "--porcelain") == status


def test_forms_of_diff(logger: ML_Logger, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another folder, path and revision; a second call replaces the first; nothing changed gives an empty patch."""
    assert logger.diff(silent=True) == ""
    (repository / "deep").mkdir()
    (repository / "train.py").write_text("lr = 0.2\n")
    git("commit", "-qam", "second")
    (repository / "train.py").write_text("lr = 0.3\n")
    monkeypatch.chdir("/")

    assert "-lr = 0.2\n+lr = 0.3" in (logger.diff(str(repository), "a/now.diff") or "")
    assert "-lr = 0.1\n+lr = 0.3" in (logger.diff(repository / "deep", "index.diff", ref="v1", verbose=True) or "")
    assert "-lr = 0.1" in logger.load_text("index.diff")
    logger.diff(diff_directory=repository)
    assert "-lr = 0.1" not in logger.load_text("index.diff")


def test_a_change_of_the_same_moment(logger: ML_Logger, repository: Path) -> None:
    """A file that was changed in the moment of the commit, and kept its size, is in the patch."""
    path, moment = repository / "train.py", (1_000_000_000, 1_000_000_000)
    git("config", "core.checkStat", "minimal")
    git("config", "core.trustctime", "false")
    path.write_text("lr = 0.2\n")
    os.utime(path, moment)
    git("commit", "-qam", "second")
    path.write_text("lr = 0.3\n")
    os.utime(path, moment)
    os.utime(repository / ".git" / "index", moment)

    assert "-lr = 0.2\n+lr = 0.3" in (logger.diff() or "")


def test_a_repository_without_a_commit(logger: ML_Logger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first commit, the patch holds everything, and there is no revision."""
    folder = tmp_path / "young"
    folder.mkdir()
    git("init", "-q", folder=folder)
    (folder / "a.py").write_text("a\n")
    (folder / "b.py").write_text("b\n")
    git("add", "a.py", folder=folder)
    monkeypatch.chdir(folder)
    patch = logger.diff() or ""

    assert "+a\n" in patch
    assert "+b\n" in patch
    assert logger.rev_info() == {"hash": None, "branch": "main"}


def test_large_and_secret_files_are_left_out(
    logger: ML_Logger, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Large files, files of secrets, pipes and folders of other repositories are not in the patch, and are named."""
    (repository / "data.bin").write_bytes(bytes(provenance.LARGEST_FILE + 1))
    (repository / ".env").write_text("DB=hunter2-env\n")
    (repository / "server.pem").write_text("hunter2-pem\n")
    (repository / "small.py").write_text("small\n")
    os.mkfifo(repository / "pipe")
    (repository / "other").mkdir()
    git("init", "-q", folder=repository / "other")
    (repository / "other" / "inner.py").write_text("inner\n")
    patch = logger.diff()

    assert patch is not None
    assert [line for line in patch.splitlines() if line.startswith("diff")] == ["diff --git a/small.py b/small.py"]
    assert "hunter2" not in logger.load_text("index.diff")
    told = capsys.readouterr().err
    assert "untracked files not in the diff (large, or secret): '.env', 'data.bin', 'other/', 'server.pem'" in told


@pytest.mark.parametrize(("root", "prefix"), [("runs", "a"), ("runs", ""), (".", "a")])
def test_the_log_is_not_in_its_diff(repository: Path, root: str, prefix: str) -> None:
    """What was logged into a folder of the repository, as without any configuration, is no change of its code."""
    logger = ML_Logger(root=root, prefix=prefix, silent=True)
    logger.log(0, loss=1, flush=True)
    (repository / "new.py").write_text("new\n")
    patch = logger.diff() or ""

    assert [line for line in patch.splitlines() if line.startswith("diff")] == ["diff --git a/new.py b/new.py"]
    assert logger.diff() == patch


def test_what_git_knows(logger: ML_Logger, repository: Path) -> None:
    """The commit, the branch, the tags, as verbs and as names with underscores."""
    head = git("rev-parse", "HEAD").strip()

    assert logger.__head__ == logger.git_rev() == logger.git_rev("HEAD") == logger.git_rev(branch="main") == head
    assert logger.git_rev("v1") == head
    assert logger.git_rev("nothing") is logger.git_rev("--all") is None
    assert logger.__current_branch__ == "main"
    assert logger.rev_info() == {"hash": head, "branch": "main"}
    assert logger.git_tags() == logger.__tags__ == "v1"
    (repository / "train.py").write_text("lr = 0.2\n")
    git("commit", "-qam", "second")
    assert (logger.git_tags() or "").startswith("v1-1-g")
    git("checkout", "-q", "--detach")
    assert logger.__current_branch__ is None


def test_outside_a_repository(logger: ML_Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no repository, everything is None, nothing is stored, and one line says why."""
    assert logger.diff() is None
    assert [logger.__head__, logger.__current_branch__, logger.__tags__, logger.git_rev()] == [None] * 4
    assert logger.rev_info() == {"hash": None, "branch": None}
    assert logger.diff("/nothing/there") is None
    assert logger.glob("**") == []
    assert capsys.readouterr().err.count("no diff is stored") == 2


def test_without_git(tmp_path: Path) -> None:
    """Without git, everything is None, and the training goes on."""
    code = """
        import os, sys
        os.environ["PATH"] = sys.argv[1]
        from ml_logger import ML_Logger
        logger = ML_Logger(sys.argv[1], silent=True)
        print(logger.diff(), logger.rev_info(), logger.git_tags(), logger.__head__)
        logger.log(0, a=1, flush=True)
    """
    done = programs.run(code, tmp_path)

    assert done.stdout == "None {'hash': None, 'branch': None} None None\n"
    assert "no diff is stored" in done.stderr
    assert (tmp_path / "metrics.pkl").exists()


def test_a_revision_that_is_not_there(logger: ML_Logger, repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown revision gives None, and one line that names it."""
    assert logger.diff(ref="nothing") is None
    assert logger.diff(ref="--output=/tmp/x") is None
    assert "there is no revision 'nothing'" in capsys.readouterr().err


def test_nothing_of_the_repository_runs(logger: ML_Logger, repository: Path, tmp_path: Path) -> None:
    """Names with odd characters reach no shell, and programs that a repository asks for while comparing do not run."""
    made = tmp_path / "made"
    git("config", "diff.external", f"touch {made}")
    git("config", "core.fsmonitor", f"touch {made}")
    git("config", "core.pager", f"touch {made}")
    git("config", "diff.evil.textconv", f"touch {made} #")
    (repository / ".gitattributes").write_text("*.py diff=evil\n")
    (repository / "train.py").write_text("lr = 0.2\n")
    (repository / "$(touch made)`touch made`;touch made").write_text("odd\n")
    patch = logger.diff(f"{repository}/.", ref="HEAD")

    assert patch is not None
    assert "lr = 0.2" in patch
    assert "touch made" in patch
    assert not made.exists()
    assert not (repository / "made").exists()


SECRETS = [
    ("a.py", 'password = "hunter2"', "hunter2"),
    ("a.py", "DB_PASSWORD='it\\'s hunter2'", "hunter2"),
    ("a.py", 'client(api_key="hunter2", model="m")', "hunter2"),
    ("a.py", '{"secret": b"hunter2"}', "hunter2"),
    ("a.py", 'auth.token = f"hunter2"', "hunter2"),
    ("a.yml", "  access-key: hunter2hunter2", "hunter2"),
    ("Makefile", "export WANDB_API_KEY=hunter2hunter2", "hunter2"),
    ("run.sh", "train --token hunter2hunter2 --lr 1", "hunter2"),
    ("a.py", 'url = "https://me:hunter2@host/x"', "hunter2"),
    ("a.py", 'h = {"Authorization": "Bearer hunter2hunter2"}', "hunter2"),
    ("a.py", "x = 'AKIAABCDEFGHIJKLMNOP'", "AKIAABCDEFGHIJKLMNOP"),
    ("a.py", f"x = 'ghp_{'a1' * 18}'", "ghp_a1"),
    ("a.py", f"x = 'hf_{'aB' * 17}'", "hf_aB"),
    ("a.py", f"x = 'sk-proj-{'aB3' * 10}'", "sk-proj"),
    ("a.py", f"x = 'eyJ{'a' * 20}.eyJ{'b' * 20}.{'c' * 20}'", "eyJ"),
    ("notes.txt", "the server has known-token-here", "known-token-here"),
]


@pytest.mark.parametrize(("name", "line", "secret"), SECRETS)
def test_secrets_are_redacted(repository: Path, tmp_path: Path, name: str, line: str, secret: str) -> None:
    """What is behind a telling name, or looks like a token, is not in the patch, wherever it stands; the rest is."""
    path = repository / name
    path.write_text(f"before\n{line}\nafter\n")
    logger = ML_Logger(tmp_path / "root", silent=True, access_token="known-token-here")
    patch = logger.diff() or ""
    git("add", ".")
    git("commit", "-qm", "with a secret")
    path.write_text("before\nafter 2\n")
    removed = logger.diff() or ""

    for text in (patch, removed, logger.load_text("index.diff")):
        assert secret not in text
        assert "[redacted]" in text
        assert "before" in text
    assert "+after" in patch


def test_private_keys_are_redacted(repository: Path, tmp_path: Path) -> None:
    """All lines of a private key are redacted, those behind it are not; the mention of one hides no file."""
    key = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEhunter2\n" * 20 + "-----END RSA PRIVATE KEY-----\n"
    (repository / "a.py").write_text(f"before\nkey = '''{key}'''\nafter\n")
    (repository / "b.py").write_text("# -----BEGIN PRIVATE KEY-----\n" + "line\n" * 400 + "last\n")
    logger = ML_Logger(tmp_path / "root", silent=True)
    patch = logger.diff() or ""

    assert "hunter2" not in patch
    assert "+before" in patch
    assert "+after" in patch
    assert "+last" in patch


def test_tracked_files_of_secrets(repository: Path, tmp_path: Path) -> None:
    """A file that is there for secrets and is tracked shows that it changed, and nothing of what it holds."""
    (repository / ".env").write_text("A=hunter2-old\n")
    (repository / "x.key").write_bytes(RANDOM)
    git("add", ".")
    git("commit", "-qm", "secrets")
    (repository / ".env").write_text("A=hunter2-new\n")
    (repository / "x.key").write_bytes(RANDOM[::-1])
    (repository / "train.py").write_text("lr = 0.2\n")
    patch = ML_Logger(tmp_path / "root", silent=True).diff() or ""

    assert "hunter2" not in patch
    assert "+++ b/.env" in patch
    assert "literal" not in patch
    assert "lr = 0.2" in patch


@pytest.mark.parametrize(
    "line",
    [
        "tokens = tokenizer(text)",
        "num_tokens: 512",
        "tokenizer = 'bert'",
        "password = getpass.getpass()",
        "token = os.environ['TOKEN']",
        "def secret(self): return self._secret",
        "keys = ['a', 'b']",
        "monkey = 'banana'",
        "https://host:8081/path",
        "x: int = 3  # the key is here",
    ],
)
def test_code_is_not_redacted(line: str) -> None:
    """Code that only speaks of keys and tokens stays as it is."""
    patch = f"diff --git a/a.py b/a.py\n+{line}\n"

    assert redaction.redact(patch) == patch


@given(st.text(alphabet=st.sampled_from("ab-_.:= \"'\\@/+\n"), max_size=400), st.sampled_from(["a.py", "a.yml"]))
def test_redaction_keeps_the_lines(text: str, name: str) -> None:
    """Redaction changes no number of lines, and ends quickly, whatever the text."""
    patch = f"diff --git a/{name} b/{name}\n" + "".join(f"+{line}\n" for line in text.split("\n"))

    assert redaction.redact(patch).count("\n") == patch.count("\n")


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text", ["a." * 9000, "a-" * 9000, "token=" * 3000, "'" * 18000, "password = '" + "\\" * 15000]
)
def test_redaction_is_quick(text: str) -> None:
    """No line makes the patterns take time out of all proportion."""
    assert redaction.redact(f"diff --git a/a.yml b/a.yml\n+{text}\n")


def function(value: int) -> int:
    """Return the value.

    More about it.
    """
    return value


@functools.wraps(function)
def wrapped(*args: Any) -> Any:
    """Never seen."""
    return function(*args)


def generator() -> Iterator[int]:
    yield 1


def test_functions(logger: ML_Logger) -> None:
    """`fn_info` tells name, documentation, module and file, behind wrappers and partials, of all that is called."""
    expected = {"name": "function", "doc": "Return the value.", "module": __name__, "file": __file__}

    assert logger.fn_info(function) == expected
    assert logger.fn_info(wrapped) == expected
    assert logger.fn_info(functools.partial(wrapped, 1)) == expected
    assert logger.fn_info(generator) == {"name": "generator", "doc": None, "module": __name__, "file": __file__}
    assert logger.fn_info(logger.log)["name"] == "Metrics.log"
    assert logger.fn_info(len)["name"] == "len"
    assert logger.fn_info(len)["file"] is None
    logger.log_params(fn=logger.fn_info(function), revision=logger.rev_info())


def test_the_machine(logger: ML_Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the machine, and the id of SLURM's job, None elsewhere."""
    assert logger.hostname == socket.gethostname()
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert logger.slurm_job_id is None
    monkeypatch.setenv("SLURM_JOB_ID", "1234")
    assert logger.slurm_job_id == "1234"
