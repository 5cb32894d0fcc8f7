"""Columns beside the target, as the page sends them to a model that reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pandas as pd
import pytest
from playwright.sync_api import Browser, Page

from service.settings import Settings
from tests.browser.browser import Watched, watched
from tests.explain.factories import predictor_of, waves
from tests.service.factories import app_of, on_a_socket

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def grouping(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a model answers that lets series of one group see each other."""
    home = tmp_path_factory.mktemp("grouping")
    with on_a_socket(app_of(predictor_of(channels="group"), home), Settings(home=home, port=0)) as client:
        yield str(client.base_url)


@pytest.fixture(scope="module")
def page(browser: Browser, grouping: str) -> Iterator[Page]:
    with watched(browser) as found:
        found.page.goto(grouping)
        yield found.page


# What a request holds of the first series of a table; the words of a complaint where the table is refused.
FIRST_BODY = """async ([text, model]) => {
  const files = document.body.dataset.files;
  const [csv, series] = await Promise.all(["csv", "series"].map(name => import(`/${files}/${name}.js`)));
  const nothing = { past: [], known: [], static: [], category: [] };
  try {
    const { series: [first], delimiter } = series.seriesOf(csv.parse(text));
    return series.bodyFor(first, { ...model, covariates: { ...nothing, ...model.covariates } }, delimiter);
  } catch (error) {
    if (error instanceof csv.TableError) return error.message;
    throw error;
  }
}"""


def body_of(page: Page, lines: str, **model: Any) -> Any:
    return page.evaluate(FIRST_BODY, ["\n".join(lines.split()), model])


def test_columns_go_where_the_model_reads_them_and_others_stay(page: Page) -> None:
    lines = """ds,y,visitors,price,size,kind,group,other
        2024-01-01,1,7,5,3,shop,north,9
        2024-01-02,2,8,,,,,9
        2024-01-03,,,6,,,,9"""
    names = {"past": ["visitors"], "known": ["price", "absent"], "static": ["size"], "category": ["kind"]}
    body = body_of(page, lines, covariates=names)
    assert body["target"] == [1, 2]
    assert body["past"] == {"visitors": [7, 8]}
    assert body["known"] == {"price": [5, None, 6]}
    assert body["static"] == {"size": 3, "kind": "shop"}
    assert "group" not in body


@pytest.mark.parametrize(
    ("cells", "sent"), [(("", "007"), {"group": "007"}), (("", " "), {"group": None}), (("NA", "NA"), {"group": "NA"})]
)
def test_a_group_is_the_text_that_stands_in_the_column(
    page: Page, cells: tuple[str, str], sent: dict[str, Any]
) -> None:
    text = "ds,y,group\n" + "".join(f"2024-01-0{day},1,{cell}\n" for day, cell in enumerate(cells, 1))
    found = page.evaluate(FIRST_BODY, [text, {"reads_groups": True}])
    assert {"group": found["group"]} == sent


@pytest.mark.parametrize(("known", "target"), [([], [1, None, 2, None, None]), (["price"], [1, None, 2])])
def test_rows_after_the_last_value_are_ahead_for_a_model_that_reads_what_is_known_ahead_alone(
    page: Page, known: list[str], target: list[float | None]
) -> None:
    cells = ("1,5,7", ",5,7", "2,5,7", ",5,7", ",5,7")
    text = "ds,y,price,visitors\n" + "".join(f"2024-01-0{day},{row}\n" for day, row in enumerate(cells, 1))
    body = page.evaluate(FIRST_BODY, [text, {"covariates": {"known": known, "past": ["visitors"]}}])
    assert (body["target"], body["known"]) == (target, {name: [5] * 5 for name in known})
    assert len(body["timestamps"]) == len(body["past"]["visitors"]) == len(target)


@pytest.mark.parametrize("kind", ["static", "category"])
def test_a_static_column_that_changes_within_a_series_is_refused(page: Page, kind: str) -> None:
    names = {"known": ["price"], kind: ["size"]}
    lines = "ds,y,price,size 2024-01-01,1,1, 2024-01-02,2,1,0 2024-01-03,,1,1"
    assert body_of(page, lines, covariates=names) == (
        "Series “y”, column “size”: “0” in row 3 and “1” in row 4, wanted is one value per series."
    )


def test_static_numbers_that_are_written_in_two_ways_are_one_and_missing_ones_say_nothing(page: Page) -> None:
    names = {"static": ["size", "empty"], "category": ["kind"]}
    lines = "ds,y,size,empty,kind 2024-01-01,1,NA,, 2024-01-02,2,1,,shop 2024-01-03,3,1.0,,shop"
    assert body_of(page, lines, covariates=names)["static"] == {"size": 1, "empty": None, "kind": "shop"}


def test_a_table_without_a_column_of_groups_sends_none(page: Page) -> None:
    assert "group" not in body_of(page, "ds,y 2024-01-01,1", reads_groups=True)


def test_a_group_that_changes_within_a_series_is_refused(page: Page) -> None:
    said = body_of(page, "ds,y,group 2024-01-01,1, 2024-01-02,1,north 2024-01-03,1,south", reads_groups=True)
    assert said == (
        "Series “y”, column “group”: “north” in row 3 and “south” in row 4, wanted is one value per series."
    )


def test_series_of_a_group_are_forecast_and_tested_in_company_as_in_a_table(tab: Watched, grouping: str) -> None:
    table = waves(missing_share=0.0).to_frame().astype({"ds": str})
    alone, other, last = table["unique_id"].unique()
    table["group"] = table["unique_id"].map({alone: "one", other: "two", last: "two"})
    page = tab.page
    page.goto(grouping)
    page.locator("#service:has-text('waves')").wait_for()
    tab.take("groups.csv", table.to_csv(index=False))
    assert "in a column group see each other" in tab.shown("#model-hint")
    with page.expect_response("**/v1/forecast") as asked:
        page.click("#forecast-button")
    assert medians(asked.value.json()) == medians(forecast_of_table(grouping, table))
    tab.shown("#fan canvas")
    page.select_option("#series", label=last)
    with page.expect_response("**/v1/backtest") as tested:
        page.click("#backtest-form button")
    assert [series["id"] for series in tested.value.json()["series"]] == [last, other]
    assert f"Backtest of {last}" in (page.locator("#backtest canvas").get_attribute("aria-label") or "")
    page.click("#why-form button")
    assert "from this series alone, without the others of its group" in tab.shown("#why .facts")
    page.select_option("#series", label=alone)
    page.click("#why-form button")
    assert "alone" not in tab.shown("#why .facts")


def forecast_of_table(url: str, table: pd.DataFrame) -> dict[str, Any]:
    headers = {"Content-Type": "application/vnd.apache.parquet"}
    reply = httpx.post(f"{url}/v1/forecast", content=table.to_parquet(index=False), headers=headers, timeout=60)
    found: dict[str, Any] = reply.raise_for_status().json()
    return found


def medians(reply: dict[str, Any]) -> dict[str, list[float]]:
    return {one["id"]: one["quantiles"]["0.5"] for one in reply["forecasts"]}
