"""The cache: one truth about generations for all processes of a home, whole bundles or none, nobody else's eyes."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from forecaster.bundle import save_bundle
from service.model_spec import ModelSpec
from service.models import cache as cache_module
from service.models.cache import BundleCache
from service.models.registry import VersionRef
from tests.service.integrity import reference_of
from tests.test_bundle import FACTS, small_predictor

WAVES = ModelSpec("waves", alias="champion")
NUM_COMMITS = 40


def version(number: int) -> VersionRef:
    return VersionRef("waves", str(number), f"sha256:{number:064x}")


def kept_bundle(cache: BundleCache, number: int = 1, spec: ModelSpec = WAVES) -> VersionRef:
    """Keeps a bundle as a download would; gives its version."""
    with cache.draft("waves") as draft:
        save_bundle(draft / "bundle", small_predictor(), FACTS)
        reference = reference_of(draft / "bundle", version=str(number))
        cache.commit(spec, reference, draft / "bundle", 1)
    return reference


def commit_many(home: Path, seed: int) -> list[int]:
    """Commits two versions in turn; gives the generations."""
    cache = BundleCache(home)
    return [cache.commit(WAVES, version(1 + (number + seed) % 2), None, 1) for number in range(NUM_COMMITS)]


def test_each_swap_has_the_next_generation_and_the_same_version_the_same(tmp_path: Path) -> None:
    cache = BundleCache(tmp_path)
    given = [cache.commit(WAVES, version(number), None, 1) for number in (1, 1, 2, 1, 1, 3)]
    assert given == [1, 1, 2, 3, 3, 4]
    assert BundleCache(tmp_path).commit(WAVES, version(3), None, 1) == 4
    assert cache.commit(ModelSpec("waves", version=3), version(3), None, 1) == 1


def test_generations_never_fall_below_what_a_process_has_shown(tmp_path: Path) -> None:
    cache = BundleCache(tmp_path)
    assert cache.commit(WAVES, version(1), None, 7) == 7
    assert cache.commit(WAVES, version(2), None, 3) == 8


def test_generations_grow_under_eight_threads(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(commit_many, [tmp_path] * 8, range(8)))
    check_history(tmp_path, found)


@pytest.mark.slow
def test_generations_grow_under_two_processes(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.starmap(commit_many, [(tmp_path, 0), (tmp_path, 1)])
    check_history(tmp_path, found)


def check_history(home: Path, found: list[list[int]]) -> None:
    """Every process saw generations grow, and together they gave no number to two versions."""
    for generations in found:
        assert generations == sorted(generations)
    versions: dict[int, set[int]] = {}
    for seed, generations in enumerate(found):
        for number, generation in enumerate(generations):
            versions.setdefault(generation, set()).add(1 + (number + seed) % 2)
    assert all(len(numbers) == 1 for numbers in versions.values())
    last = BundleCache(home).state().specs[str(WAVES)].generation
    assert last == max(map(max, found)) == len(versions)


def test_bundles_and_folders_are_their_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        cache = BundleCache(tmp_path)
        folder = cache.folder(kept_bundle(cache))
    finally:
        os.umask(before)
    modes = {path.relative_to(tmp_path).as_posix(): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    files = {path.name for path in folder.iterdir()}
    assert len(files) == 5
    for name, mode in modes.items():
        assert mode == (0o700 if (tmp_path / name).is_dir() else 0o600), name


def test_what_no_spec_served_last_or_before_is_removed(tmp_path: Path) -> None:
    cache = BundleCache(tmp_path)
    pinned = kept_bundle(cache, 1, ModelSpec("waves", version=1))
    followed = [kept_bundle(cache, number) for number in (2, 3, 4)]
    assert set((tmp_path / "cache/waves").iterdir()) == {
        cache.folder(reference) for reference in (pinned, *followed[1:])
    }


def test_only_downloads_that_ended_long_ago_are_swept(tmp_path: Path) -> None:
    cache = BundleCache(tmp_path)
    kept_bundle(cache, 1)
    with cache.draft("waves") as running:
        old = running.with_name(".download-old")
        old.mkdir()
        os.utime(old, (0, 0))
        kept_bundle(cache, 2)
        assert running.is_dir()
        assert not old.exists()
    assert not running.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"format": 1, "specs": {"a@b": {}}}', b"\xff", b'{"specs": {"x": {"current": 1}}}'],
    ids=range(6),
)
def test_a_spoiled_state_is_said_and_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes) -> None:
    cache = BundleCache(tmp_path)
    cache.commit(WAVES, version(1), None, 1)
    (tmp_path / "cache/served.json").write_bytes(content)
    assert cache.state().specs == {}
    assert "served_state_unreadable" in [record.message for record in caplog.records]
    assert cache.commit(WAVES, version(2), None, 5) == 5
    assert cache.state().specs[str(WAVES)].generation == 5


@pytest.mark.parametrize(("key", "value"), [("name", "../x"), ("version", "../1"), ("digest", "sha256:../../../x")])
def test_a_state_that_points_out_of_the_cache_is_not_believed(tmp_path: Path, key: str, value: str) -> None:
    cache = BundleCache(tmp_path)
    cache.commit(WAVES, version(1), None, 1)
    path = tmp_path / "cache/served.json"
    state = json.loads(path.read_bytes())
    state["specs"][str(WAVES)]["current"][key] = value
    path.write_text(json.dumps(state))
    assert cache.state().specs == {}


def test_a_lock_that_is_not_given_back_holds_nobody_up_for_long(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "_LOCK_SECONDS", 0.05)
    cache = BundleCache(tmp_path)
    cache.commit(WAVES, version(1), None, 1)
    with cache._locked():
        assert cache.commit(WAVES, version(2), None, 1) == 2
    assert "cache_unwritable" in [record.message for record in caplog.records]
    assert cache.state().specs[str(WAVES)].current.version == "1"


def test_a_cache_that_cannot_be_written_goes_on_from_what_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = BundleCache(tmp_path)
    cache.commit(WAVES, version(1), None, 4)
    (tmp_path / "cache/.lock").unlink()
    (tmp_path / "cache/.lock").mkdir()  # root writes whatever the modes say; a folder is no lock for anyone
    assert cache.commit(WAVES, version(1), None, 1) == 4
    assert cache.commit(WAVES, version(2), None, 1) == 5


def test_a_download_finds_room_elsewhere_where_the_cache_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    cache = BundleCache(tmp_path)
    with cache.draft("waves") as draft:
        assert draft.is_dir()
        assert tmp_path not in draft.parents
    assert not draft.exists()


def test_a_spoiled_bundle_is_dropped_whatever_lies_in_its_place(tmp_path: Path) -> None:
    cache = BundleCache(tmp_path)
    reference = kept_bundle(cache)
    folder = cache.folder(reference)
    cache.drop(reference)
    assert not folder.exists()
    folder.symlink_to(tmp_path)
    cache.drop(reference)
    assert not folder.is_symlink()
    assert tmp_path.is_dir()


def test_two_downloads_of_one_version_keep_one_whole_bundle(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = BundleCache(tmp_path)
    source = tmp_path / "source"
    save_bundle(source, small_predictor(), FACTS)
    reference = reference_of(source)
    ready = threading.Barrier(4)

    def download(_: int) -> int:
        with cache.draft("waves") as draft:
            shutil.copytree(source, draft / "bundle")
            ready.wait(10)
            return cache.commit(WAVES, reference, draft / "bundle", 1)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(download, range(4))) == [1] * 4
    assert not caplog.records
    assert list((tmp_path / "cache/waves").iterdir()) == [cache.folder(reference)]
    assert len(list(cache.folder(reference).iterdir())) == 5
