"""Each kind of spoiled version is refused for its own reason, and the numbers of good ones differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.reliability import telling_answers
from benchmarks.reliability.integrity import cuts_of
from benchmarks.reliability.outage import failed_look_seconds
from benchmarks.reliability.serving import write_untrained
from benchmarks.reliability.versions import SPOILED, digest_of
from forecaster.errors import BundleError
from service.models.registry import VersionRef
from service.models.verified import verified_bundle


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    for seed in range(2):
        write_untrained(folder / str(seed), seed=seed)
    return folder


REASONS = {
    "other digest": "the registry names",
    "no digest": "has no tag",
    "flipped bit": "differs from the SHA-256",
    "truncated file": "differs from the SHA-256",
    "missing file": "its manifest names",
    "extra file": "its manifest names",
    "link to another file": "not a plain file",
    "no artifacts": "no plain manifest",
    "other schema": "schema version 1",
    "other golden forecast": "golden forecast differs",
    "weights that are no numbers": "is not finite",
    "unreadable config": "config.json",
}


@pytest.mark.parametrize("kind", SPOILED)
def test_a_spoiled_version_is_refused_for_its_own_reason(bundles: Path, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "bundle"
    digest = write_untrained(folder, seed=0)
    verified_bundle(folder, VersionRef("waves", "1", digest))
    spoiled = SPOILED[kind](folder, bundles / "1")
    with pytest.raises(BundleError, match=REASONS[kind]):
        verified_bundle(folder, VersionRef("waves", "1", spoiled or ""))


def test_good_versions_are_told_apart_by_every_body(bundles: Path) -> None:
    answers = {version: telling_answers.answers_of(bundles / version) for version in ("0", "1")}
    telling_answers.refuse_alike(answers)
    with pytest.raises(AssertionError, match="differ by 0"):
        telling_answers.refuse_alike({"0": answers["0"], "1": answers["0"]})


def test_a_digest_is_that_of_the_manifest(bundles: Path, tmp_path: Path) -> None:
    assert digest_of(bundles / "0") == write_untrained(tmp_path / "again", seed=0)


def test_cuts_lie_at_every_step_and_one_byte_before_the_end() -> None:
    assert cuts_of(9000) == [0, 4096, 8192, 8999]
    assert cuts_of(1) == [0]


def test_failed_looks_are_read_from_a_log_with_other_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('warning\n{"event": "registry_unavailable", "seconds": 4.0}\n{"event": "version_loaded"}\n')
    assert failed_look_seconds(log) == [4.0]
