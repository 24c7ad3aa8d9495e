"""Prove that the tests can fail: take a safeguard out of the code, and see which test notices.

    python -m tests.mutations [NAME ...]

Each mutation is made in a copy of the repository, and the tests that guard it are run there. Prints one line for each,
with the test that caught it; ends with status 1 when one survives, or when its text is no longer in the code.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
#: Seconds that the tests of one mutation may take; one that hangs is caught, too.
PATIENCE = 300


class Mutation(NamedTuple):
    """One safeguard that is taken out.

    Fields:
        name: what is taken out.
        path: the file.
        old, new: a text that is in it once, and what takes its place.
        tests: the arguments of pytest that run the tests which must notice.
    """

    name: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTATIONS = (
    Mutation(
        "line of a batch whose client has gone",
        "ml_logger/server/batches.py",
        "            answer.add_done_callback(lambda done: service.audit.note(request, _answered(done.result())))\n",
        "",
        ("tests/test_tokens.py", "-k", "a_batch_that_waits"),
    ),
    Mutation(
        "length of a key in the audit log",
        "ml_logger/server/audit.py",
        "[key[:MOST_TEXT] for key in islice(named, MOST_KEYS)]",
        "[*islice(named, MOST_KEYS)]",
        ("tests/test_tokens.py", "-k", "forges_or_bloats"),
    ),
    Mutation(
        "sync before commit",
        "ml_logger/server/stage.py",
        "            if self._power:\n                self._sync(names_changed=bool(applied))\n",
        "",
        ("tests/faults", "-k", "power"),
    ),
    Mutation(
        "commit before acknowledgement",
        "ml_logger/server/catalog.py",
        '            self._db.execute("COMMIT")\n',
        "",
        ("tests/test_delivery.py", "-k", "numbers_survive"),
    ),
    Mutation(
        "trim rule",
        "ml_logger/server/committer.py",
        "range(last + 1 - first, len(request.frames))",
        "range(len(request.frames))",
        ("tests/test_delivery.py", "-k", "numbers_survive"),
    ),
    Mutation(
        "gap check",
        "ml_logger/server/committer.py",
        "            if first > last + 1:\n                continue\n",
        "",
        ("tests/test_delivery.py", "-k", "numbers_survive"),
    ),
    Mutation(
        "cut-back of a failed group",
        "ml_logger/server/appends.py",
        "                    self._cut_back(file)\n",
        "                    pass\n",
        ("tests/test_committing.py", "-k", "failed_append"),
    ),
    Mutation(
        "cut-back in recovery",
        "ml_logger/server/recovery.py",
        "            os.ftruncate(descriptor, state.length)\n",
        "",
        ("tests/test_server.py", "-k", "never_committed"),
    ),
    Mutation(
        "append and not overwrite",
        "ml_logger/server/appends.py",
        "written = os.write(file.descriptor, rest)",
        "written = os.pwrite(file.descriptor, rest, file.stop)",
        ("tests/test_committing.py", "-k", "overwritten or failed_append"),
    ),
    Mutation(
        "pid check",
        "ml_logger/stores/remote.py",
        "            self._after_fork()\n        sender = self._sender\n        if sender is None or",
        "            pass\n        sender = self._sender\n        if sender is None or",
        ("tests/test_delivery.py", "-k", "another_process_id"),
    ),
    Mutation(
        "hook of forks",
        "ml_logger/facade/base.py",
        "        in_child(self._after_fork)\n",
        "",
        ("tests/test_delivery.py", "-k", "fork_is_a_writer"),
    ),
    Mutation(
        "lock of the data folder",
        "ml_logger/server/lock.py",
        "            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "            pass\n",
        ("tests/test_server.py", "-k", "second_server"),
    ),
    Mutation(
        "lock of a spool",
        "ml_logger/transport/spool.py",
        "            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "            pass\n",
        ("tests/test_spool.py", "-k", "living_spool"),
    ),
    Mutation(
        "checksum of a frame",
        "ml_logger/transport/frames.py",
        "    return bool(crc32(view[body : span.stop], crc) == expected)\n",
        "    return True\n",
        ("tests/test_server.py", "-k", "bad_batches"),
    ),
    Mutation(
        "delete only what is acknowledged",
        "ml_logger/transport/segments.py",
        "self._segments[1].first <= seq + 1:",
        "self._segments[1].first <= seq + 100:",
        ("tests/test_spool.py",),
    ),
    Mutation(
        "checksum of a piece",
        "ml_logger/transport/fetches.py",
        "                if zlib.crc32(piece, self._crc) != crc:\n",
        "                if False:\n",
        ("tests/test_fetching.py", "-k", "flip"),
    ),
    Mutation(
        "only the rest of the same file",
        "ml_logger/server/files.py",
        "    return crc == prefix.crc\n",
        "    return True\n",
        ("tests/test_fetching.py", "-k", "replaced"),
    ),
    Mutation(
        "prefix of a batch",
        "ml_logger/server/batches.py",
        '        allowed(request, "write", *_touched(batch))\n',
        "        pass\n",
        ("tests/test_tokens.py", "-k", "out_of_reach"),
    ),
    Mutation(
        "prefix of the target of a move",
        "ml_logger/server/batches.py",
        "        if frame.op in (Op.MOVE, Op.COPY):\n",
        "        if frame.op is Op.COPY:\n",
        ("tests/test_tokens.py", "-k", "out_of_reach"),
    ),
    Mutation(
        "etag of a text that is written over",
        "ml_logger/server/stage.py",
        "            if etag_in(self._folder, frame.key) != expected:",
        "            if False:",
        ("tests/test_edits.py", "-k", "only_over"),
    ),
    Mutation(
        "nothing is renamed over what is there",
        "ml_logger/server/stage.py",
        "        if self._folder.mode(target) is not None:",
        "        if False:",
        ("tests/test_edits.py", "-k", "overwritten or another_name"),
    ),
    Mutation(
        "escaped text of formulas",
        "ml_logger/server/formulas.py",
        'html.escape(html.unescape(element.text or ""))',
        '(element.text or "")',
        ("tests/test_render.py", "-k", "runs"),
    ),
    Mutation(
        "time that a report takes",
        "ml_logger/server/markdown.py",
        "        if time.thread_time() > until:\n            raise TooMuch\n        return False",
        "        return False",
        ("tests/test_render.py", "-k", "takes_long and tables"),
    ),
    Mutation(
        "prefix of a listing",
        "ml_logger/server/files.py",
        "service.scanned, asked, request.ctx.token.prefix)",
        'service.scanned, asked, "")',
        ("tests/test_tokens.py", "-k", "narrows_listings"),
    ),
    Mutation(
        "routes that keep to prefixes",
        "ml_logger/server/tokens.py",
        '        if request.ctx.token.prefix and not _of_route(request, "keeps_prefix"):\n',
        "        if False:\n",
        ("tests/test_tokens.py", "-k", "closed_to_prefixes"),
    ),
    Mutation(
        "scope of a token",
        "ml_logger/server/tokens.py",
        "    if not token.may(scope):\n",
        "    if False:\n",
        ("tests/test_tokens.py", "-k", "scopes"),
    ),
    Mutation(
        "end of a token",
        "ml_logger/tokens.py",
        "        return self.expires is not None and now >= self.expires\n",
        "        return False\n",
        ("tests/test_tokens.py", "-k", "denial_says"),
    ),
    Mutation(
        "tokens are needed once there were some",
        "ml_logger/server/tokens.py",
        "        self.required = self.required or identity is not None\n",
        "        self.required = bool(self._known)\n",
        ("tests/test_tokens.py", "-k", "open_door"),
    ),
    Mutation(
        "lock of the token file",
        "ml_logger/tokens.py",
        "        with held(path.parent, alone=True, tries=_TRIES) as is_held:\n",
        "        for is_held in (True,):\n",
        ("tests/test_tokens.py", "-k", "commands_at_once"),
    ),
    Mutation(
        "masking of what a server says",
        "ml_logger/transport/http.py",
        "        return text.replace(self._token, MASKED) if self._token and len(self._token) >= 8 else text\n",
        "        return text\n",
        ("tests/test_tokens.py", "-k", "never_shown"),
    ),
    Mutation(
        "a denial is told once",
        "ml_logger/transport/outage.py",
        "        if said != self._denial and first is self:\n",
        "        if True:\n",
        ("tests/test_tokens.py", "-k", "revoked_goes_on"),
    ),
    Mutation(
        "look before a row is written again",
        "ml_logger/facade/metrics.py",
        "        if not (row.doubtful and self._store.holds(key, data)):\n",
        "        if True:\n",
        ("tests/test_delivery.py", "-k", "handlers_that_raise"),
    ),
    Mutation(
        "hash of what was read before",
        "ml_logger/columns/portions.py",
        "    return mark.offset if digest(source, mark.offset) == mark.digest else 0\n",
        "    return mark.offset\n",
        ("tests/test_table_cache.py", "-k", "another_one"),
    ),
    Mutation(
        "time of what was read before",
        "ml_logger/columns/portions.py",
        "    if mark.size == source.size and mark.mtime != source.mtime:",
        "    if False:",
        ("tests/test_table_cache.py", "-k", "another_one"),
    ),
    Mutation(
        "checksum of what is cached",
        "ml_logger/table_cache.py",
        ' or head.head["crc"] != crc:',
        ":",
        ("tests/test_table_cache.py", "-k", "damaged_entry"),
    ),
    Mutation(
        "leave to the client what is not plain",
        "ml_logger/columns/instructions.py",
        '        raise UntrustedData("a bytearray, which is no plain value: not loaded")\n',
        '        raise CorruptData("a bytearray, which is no plain value")\n',
        ("tests/test_tables_route.py", "-k", "of_a_folder"),
    ),
    Mutation(
        "machine for what strangers wrote",
        "ml_logger/encoders/unpickle.py",
        "        if paranoid:\n            return _load_by_machine(file, limits, unknown)\n",
        "",
        ("tests/test_paranoid.py", "-k", "bomb or says_so"),
    ),
    Mutation(
        "paranoid or trusting",
        "ml_logger/encoders/unpickle.py",
        "    if paranoid and trust:\n",
        "    if False:\n",
        ("tests/test_paranoid.py", "-k", "contradict"),
    ),
    Mutation(
        "opaque or trusting",
        "ml_logger/encoders/unpickle.py",
        '    if unknown == "opaque" and names is None:\n',
        "    if False:\n",
        ("tests/test_opaque.py", "-k", "trusted_names"),
    ),
    Mutation(
        "different names of one call",
        "ml_logger/encoders/opaque.py",
        "            if len(self._names) >= MOST_NAMES:\n",
        "            if False:\n",
        ("tests/test_opaque.py", "-k", "too_many"),
    ),
    Mutation(
        "factories that come as a state",
        "ml_logger/encoders/unpickle_late.py",
        '            expect(not isinstance(factory, Name | StandIn), "a default factory that is no builtin")\n',
        "",
        ("tests/test_unpickle_attacks.py", "-k", "factory"),
    ),
    Mutation(
        "size of a row",
        "ml_logger/columns/decoder.py",
        "                raise self._too_large()\n",
        "                pass\n",
        ("tests/test_columns.py", "-k", "claimed"),
    ),
    Mutation(
        "size of a record",
        "ml_logger/columns/boundaries.py",
        "            self.check_size(total - self._record)  # there is more of it than this\n",
        "",
        ("tests/test_paranoid.py", "-k", "endless"),
    ),
    Mutation(
        "rows of an array of nothing",
        "ml_logger/encoders/unpickle_numpy.py",
        "    if 0 in shape:\n",
        "    if False:\n",
        ("tests/test_unpickle_attacks.py", "-k", "forged"),
    ),
    Mutation(
        "look whether a followed file is the same",
        "ml_logger/following.py",
        "            if seen[0] < self._read or not self._is_same():\n",
        "            if seen[0] < self._read:\n",
        ("tests/test_following.py", "-k", "replaced"),
    ),
    Mutation(
        "links on the way",
        "ml_logger/stores/folder.py",
        "        return os.open(folder, DIRECTORY | self._nofollow, dir_fd=fd)\n",
        "        return os.open(folder, DIRECTORY, dir_fd=fd)\n",
        ("tests/test_paths.py", "-k", "links"),
    ),
    Mutation(
        "one spelling of keys",
        "ml_logger/server/batches.py",
        "    return [_normal(frame) for frame in batch]\n",
        "    return batch\n",
        ("tests/test_paths.py", "-k", "spelling"),
    ),
    Mutation(
        "places for connections",
        "ml_logger/server/connections.py",
        "        if len(self.connections) < self.app.ctx.traffic.connections or self._make_room():\n",
        "        if True:\n",
        ("tests/test_limits.py", "-k", "connections"),
    ),
    Mutation(
        "requests under way",
        "ml_logger/server/connections.py",
        "        if self._in_flight[client] >= self._most:\n",
        "        if False:\n",
        ("tests/test_limits.py", "-k", "under_way"),
    ),
    Mutation(
        "names of the server",
        "ml_logger/server/admission.py",
        '        self._check_host(request.headers.get("host"))\n',
        "",
        ("tests/test_admission.py", "-k", "other_names"),
    ),
    Mutation(
        "sites of pages",
        "ml_logger/server/admission.py",
        "(origin is not None and not is_own(origin, request))",
        "(False)",
        ("tests/test_admission.py", "-k", "other_sites"),
    ),
    Mutation(
        "cookies of other sites",
        "ml_logger/server/sessions.py",
        "        if not _is_of_own_page(request):\n            return None\n",
        "",
        ("tests/attacks/test_attacks.py", "-k", "S01 or S02"),
    ),
    Mutation(
        "sessions that were there before",
        "ml_logger/server/sessions.py",
        "    sessions.end(request)\n    return json(told(request, token),",
        "    return json(told(request, token),",
        ("tests/test_sessions.py", "-k", "chosen_by_others"),
    ),
    Mutation(
        "sessions without end",
        "ml_logger/server/sessions.py",
        "        for each in own[: max(0, len(own) + 1 - MOST_OF_ONE)]:\n            del self._known[each]\n",
        "",
        ("tests/test_sessions.py", "-k", "bounded"),
    ),
    Mutation(
        "the policy of the page",
        "ml_logger/server/pages.py",
        '"Content-Security-Policy": _POLICY, ',
        "",
        ("tests/test_pages.py", "-k", "no_rights"),
    ),
    Mutation(
        "answers that are no pages",
        "ml_logger/server/admission.py",
        '        app.register_middleware(self.dress, "response")',
        '        app.register_middleware(lambda *args: None, "response")',
        ("tests/test_admission.py", "-k", "page"),
    ),
)


def copy_of_the_repository(folder: Path) -> Path:
    """Copy what git knows, and what it does not ignore, to a folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=60,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    return folder


def caught_by(mutation: Mutation, folder: Path) -> str | None:
    """Make a mutation in a copy, run its tests there, and undo it; return the test that failed, None when none did.

    Raises:
        ValueError: its text is not in the code, or more than once.
    """
    path = folder / mutation.path
    text = path.read_text()
    if text.count(mutation.old) != 1:
        raise ValueError(f"{mutation.name}: its text is {text.count(mutation.old)} times in {mutation.path}")
    path.write_text(text.replace(mutation.old, mutation.new))
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutation.tests]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{mutation.tests[0]}, which did not end"
    finally:
        path.write_text(text)
    if done.returncode not in (0, 1):
        raise ValueError(f"{mutation.name}: its tests did not run: {done.stdout[-500:]}{done.stderr[-500:]}")
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    return found[1] if done.returncode and found else None


def main(argv: Sequence[str] | None = None) -> int:
    """Try mutations; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutations to try (all of them)")
    names = parser.parse_args(argv).names
    unknown = set(names) - {mutation.name for mutation in MUTATIONS}
    if unknown:
        parser.error(f"there is no mutation {', '.join(sorted(unknown))}")
    survivors = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = copy_of_the_repository(Path(scratch))
        for mutation in MUTATIONS:
            if names and mutation.name not in names:
                continue
            found = caught_by(mutation, folder)
            survivors += found is None
            print(f"{'caught  ' if found else 'SURVIVED'}  {mutation.name}: {found or 'no test noticed'}", flush=True)
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
