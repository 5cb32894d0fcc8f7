"""The pretrained encoder in shards: fitted once, to all of the table, and the same after a run that broke off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.config import TableConfig
from forecaster.data.reading import read_panel
from forecaster.errors import ColumnError, DataError, RequestError
from forecaster.pretrained import ZERO_SHOT, calibrated, encoder_for, pretrained_encoder
from pipelines.batch.batch import Asked, Progress
from pipelines.config import SourceConfig
from pipelines.errors import BatchError, RegistryError
from pipelines.prediction import Wanted
from pipelines.zero_shot import predict_unseen
from tests.pipelines.batch.factories import broken_off, bundle_in, bytes_in, hours, sharded

NUM_SERIES, LONGEST = 10, 120


def table() -> pd.DataFrame:
    """Gives hours of ten series, the later ones longer."""
    frame = hours(NUM_SERIES, LONGEST)
    place = frame.groupby("unique_id").cumcount()
    begins = LONGEST // 2 - 6 * frame["unique_id"].str[1:].astype(int)
    return frame[place >= begins].reset_index(drop=True)


@pytest.fixture
def what(tmp_path: Path) -> Asked:
    table().to_parquet(tmp_path / "hours.parquet", index=False, row_group_size=77)
    source = SourceConfig(path=tmp_path / "hours.parquet")
    return Asked(ZERO_SHOT, source, TableConfig(), Wanted(8), tmp_path / "out")


def test_one_shard_reads_as_the_table_that_is_forecast_whole(what: Asked) -> None:
    manifest = sharded(what, series_per_shard=NUM_SERIES)
    expected = predict_unseen(what.source, what.table, what.wanted).table
    pd.testing.assert_frame_equal(pd.read_parquet(what.output), expected, check_exact=True)
    assert manifest.made_from.model == ZERO_SHOT
    assert manifest.made_from.asked.model == pretrained_encoder().digest


def test_shards_are_forecast_by_one_encoder_with_the_intervals_that_all_series_want(what: Asked) -> None:
    manifest = sharded(what, series_per_shard=3)
    assert manifest.num_series == NUM_SERIES
    expected = predict_unseen(what.source, what.table, what.wanted).table
    pd.testing.assert_frame_equal(pd.read_parquet(what.output), expected, rtol=1e-5)


def test_of_many_shards_eight_are_asked_for_intervals(what: Asked) -> None:
    sharded(what, series_per_shard=1)
    panel = read_panel(table()).panel
    encoder = encoder_for(panel.axis.frequency, int(panel.lengths.max()), horizon=8).predictor
    asked = panel.select([0, 1, 3, 4, 5, 6, 8, 9])
    found = pd.read_parquet(what.output)
    expected, other = (calibrated(encoder, past).predict(panel).to_frame() for past in (asked, panel))
    pd.testing.assert_frame_equal(found, expected, rtol=1e-5)
    assert not np.allclose(found["0.1"], other["0.1"], rtol=1e-5)


def test_a_shard_whose_past_cannot_be_read_is_named(what: Asked) -> None:
    frame = table()
    frame.loc[frame.index[-1], "y"] = np.inf
    frame.to_parquet(what.source.path, index=False)
    with pytest.raises(DataError, match=r"shard 3 \(rows .* series 's009' to 's009'\)"):
        sharded(what, series_per_shard=3)


def test_a_run_that_broke_off_is_gone_on_with_to_the_same_bytes(what: Asked, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.num_done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sharded(what, stop)
    sharded(what)
    unbroken = Asked(what.reference, what.source, what.table, what.wanted, tmp_path / "unbroken")
    sharded(unbroken)
    assert bytes_in(what.output) == bytes_in(unbroken.output)


def test_a_longer_horizon_is_rolled_out_where_the_caller_says_so(what: Asked, tmp_path: Path) -> None:
    further = Asked(what.reference, what.source, what.table, Wanted(70), tmp_path / "further")
    with pytest.raises(RequestError, match="70"):
        sharded(further)
    rolled = Asked(what.reference, what.source, what.table, Wanted(70, roll_out=True), tmp_path / "rolled")
    assert sharded(rolled).num_rows == 70 * NUM_SERIES


def test_what_is_wrong_with_the_table_is_said_before_any_work(what: Asked, tmp_path: Path) -> None:
    wrong = Asked(what.reference, what.source, TableConfig(target_column="sales"), what.wanted, tmp_path / "wrong")
    with pytest.raises(ColumnError, match="sales"):
        sharded(wrong)


def test_a_refused_run_of_another_model_leaves_a_broken_off_one_as_it_is(what: Asked, tmp_path: Path) -> None:
    unbroken = Asked(what.reference, what.source, what.table, what.wanted, tmp_path / "unbroken")
    sharded(unbroken)
    broken_off(what, after=2)
    other = Asked(str(bundle_in(tmp_path)), what.source, what.table, Wanted(), what.output)
    with pytest.raises(BatchError, match="holds a run that was broken off and was asked for something else"):
        sharded(other)
    with pytest.raises(RegistryError):
        sharded(Asked("no-such-model", what.source, what.table, what.wanted, what.output))
    sharded(what)
    assert bytes_in(what.output) == bytes_in(unbroken.output)
