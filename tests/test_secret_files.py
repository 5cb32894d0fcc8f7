"""Files of secrets: never open to others, never half written, never two writers at once."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from forecaster.errors import ConfigError
from forecaster.secret_files import locked, read_secret, write_secret


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o620, 0o660, 0o644, 0o777])
def test_a_file_that_others_can_read_or_change_is_refused_by_name_and_wanted_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "pepper"
    path.write_bytes(b"x")
    path.chmod(mode)
    with pytest.raises(ConfigError, match=rf"pepper has mode {mode:04o}.*chmod 0600 .*pepper"):
        read_secret(path)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_a_file_for_its_owner_or_read_by_its_group_is_read(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "pepper"
    path.write_bytes(b"x")
    path.chmod(mode)
    assert read_secret(path) == b"x"


def test_links_and_what_is_no_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ConfigError, match=r"link cannot be read.*a plain file is wanted"):
        read_secret(tmp_path / "link")
    for name in ("pipe", "."):
        with pytest.raises(ConfigError, match="is not a plain file"):
            read_secret(tmp_path / name)


def test_a_written_file_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    before = os.umask(0)
    try:
        with locked(path):
            write_secret(path, b"one")
            write_secret(path, b"two")
    finally:
        os.umask(before)
    assert path.read_bytes() == b"two"
    assert {entry.name: entry.stat().st_mode & 0o777 for entry in tmp_path.iterdir()} == {
        "keys.json": 0o600,
        ".keys.json.lock": 0o600,
    }


def test_a_link_in_the_place_of_the_file_is_replaced_and_what_it_names_is_left(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"kept")
    (tmp_path / "keys.json").symlink_to(tmp_path / "other")
    write_secret(tmp_path / "keys.json", b"new")
    assert (tmp_path / "other").read_bytes() == b"kept"
    assert not (tmp_path / "keys.json").is_symlink()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys.json"
    write_secret(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_secret(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_made_for_its_owner_alone_and_an_open_one_refused(tmp_path: Path) -> None:
    with locked(tmp_path / "home" / "keys.json"):
        assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    (tmp_path / "home").chmod(0o770)
    with pytest.raises(ConfigError, match=r"home has mode 0770.*chmod 0700"), locked(tmp_path / "home" / "keys.json"):
        pass


def test_only_one_holds_the_lock(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with locked(tmp_path / "keys.json"):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
