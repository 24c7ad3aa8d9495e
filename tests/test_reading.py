"""Reading back, in all forms of the calls, from a folder and from a server."""

from __future__ import annotations

import os
import pickle
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ml_logger import ML_Logger
from ml_logger.columns.boundaries import DamagedRecords
from ml_logger.errors import CorruptData, InvalidKey, InvalidSetting, KeyNotFound, UntrustedData
from ml_logger.readers import read_columns
from tests import programs


def test_forms_of_a_path(logger: ML_Logger) -> None:
    """A path comes whole, in parts, as a Path or by name; a `/` in front means the root."""
    logger.log_data(1, path="deep/er/a.pkl")
    logger.log_text("text", "deep/a.txt")
    logger.save_np(np.arange(2), "deep/a.npy")

    forms = [
        logger.load_pkl("deep/er/a.pkl"),
        logger.load_pkl("deep", "er", "a.pkl"),
        logger.load_pkl("deep", key="er/a.pkl"),
        logger.load_pkl(key="deep/er/a.pkl"),
        logger.load_pkl(Path("deep") / "er" / "a.pkl"),
        logger.load_pkl("/me/run/deep/er/a.pkl"),
        logger.load_pkl("/me", "run", "deep/er/a.pkl"),
        list(logger.iload_pkl("deep", "er/a.pkl")),
        list(logger.iload_pkl(key="/me/run/deep/er/a.pkl")),
    ]
    assert forms == [[1]] * len(forms)
    assert logger.load_text("deep", "a.txt") == logger.load_text(key=Path("deep/a.txt")) == "text"
    assert logger.load_file("deep", "a.txt") == logger.load_file(key="/me/run/deep/a.txt") == b"text"
    assert logger.load_np("deep", "a.npy").tolist() == logger.load_np(key="deep/a.npy").tolist() == [0, 1]


CALLS: dict[str, Callable[[ML_Logger, str], object]] = {
    "load_pkl": lambda logger, path: logger.load_pkl(path),
    "iload_pkl": lambda logger, path: logger.iload_pkl(path),
    "load_json": lambda logger, path: logger.load_json(path),
    "load_jsonl": lambda logger, path: logger.load_jsonl(path),
    "load_yaml": lambda logger, path: logger.load_yaml(path),
    "load_csv": lambda logger, path: logger.load_csv(path),
    "get_parameters": lambda logger, path: logger.get_parameters(path=path, default=None),
    "read_params": lambda logger, path: logger.read_params("a", path=path, default=None),
    "frame": lambda logger, path: logger.frame(path=path),
    "runs": lambda logger, path: logger.runs(path=path),
    "load_torch": lambda logger, path: logger.load_torch(path),
    "download_file": lambda logger, path: logger.download_file(path),
    "download_dir": lambda logger, path: logger.download_dir(path or "//", "x"),
    "make_archive": lambda logger, path: logger.make_archive(path, root_dir="/other"),
    "remove": lambda logger, path: logger.remove(path),
    "move": lambda logger, path: logger.move(path, "x"),
    "duplicate": lambda logger, path: logger.duplicate("/other/a.txt", path),
    "save_json": lambda logger, path: logger.save_json(1, path),
    "save_yaml": lambda logger, path: logger.save_yaml(1, path),
    "save_np": lambda logger, path: logger.save_np([1], path),
    "save_pkl": lambda logger, path: logger.save_pkl(1, path),
    "log_jsonl": lambda logger, path: logger.log_jsonl(1, path),
    "save_torch": lambda logger, path: logger.save_torch({}, path),
    "upload_file": lambda logger, path: logger.upload_file(__file__, path),
    "upload_dir": lambda logger, path: logger.upload_dir(Path(__file__).parent / "seed", path),
    "upload_buffer": lambda logger, path: logger.upload_buffer(b"", path),
    "save_image": lambda logger, path: logger.save_image([[1]], path),
    "save_images": lambda logger, path: logger.save_images([[[1]]], path),
    "save_video": lambda logger, path: logger.save_video([[[1]]], path),
    "log_file": lambda logger, path: logger.log_file(__file__, namespace=path),
    "send_signal": lambda logger, path: logger.send_signal("stop", path or ".."),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_root_and_not_the_host(tmp_path: Path, name: str) -> None:
    """Two slashes, what climbs, backslashes and nothing at all are no path, in every call; nothing is stored."""
    with ML_Logger(root=tmp_path / "root", prefix="me/run", silent=True) as logger:
        logger.log_text("text", "/other/a.txt")
        for path in ("//etc/passwd", "../a", "/../a", "a/../../b", "a\\b", ""):
            with pytest.raises(InvalidKey):
                CALLS[name](logger, path)
        assert logger.glob("/**") == ["other/a.txt"]
        assert logger.load_text("/other/a.txt") == "text"


def test_waiting_for_a_file(logger: ML_Logger, root: str) -> None:
    """`tries` and `delay` look again for a file that is not there yet; one try is the default."""
    assert logger.load_pkl("late.pkl") is None
    assert logger.load_pkl("late.pkl", tries=3, delay=0.01) is None
    logger.upload_buffer(b"", "empty.pkl")
    assert logger.load_pkl("empty.pkl") == logger.load_pkl("empty.pkl", tries=2, delay=0.01) == []
    with ML_Logger(root=root, prefix="me/run", silent=True) as other:
        for name in ("late.pkl", "empty.pkl"):
            thread = threading.Thread(target=other.log_data, args=("here", name))
            thread.start()
            assert logger.load_pkl(name, tries=6000, delay=0.01) == ["here"]
            thread.join(60)


ROWS = [{"_step": step, "loss": step / 7, "phase": "train"} for step in range(60)]
RECORDS = [pickle.dumps(row, 4) for row in ROWS]

#: What is in the place of row 30, and how many bytes of it are passed over; then how the file ends.
DAMAGE = {
    "zeros": (bytes(len(RECORDS[30])), len(RECORDS[30]), b""),
    "noise": (b"\xff\x00\xa5" * 30, 90, b""),
    "torn": (RECORDS[30][:-20], len(RECORDS[30]) - 20, b""),
    "torn, and at the end too": (RECORDS[30][:-3], len(RECORDS[30]) - 3, RECORDS[30][:41]),
}

ALL_ROWS: dict[str, Callable[[ML_Logger], object]] = {
    "load_pkl": lambda logger: logger.load_pkl("metrics.pkl"),
    "iload_pkl": lambda logger: list(logger.iload_pkl("metrics.pkl")),
    "read_columns": lambda logger: list(read_columns(logger._store, "me/run/metrics.pkl").iter_rows()),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("read", ALL_ROWS)
def test_a_damaged_file(logger: ML_Logger, read: str, damage: str) -> None:
    """All whole rows come, before the damage and after it; a warning names the file, the place, and what is lost."""
    instead, lost, end = DAMAGE[damage]
    begin = b"".join(RECORDS[:30])
    data = begin + instead + b"".join(RECORDS[31:])
    logger.upload_buffer(data + end, "metrics.pkl")
    logger.load_file("metrics.pkl")  # waits until it is there
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rows = ALL_ROWS[read](logger)

    assert rows == ROWS[:30] + ROWS[31:]
    assert {one.category for one in caught} == {DamagedRecords}
    said = [f"{lost} bytes inside me/run/metrics.pkl, from byte {len(begin)} on"]
    said += [f"{len(end)} bytes at the end of me/run/metrics.pkl, from byte {len(data)} on"] if end else []
    assert [str(one.message) for one in caught] == [f"{text}, are no whole record: passed over" for text in said]


def test_a_mapped_array(logger: ML_Logger) -> None:
    """With `mmap` an array is there without being read, cannot be written, and stays when its file is replaced."""
    array = np.arange(300_000, dtype=np.float32).reshape(3, -1)
    logger.save_np(array, "a/x.npy")
    mapped = logger.load_np("a", "x.npy", mmap=True)
    logger.save_np(np.zeros(3), "a/x.npy")
    logger.remove("a")
    logger.glob("*")

    assert isinstance(mapped, np.memmap)
    assert np.array_equal(mapped, array) and mapped.dtype == array.dtype
    with pytest.raises(ValueError, match="read-only"):
        mapped[0, 0] = 1


def test_what_cannot_be_mapped(logger: ML_Logger) -> None:
    """An archive of arrays, what is no array, and nothing at all are told apart."""
    logger.log_data({"a": np.arange(2)}, path="x.pkl")
    logger.upload_buffer(b"PK\x03\x04", "x.npz")
    logger.save_np(np.arange(2000), "x.npy")
    logger.upload_buffer(logger.load_file("x.npy")[:-1], "torn.npy")

    with pytest.raises(InvalidSetting, match=r"'me/run/x\.npz' is an archive: load it without mmap"):
        logger.load_np("x.npz", mmap=True)
    with pytest.raises(CorruptData, match=r"me/run/x\.pkl: is no \.npy file"):
        logger.load_np("x.pkl", mmap=True)
    with pytest.raises(CorruptData, match=r"me/run/torn\.npy: has 15,999 bytes .* 16,000: torn"):
        logger.load_np("torn.npy", mmap=True)
    with pytest.raises(KeyNotFound, match="nothing"):
        logger.load_np("nothing.npy", mmap=True)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells how much memory a program had")
def test_a_mapped_array_needs_little_memory(root: str) -> None:
    """A large array is mapped, and one row of it is looked at, in little memory."""
    code = """
        import sys
        import numpy as np
        from ml_logger import ML_Logger
        exec(sys.argv[2])
        with ML_Logger(root=sys.argv[1], silent=True) as logger:
            with open("x.npy", "wb") as file:
                np.lib.format.write_array_header_1_0(
                    file, {"descr": "<f8", "fortran_order": False, "shape": (300, 131072)}
                )
                file.truncate(file.tell() + 300 * 2**20)
            logger.upload_file("x.npy", "x.npy")
            logger.save_np(np.arange(2), "small.npy")
            logger.load_np("small.npy", mmap=True)
            before = peak()
            array = logger.load_np("x.npy", mmap=True)
            assert array[299].sum() == 0
            print(array.nbytes >> 20, peak() - before)
    """
    done = programs.run(code, root, programs.PEAK)
    size, more = map(int, done.stdout.split())

    assert done.stderr == ""
    assert size == 300
    assert more < 60, "MiB at most"


class Own:
    """A class that readers do not know."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Own)

    def __hash__(self) -> int:
        return 0


def test_trust(logger: ML_Logger) -> None:
    """A class of one's own is read when it is named, or everything is trusted; otherwise it is refused."""
    logger.save_pkl(Own(), "own.pkl")

    with pytest.raises(UntrustedData, match="Own"):
        logger.load_pkl("own.pkl")
    assert logger.load_pkl("own.pkl", trust=[f"{__name__}.Own"]) == [Own()]
    assert list(logger.iload_pkl("own.pkl", trust=True)) == [Own()]


def test_save_pkl(logger: ML_Logger) -> None:
    """`save_pkl` replaces a file by one record, or appends; the path comes in parts, by name, or is `data.pkl`."""
    logger.save_pkl({"a": 1}, "x", "a.pkl")
    logger.save_pkl({"a": 2}, "x/a.pkl")
    logger.save_pkl({"a": 3}, path=Path("x/a.pkl"), append=True)
    logger.save_pkl([1, 2])
    logger.save_pkl(None, "none.pkl")

    assert logger.load_pkl("x/a.pkl") == [{"a": 2}, {"a": 3}]
    assert logger.load_pkl("data.pkl") == [[1, 2]]
    assert logger.load_pkl("none.pkl") == [None]


def test_abspath(logger: ML_Logger, root: str) -> None:
    """Where a path is kept: a file's own path, or its address on the server."""
    assert logger.abspath() == f"{root}/me/run"
    assert logger.abspath("a", "b.txt") == logger.abspath(Path("a/b.txt")) == f"{root}/me/run/a/b.txt"
    assert logger.abspath("/a") == f"{root}/a"
    logger.log_text("x", "a.txt")
    if "://" not in root:
        assert Path(logger.abspath("a.txt")).read_text() == "x"
        assert os.path.isabs(ML_Logger(root="rel").abspath())


def test_forms_of_glob(logger: ML_Logger) -> None:
    """Patterns, another folder, no recursion, and slices of the result."""
    for name in ("a.txt", "b/a.txt", "b/c/a.txt", "b/c/d.txt", "/z/a.txt"):
        logger.log_text("x", name)

    assert logger.glob() == ["a.txt"]
    assert logger.glob("**/*.txt") == ["a.txt", "b/a.txt", "b/c/a.txt", "b/c/d.txt"]
    assert logger.glob("**/*.txt", recursive=False) == ["b/a.txt"]
    assert logger.glob("**/a.txt", start=1) == ["b/a.txt", "b/c/a.txt"]
    assert logger.glob(query="**/a.txt", start=-1, stop=None) == ["b/c/a.txt"]
    assert logger.glob("*", wd="b/c") == ["a.txt", "d.txt"]
    assert logger.glob("*", wd=".") == ["a.txt"]
    assert logger.glob("**/a.txt", wd="/") == ["me/run/a.txt", "me/run/b/a.txt", "me/run/b/c/a.txt", "z/a.txt"]
    assert logger.glob("/z/*") == ["z/a.txt"]
    assert logger.glob("none*") == []


def test_arranging(logger: ML_Logger) -> None:
    """Files and folders are moved, copied and removed; several at once; what is not there is no error."""
    for name in ("a.txt", "b/a.txt", "b/c.txt"):
        logger.log_text(name, name)
    logger.move("a.txt", to="moved/a.txt")
    logger.duplicate("b", to="copy")
    logger.duplicate(source=Path("b/a.txt"), to="/root.txt")
    logger.move(source="b", to="gone")
    logger.remove("gone", "nothing", Path("copy/c.txt"))

    assert logger.glob("**") == ["copy/a.txt", "moved/a.txt"]
    assert logger.load_text("/root.txt") == "b/a.txt"
    with pytest.raises(KeyNotFound):
        logger.load_text("gone/a.txt")


def test_names_that_look_like_patterns(logger: ML_Logger) -> None:
    """`remove` takes no patterns, and says so; a file or a folder that has such a name can be removed."""
    for name in ("a*/b.txt", "a?.txt", "ab.txt", "a[b].txt"):
        logger.log_text("x", name)
    for pattern in ("*.txt", "a*b.txt", "none/*"):
        with pytest.raises(InvalidKey, match=r"remove\(\*logger\.glob"):
            logger.remove("ab.txt", pattern)
    assert len(logger.glob("**")) == 4
    logger.remove("a*", "a?.txt", "a[b].txt")
    assert logger.glob("**") == ["ab.txt"]
    logger.remove(*logger.glob("*.txt"))
    assert logger.glob("**") == []


def test_links_that_lead_up_again_are_not_followed_for_ever(tmp_path: Path) -> None:
    """In a folder of this machine links are followed, but none into a folder that it lies in."""
    with ML_Logger(root=tmp_path / "root", prefix="run", silent=True) as logger:
        logger.log_text("x", "a/b.txt")
        for name, target in (("up", ".."), ("here", "."), ("a/top", "../.."), ("other", "a")):
            (tmp_path / "root" / "run" / name).symlink_to(target)
        found = logger.glob("**")

    assert found == ["a/b.txt", "other/b.txt"]
