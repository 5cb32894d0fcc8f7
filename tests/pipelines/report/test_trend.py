from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from mlflow import MlflowClient

from pipelines.registry import Version
from pipelines.report.trend import log_trend, trend_run
from tests.pipelines.stores import Store


def test_the_trend_has_a_point_for_each_version_at_its_time(store: Store) -> None:
    run_id, begun = store.run(), int(time.time() * 1000)
    for number, mase in ((1, 0.9), (2, 0.8), (4, 0.7)):
        log_trend(store.client, run_id, Version("grown", number), {"mase": mase, "gain": float("nan")})
    (trend,) = store.client.search_runs([store.experiment], "tags.stage = 'trend' and tags.model = 'grown'")
    assert (trend.info.status, trend.info.run_name) == ("FINISHED", "grown trend")
    assert trend.data.tags["latest_version"] == "4"
    points = store.client.get_metric_history(trend.info.run_id, "mase")
    assert [(point.step, point.value) for point in points] == [(1, 0.9), (2, 0.8), (4, 0.7)]
    assert all(begun <= point.timestamp <= time.time() * 1000 for point in points)
    assert "gain" not in trend.data.metrics


def test_models_of_one_experiment_have_a_trend_each(store: Store) -> None:
    found = {trend_run(store.client, store.experiment, name) for name in ("one", "two", "one")}
    assert len(found) == 2


def test_pipelines_that_begin_at_once_share_one_trend(store: Store) -> None:
    begin = threading.Barrier(4)

    def begun(_: int) -> str:
        client = MlflowClient(store.environment.tracking_uri)
        begin.wait()
        return trend_run(client, store.experiment, "raced")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(begun, range(4)))
    left = store.client.search_runs([store.experiment], "tags.stage = 'trend' and tags.model = 'raced'")
    assert len(left) == 1
    assert trend_run(store.client, store.experiment, "raced") == left[0].info.run_id


def test_an_outage_costs_the_point_and_nothing_else(store: Store, caplog: object) -> None:
    log_trend(store.client, "0" * 32, Version("gone", 1), {"mase": 1.0})  # there is no such run
    assert not store.client.search_runs([store.experiment], "tags.stage = 'trend' and tags.model = 'gone'")
