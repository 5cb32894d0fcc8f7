"""Sources: the same table as CSV, Parquet, SQL or store gives the same panel, whole or in chunks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy

from forecaster.bundle import Bundle, load_bundle, save_bundle
from forecaster.config import CovariateConfig, TableConfig
from forecaster.data.covariates import covariate_config
from forecaster.data.reading import read_panel
from forecaster.errors import ConfigError, DataError, FrequencyError, SeriesError, TimestampError
from pipelines import loading
from pipelines.config import SourceConfig
from pipelines.loading import build_store, load, table_for
from pipelines.sources import read_chunks
from tests.conftest import noisy_waves
from tests.explain.factories import predictor_of
from tests.pipelines.factories import FACTS

FRAME = noisy_waves(timezone="UTC")
EXPECTED = read_panel(FRAME).panel.fingerprint()


def as_csv(folder: Path) -> SourceConfig:
    FRAME.to_csv(folder / "table.csv", index=False)
    return SourceConfig(path=folder / "table.csv")


def as_compressed_csv(folder: Path) -> SourceConfig:
    FRAME.to_csv(folder / "table.csv.gz", index=False)
    return SourceConfig(path=folder / "table.csv.gz")


def as_parquet(folder: Path) -> SourceConfig:
    FRAME.to_parquet(folder / "table.parquet", index=False)
    return SourceConfig(path=folder / "table.parquet")


def as_sql(folder: Path) -> SourceConfig:
    url = f"sqlite:///{folder / 'tables.db'}"
    engine = sqlalchemy.create_engine(url)
    FRAME.assign(ds=FRAME["ds"].map(pd.Timestamp.isoformat)).to_sql("history", engine, index=False)
    engine.dispose()
    return SourceConfig(url=url, query="SELECT unique_id, ds, y FROM history ORDER BY unique_id, ds")


@pytest.mark.parametrize("source", [as_csv, as_compressed_csv, as_parquet, as_sql])
def test_every_source_gives_the_same_panel(source: object, tmp_path: Path) -> None:
    assert load(source(tmp_path), TableConfig()).panel.fingerprint() == EXPECTED  # type: ignore[operator]


@pytest.mark.parametrize("source", [as_csv, as_parquet, as_sql])
@pytest.mark.parametrize("num_rows", [7, 400, 10_000])
def test_a_store_built_in_chunks_holds_the_same_panel(
    source: object, num_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "read_chunks", lambda given, id_column: read_chunks(given, id_column, num_rows))
    built = build_store(source(tmp_path), TableConfig(), tmp_path / "store")  # type: ignore[operator]
    assert built.panel.fingerprint() == EXPECTED
    assert load(SourceConfig(path=tmp_path / "store"), TableConfig()).panel.fingerprint() == EXPECTED


@pytest.mark.parametrize("index", [["ds"], ["unique_id"], ["unique_id", "ds"]])
def test_times_and_ids_in_the_index_of_a_parquet_file_are_read(
    index: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=40).delete(20)
    frames = [pd.DataFrame({"unique_id": name, "ds": days, "y": draw.normal(size=39)}) for name in ("007", "b")]
    frame = pd.concat(frames, ignore_index=True)
    frame.set_index(index).to_parquet(tmp_path / "t.parquet")
    source = SourceConfig(path=tmp_path / "t.parquet")
    expected = read_panel(frame).panel.fingerprint()
    assert load(source, TableConfig()).panel.fingerprint() == expected
    monkeypatch.setattr(loading, "read_chunks", lambda given, texts: read_chunks(given, texts, 7))
    assert build_store(source, TableConfig(), tmp_path / "store").panel.fingerprint() == expected


def test_times_in_the_index_of_a_wide_parquet_file_are_read(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=40).delete(20)
    frame = pd.DataFrame({"a": np.arange(39.0), "b": 1.0}, index=days)
    frame.to_parquet(tmp_path / "t.parquet")
    panel = load(SourceConfig(path=tmp_path / "t.parquet"), TableConfig()).panel
    assert panel.axis.frequency.alias == "D"
    assert panel.lengths.tolist() == [40, 40]


def test_a_wide_table_is_stored_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = FRAME.pivot(index="ds", columns="unique_id", values="y").reset_index()
    wide.to_csv(tmp_path / "wide.csv", index=False)
    monkeypatch.setattr(loading, "read_chunks", lambda given, id_column: read_chunks(given, id_column, 7))
    built = build_store(SourceConfig(path=tmp_path / "wide.csv"), TableConfig(), tmp_path / "store")
    assert len(built.panel) == 3


def test_a_series_in_two_places_is_refused_and_leaves_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = len(FRAME) // 2
    pd.concat([FRAME.iloc[:half], FRAME.iloc[half:], FRAME.iloc[:3]]).to_csv(tmp_path / "table.csv", index=False)
    monkeypatch.setattr(loading, "read_chunks", lambda given, id_column: read_chunks(given, id_column, 100))
    with pytest.raises(SeriesError, match="'s0'"):
        build_store(SourceConfig(path=tmp_path / "table.csv"), TableConfig(), tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_row_is_told_by_its_place_in_the_whole_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(read: Callable[[], object]) -> str:
        with pytest.raises(DataError) as caught:
            read()
        return str(caught.value)

    monkeypatch.setattr(loading, "read_chunks", lambda given, id_column: read_chunks(given, id_column, 100))
    numbers = FRAME["unique_id"].factorize()[0]
    words = FRAME.assign(y=FRAME["y"].astype(object).where(FRAME.index != len(FRAME) - 5, "many"))
    gaps = FRAME.assign(unique_id=pd.Series(numbers, dtype="Int64").mask(FRAME.index == len(FRAME) - 5))
    words.to_csv(tmp_path / "words.csv", index=False)
    gaps.to_parquet(tmp_path / "gaps.parquet", index=False)
    for name in ("words.csv", "gaps.parquet"):
        source = SourceConfig(path=tmp_path / name)
        whole = told(partial(load, source, TableConfig()))
        assert f"in row {len(FRAME) - 4}" in whole
        assert told(partial(build_store, source, TableConfig(), tmp_path / "store")) == whole
        assert not (tmp_path / "store").exists()


def test_a_store_cannot_be_read_in_another_way(tmp_path: Path) -> None:
    build_store(as_csv(tmp_path), TableConfig(), tmp_path / "store")
    with pytest.raises(ConfigError, match="is a store"):
        load(SourceConfig(path=tmp_path / "store"), TableConfig(frequency="D"))


def test_ids_stay_the_texts_they_are_whole_or_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"s0": "007", "s1": "1.50", "s2": "B"}
    FRAME.assign(unique_id=FRAME["unique_id"].map(names)).to_csv(tmp_path / "table.csv", index=False)
    source = SourceConfig(path=tmp_path / "table.csv")
    monkeypatch.setattr(loading, "read_chunks", lambda given, id_column: read_chunks(given, id_column, 100))
    assert load(source, TableConfig()).panel.series_ids == ("007", "1.50", "B")
    assert build_store(source, TableConfig(), tmp_path / "store").panel.series_ids == ("007", "1.50", "B")


def test_a_store_tells_what_was_found_in_every_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "read_chunks", lambda given, id_column: read_chunks(given, id_column, 100))
    built = build_store(as_csv(tmp_path), TableConfig(), tmp_path / "store")
    for series_id in ("s0", "s1", "s2"):
        assert any("[missing-value]" in line and series_id in line for line in built.lines)


def test_offsets_that_change_between_chunks_are_read_in_the_zone_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    winter = pd.date_range("2024-01-01T00:00", periods=50, freq="h").strftime("%Y-%m-%dT%H:%M:%S+01:00")
    summer = pd.date_range("2024-07-01T00:00", periods=50, freq="h").strftime("%Y-%m-%dT%H:%M:%S+02:00")
    table = pd.DataFrame({"unique_id": ["a"] * 50 + ["b"] * 50, "ds": [*winter, *summer], "y": range(100)})
    table.to_csv(tmp_path / "table.csv", index=False)
    monkeypatch.setattr(loading, "read_chunks", lambda given, id_column: read_chunks(given, id_column, 50))
    panel = build_store(SourceConfig(path=tmp_path / "table.csv"), TableConfig(), tmp_path / "store").panel
    assert [str(panel.axis.label(panel.starts)[n].tz_convert("UTC")) for n in (0, 1)] == [
        "2023-12-31 23:00:00+00:00",
        "2024-06-30 22:00:00+00:00",
    ]


@pytest.mark.parametrize("timezone", [None, "UTC"])
@pytest.mark.parametrize("begins_with", ["+00:00", "+01:00", ""])
def test_chunks_with_an_offset_and_without_one_are_refused_as_they_are_in_a_whole_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begins_with: str, timezone: str | None
) -> None:
    hours = pd.date_range("2024-01-01T00:00", periods=50, freq="h").strftime("%Y-%m-%dT%H:%M:%S")
    rest = "" if begins_with else "+00:00"
    frame = pd.DataFrame({"unique_id": ["a"] * 50 + ["b"] * 50, "ds": [*(hours + begins_with), *(hours + rest)]})
    frame.assign(y=range(100)).to_csv(tmp_path / "table.csv", index=False)
    source, table = SourceConfig(path=tmp_path / "table.csv"), TableConfig(timezone=timezone)
    with pytest.raises(TimestampError) as whole:
        load(source, table)
    monkeypatch.setattr(loading, "read_chunks", lambda given, id_column: read_chunks(given, id_column, 50))
    with pytest.raises(TimestampError) as in_chunks:
        build_store(source, table, tmp_path / "store")
    assert str(in_chunks.value) in str(whole.value)
    assert in_chunks.value.code == whole.value.code == "mixed-offsets"
    assert not (tmp_path / "store").exists()


def test_covariates_in_the_table_are_stored_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FRAME.assign(rain=range(len(FRAME)), kind="a").to_csv(tmp_path / "table.csv", index=False)
    source = SourceConfig(path=tmp_path / "table.csv")
    config = TableConfig(past_columns=("rain",), category_columns=("kind",))
    monkeypatch.setattr(loading, "read_chunks", lambda given, id_column: read_chunks(given, id_column, 100))
    built = build_store(source, config, tmp_path / "store")
    stored, read = built.panel.covariates, load(source, config).panel.covariates
    np.testing.assert_array_equal(stored.past, read.past)
    assert stored.categories.tolist() == read.categories.tolist()
    assert "covariates  past: 'rain'" in built.lines


def test_groups_and_what_stands_beside_a_table_are_stored_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FRAME.assign(group=FRAME["unique_id"].map({"s0": "x", "s1": "y", "s2": "x"})).to_csv(
        tmp_path / "t.csv", index=False
    )
    pd.DataFrame({"unique_id": ["s2", "s0"], "size": [1, 2]}).to_csv(tmp_path / "static.csv", index=False)
    source = SourceConfig(path=tmp_path / "t.csv", static=tmp_path / "static.csv")
    monkeypatch.setattr(loading, "read_chunks", lambda given, id_column: read_chunks(given, id_column, 100))
    panel = build_store(source, TableConfig(group_column="group", static_columns=("size",)), tmp_path / "store").panel
    assert list(panel.group_numbers) == [0, 1, 0]
    np.testing.assert_array_equal(panel.covariates.static, [[2.0], [np.nan], [1.0]])


def test_what_stands_beside_a_store_is_refused(tmp_path: Path) -> None:
    build_store(as_csv(tmp_path), TableConfig(), tmp_path / "store")
    with pytest.raises(ConfigError, match="leave them out"):
        load(SourceConfig(path=tmp_path / "store", static=tmp_path / "static.csv"), TableConfig())


def test_models_of_different_covariates_expect_the_columns_of_all(tmp_path: Path) -> None:
    wanted = [CovariateConfig(known=("price",)), CovariateConfig(known=("promo", "price"), categories={"kind": ("a",)})]
    bundles = [bundle_of(covariates, tmp_path / str(number)) for number, covariates in enumerate(wanted)]
    expected = table_for(bundles, SourceConfig(), TableConfig())
    assert (expected.known_columns, expected.category_columns) == (("price", "promo"), ("kind",))
    assert table_for(bundles, SourceConfig(path=tmp_path), TableConfig()) == TableConfig()


def bundle_of(covariates: CovariateConfig, folder: Path) -> Bundle:
    save_bundle(folder, predictor_of(covariates=covariates), FACTS)
    return load_bundle(folder)


def test_categories_and_groups_stay_the_texts_they_are(tmp_path: Path) -> None:
    rows = [
        f"{name},{step},1.5,{code},{code}"
        for name, code in (("NA", "007"), ("b", "7"), ("c", "NA"))
        for step in range(4)
    ]
    (tmp_path / "table.csv").write_text("\n".join(["unique_id,ds,y,zip,shop", *rows, "c,4,NA,NA,NA"]))
    table = TableConfig(category_columns=("zip",), group_column="shop")
    panel = load(SourceConfig(path=tmp_path / "table.csv"), table).panel
    assert panel.series_ids == ("NA", "b", "c")
    assert panel.covariates.categories.ravel().tolist() == ["007", "7", "NA"]
    assert len(set(panel.group_numbers.tolist())) == 3
    assert np.isnan(panel.values[-1])


def test_a_text_that_was_named_as_static_at_training_is_read_alike_afterwards(tmp_path: Path) -> None:
    frame = FRAME.assign(region="north")
    trained = TableConfig(static_columns=("region",))
    covariates = covariate_config(read_panel(frame, trained).panel)
    again = read_panel(frame, trained.expecting("h", covariates)).panel
    assert again.covariates.category_names == ("region",)


def test_a_series_of_another_frequency_is_refused_in_any_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "read_chunks", partial(read_chunks, num_rows=50))
    hours = pd.DataFrame({"unique_id": "a", "ds": pd.date_range("2024-01-01", periods=100, freq="h"), "y": 1.5})
    days = pd.DataFrame({"unique_id": "b", "ds": pd.date_range("2024-01-01", periods=40, freq="D"), "y": 1.5})
    pd.concat([hours, days]).to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(FrequencyError, match="series 'b' looks like frequency 'D', expected is 'h'"):
        build_store(SourceConfig(path=tmp_path / "table.csv"), TableConfig(), tmp_path / "store")
