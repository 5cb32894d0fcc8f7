"""What is appended to the journal is there whatever becomes of the process that did."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.ledger import journal
from service.ledger.journal import Entry, Journal, JournalFull, entries, is_being_written, segments

MANY = 1 << 30


@contextmanager
def no_more_bytes(size: int) -> Iterator[None]:
    """Has the system write no file beyond a size."""
    before, limits = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


def heads(folder: Path) -> list[bytes]:
    return [entry.head for path in segments(folder) for entry in entries(path)]


def test_entries_are_read_as_they_were_written(tmp_path: Path) -> None:
    written = Journal(tmp_path / "journal", MANY)
    written.append(b"first", [b"some", b"rest"])
    written.append(b"second")
    (path,) = segments(tmp_path / "journal")
    first, second = entries(path)
    assert (first.head, first.rest, second.head, second.rest) == (b"first", b"somerest", b"second", b"")
    assert list(entries(path, first.end)) == [second]
    assert second.end == path.stat().st_size


def test_a_file_that_vanishes_while_another_is_begun_is_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "segments", lambda folder: [folder / "1-1.done"])  # which the keeper has removed
    Journal(tmp_path, MANY).append(b"first")
    monkeypatch.undo()
    assert heads(tmp_path) == [b"first"]


def test_more_entries_than_one_call_takes_are_all_there_in_their_order(tmp_path: Path) -> None:
    written = Journal(tmp_path, MANY)
    names = [b"%d" % number for number in range(1500)]
    written.append_all([(name, [b"x" * 10, b"", name]) for name in names])
    written.append(b"last")
    assert heads(tmp_path) == [*names, b"last"]


def test_nothing_is_made_before_the_first_entry(tmp_path: Path) -> None:
    Journal(tmp_path / "journal", MANY).close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_locked_until_its_worker_ends_it(tmp_path: Path) -> None:
    written = Journal(tmp_path, MANY)
    written.append(b"head")
    (path,) = segments(tmp_path)
    assert is_being_written(path)
    written.close()
    (done,) = segments(tmp_path)
    assert done.suffix == journal.DONE
    assert not is_being_written(done)
    assert heads(tmp_path) == [b"head"]


def test_a_full_file_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_SEGMENT_BYTES", 100)
    written = Journal(tmp_path, MANY)
    for number in range(10):
        written.append(b"%d" % number, [b"x" * 60])
    assert [path.suffix for path in segments(tmp_path)] == [".done"] * 4 + [".open"]
    assert heads(tmp_path) == [b"%d" % number for number in range(10)]


def test_a_full_journal_takes_nothing_until_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_SEGMENT_BYTES", 100)
    monkeypatch.setattr(journal, "_LOOK_SECONDS", 0.0)
    written = Journal(tmp_path, max_bytes=300)
    with pytest.raises(JournalFull):
        for number in range(10):
            written.append(b"%d" % number, [b"x" * 60])
    kept = heads(tmp_path)
    assert 3 <= len(kept) <= 5
    segments(tmp_path)[0].unlink()
    written.append(b"again", [b"x" * 60])
    assert heads(tmp_path) == [*kept[2:], b"again"]


@pytest.mark.parametrize("kept_bytes", [1, 15, 16, 20, 90])
def test_a_torn_entry_is_not_read_and_those_before_it_are(tmp_path: Path, kept_bytes: int) -> None:
    written = Journal(tmp_path, MANY)
    written.append(b"whole", [b"x" * 10])
    (path,) = segments(tmp_path)
    size = path.stat().st_size
    written.append(b"torn", [b"x" * 100])
    os.truncate(path, size + kept_bytes)
    assert list(entries(path)) == [Entry(b"whole", b"x" * 10, size)]


def test_a_damaged_entry_is_not_read(tmp_path: Path) -> None:
    written = Journal(tmp_path, MANY)
    written.append(b"whole")
    written.append(b"spoiled")
    (path,) = segments(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"spoiled", b"spoilt!"))
    assert heads(tmp_path) == [b"whole"]


@pytest.mark.parametrize("number", [1, 2, 3000])
def test_entries_for_which_there_is_no_room_leave_nothing_behind(tmp_path: Path, number: int) -> None:
    written = Journal(tmp_path, MANY)
    written.append(b"first", [b"x" * 100])
    (path,) = segments(tmp_path)
    with no_more_bytes(path.stat().st_size + 100 * number), pytest.raises(OSError, match=r"no room|too large"):
        written.append_all([(b"second", [b"x" * 100])] * number)
    written.append(b"third")
    assert heads(tmp_path) == [b"first", b"third"]


def test_what_follows_entries_without_room_is_not_written_where_those_were_read(tmp_path: Path) -> None:
    written = Journal(tmp_path, MANY)
    written.append(b"first", [b"x" * 100])
    (path,) = segments(tmp_path)
    read: list[int] = []

    def read_all_and_be_full(file: int, size: int) -> None:
        read.append([entry.end for entry in entries(path)][-1])  # as the keeper does, between write and cut
        truncate(file, size)

    truncate = os.ftruncate
    with pytest.MonkeyPatch.context() as patch, no_more_bytes(path.stat().st_size + 300):
        patch.setattr(os, "ftruncate", read_all_and_be_full)
        with pytest.raises(OSError, match=r"no room|too large"):
            written.append_all([(b"second", [b"x" * 100])] * 1000)
    written.append(b"third", [b"x" * 100])
    assert read[0] > path.with_suffix(journal.DONE).stat().st_size
    assert [entry.head for entry in entries(path.with_suffix(journal.DONE), read[0])] == []
    assert [entry.head for entry in entries(segments(tmp_path)[-1])] == [b"third"]


def test_without_room_for_anything_no_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    written = Journal(tmp_path, MANY)
    monkeypatch.setattr(os, "writev", full)
    for _ in range(3):
        with pytest.raises(OSError, match="No space left"):
            written.append(b"first")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_worker_was_told_of_is_there(tmp_path: Path) -> None:
    program = """
        import sys
        from pathlib import Path
        from service.ledger.journal import Journal
        written = Journal(Path(sys.argv[1]), 1 << 30)
        for number in range(1_000_000):
            written.append(b"%d" % number, [b"x" * 5000])
            print(number, flush=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        told = [int(worker.stdout.readline()) for _ in range(3000)]
        worker.kill()
        told += [int(line) for line in worker.stdout.read().splitlines()]
    found = [int(head) for head in heads(tmp_path)]
    assert found[: len(told)] == told
    assert len(found) <= len(told) + 1
    assert not any(map(is_being_written, segments(tmp_path)))
