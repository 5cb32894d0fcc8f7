"""Pieces of a shard: what its series give at once, and what is kept of it whatever ends a run."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pipelines.errors import BatchError
from pipelines.prediction import Wanted
from tests.pipelines.batch.factories import HORIZON, asked, bundle_in, counted_forecasts, hours, sharded, whole


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle_in(tmp_path_factory.mktemp("model"))


def test_a_shard_in_pieces_is_what_its_series_give_at_once_and_keeps_the_finished_ones(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours(1300, 12).to_parquet(tmp_path / "hours.parquet", index=False)
    what = asked(bundle, tmp_path / "hours.parquet", tmp_path / "out")
    with monkeypatch.context() as patch:
        begun = counted_forecasts(patch, fail_at=5)
        with pytest.raises(BatchError, match=r"shard 1 .*: OSError: no"):
            sharded(what, series_per_shard=700)
    assert begun == [256, 256, 188, 256, 256]
    pieces = sorted((tmp_path / ".out.shards" / "pieces").iterdir())
    assert [path.name for path in pieces] == ["000001-000000.parquet", "000001-000256.parquet"]
    spoil_a_page(pieces[1])
    again = counted_forecasts(monkeypatch)
    sharded(what, series_per_shard=700)
    assert again == [256, 88]
    pd.testing.assert_frame_equal(pd.read_parquet(what.output), whole(what), check_exact=True)


def test_what_is_forecast_of_the_only_shard_outlives_an_error_and_a_refused_run(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours(700, 12).to_parquet(tmp_path / "hours.parquet", index=False)
    what = asked(bundle, tmp_path / "hours.parquet", tmp_path / "out")
    for error in (OSError("no"), KeyboardInterrupt()):
        with monkeypatch.context() as patch:
            counted_forecasts(patch, fail_at=1, error=error)
            with pytest.raises((BatchError, KeyboardInterrupt)):
                sharded(what, series_per_shard=700)
    with pytest.raises(BatchError, match="something else"):
        sharded(asked(bundle, tmp_path / "hours.parquet", tmp_path / "out", Wanted(3)), series_per_shard=700)
    again = counted_forecasts(monkeypatch)
    sharded(what, series_per_shard=700)
    assert again == [188]
    assert len(pd.read_parquet(what.output)) == 700 * HORIZON


def spoil_a_page(path: Path) -> None:
    """Has 4,096 bytes in the midst of a file read as zeros, as a loss of power can."""
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes(4096) + content[middle + 4096 :])
