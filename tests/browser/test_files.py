"""Files that people bring, read in the browser: what is understood, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.browser import WAIT_MILLISECONDS, Watched, watched

pytestmark = pytest.mark.slow

LONG = "unique_id,ds,y\na,2024-01-01,1\na,2024-01-02,2\nb,2024-01-01,3\nb,2024-01-02,\n"
READ = {
    "long": (LONG, {"a": [1, 2], "b": [3, None]}),
    "one series": ("ds,y\n2024-01-01,1.5\n2024-01-02,-2e3\n", {"y": [1.5, -2000]}),
    "wide, the time without a name": (",a,b\n2024-01-01,1,2\n2024-01-02,3,\n", {"a": [1, 3], "b": [2, None]}),
    "semicolons and decimal commas": ("ds;y\n2024-01-01;1,5\n2024-01-02;2\n", {"y": [1.5, 2]}),
    "tabs, carriage returns and a mark of order": ("\ufeffds\ty\r\n2024-01-01\t1\r\n\r\n2024-01-02\t2", {"y": [1, 2]}),
    "quotes": ('unique_id,ds,y\n"a, ""b""\nc",2024-01-01,"1"\n', {'a, "b"\nc': [1]}),
    "missing in many words": (
        "ds,y\n2024-01-01,1\n2024-01-02,NaN\n2024-01-03,NA\n2024-01-04,2\n",
        {"y": [1, None, None, 2]},
    ),
    "rows after the last value": ("ds,y,price\n2024-01-01,1,5\n2024-01-02,,6\n", {"y": [1, None]}),
    "markup": ("unique_id,ds,y\n<img src=x onerror=alert(1)>,2024-01-01,1\n", {"<img src=x onerror=alert(1)>": [1]}),
}
REFUSED = {
    "": "The file is empty.",
    "a,b\n": "There is no row below the names of the columns.",
    "y\n1\n": "There is one column, “y”",
    "ds,y,y\n2024-01-01,1,2\n": "Two columns are named “y”.",
    "ds,y,\n2024-01-01,1,2\n": "Column 3 has no name in row 1.",
    "unique_id,when,y\na,2024-01-01,1\n": "none named “ds”",
    "ds,y\n2024-01-01,1\n2024-01-02,2,3\n": "Row 3 has 3 cells, the first row has 2.",
    "ds,y\n2024-01-01,1\n\n2024-01-02,many\n": "Row 4, column “y”: “many” is no number.",
    "ds,y\n2024-01-01,1\n31.01.2024,2\n": "Row 3, column “ds”: “31.01.2024” is no time",
    "ds,y\n2024-01-01,1,5\n": "Row 2 has 3 cells",
    "ds,y\n2024-01-01,\n": "Series “y” has no value at all.",
    "unique_id,ds,y\n ,2024-01-01,1\n": "Row 2: “unique_id” is empty.",
    'ds,y\n2024-01-01,"1\n': "Row 2, column 2: a quote is opened and never closed.",
    'ds,y\n2024-01-01,"1"2\n': "Row 2, column 2: there is text after a closing quote.",
}


@pytest.fixture(scope="module")
def page(browser: Browser, url: str) -> Iterator[Page]:
    with watched(browser) as found:
        found.page.goto(url)
        yield found.page


READ_TEXT = """async text => {
  const files = document.body.dataset.files;
  const [csv, series] = await Promise.all(["csv", "series"].map(name => import(`/${files}/${name}.js`)));
  return series.seriesOf(csv.parse(text)).series.map(series.plainBody);
}"""


@pytest.mark.parametrize("what", READ)
def test_a_table_is_read(page: Page, what: str) -> None:
    text, wanted = READ[what]
    found = page.evaluate(READ_TEXT, text)
    assert {one["id"]: one["target"] for one in found} == wanted
    assert all(len(one["timestamps"]) == len(one["target"]) for one in found)


def test_step_numbers_are_numbers_and_years_are_times(page: Page) -> None:
    (steps,) = page.evaluate(READ_TEXT, "ds,y\n1,5\n2,6\n")
    (years,) = page.evaluate(READ_TEXT, "ds,y\n2001,5\n2002,6\n")
    assert (steps["timestamps"], years["timestamps"]) == ([1, 2], ["2001", "2002"])


@pytest.mark.parametrize("times", [("20240130", "20240131"), ("16780101", "22611231"), ("20240230", "20240301")])
def test_dates_without_anything_between_year_month_and_day_stay_texts(page: Page, times: tuple[str, str]) -> None:
    (series,) = page.evaluate(READ_TEXT, "ds,y\n" + "".join(f"{time},1\n" for time in times))
    assert tuple(series["timestamps"]) == times


@pytest.mark.parametrize(
    "steps", [(16771231, 16780101), (22611231, 22620101), (20241231, 20241301), (20240131, 20240132), (202401, 202402)]
)
def test_digits_that_are_no_dates_are_step_numbers(page: Page, steps: tuple[int, int]) -> None:
    (series,) = page.evaluate(READ_TEXT, "ds,y\n" + "".join(f"{step},1\n" for step in steps))
    assert tuple(series["timestamps"]) == steps


def test_a_file_of_such_dates_is_read_as_days(tab: Watched, url: str) -> None:
    tab.page.goto(url)
    tab.page.locator("#examples button").first.wait_for()
    tab.take("dates.csv", "ds,y\n" + "".join(f"202401{day:02},{day % 7}\n" for day in range(1, 32)))
    assert "31 steps of frequency D" in tab.shown("#report")
    assert "2024-01-31" in tab.page.inner_text("#report tbody")


@pytest.mark.parametrize("text", REFUSED)
def test_a_complaint_names_row_and_column(page: Page, text: str) -> None:
    page.set_input_files("#file", {"name": "x.csv", "mimeType": "text/csv", "buffer": text.encode()})
    expect(page.locator("#data .problem")).to_contain_text(REFUSED[text], timeout=WAIT_MILLISECONDS)
    assert page.locator("#ask").is_hidden()


def test_a_file_that_is_too_large_is_not_read(tab: Watched, url: str) -> None:
    tab.page.goto(url)
    tab.page.locator("#examples button").first.wait_for()
    tab.take("large.csv", "ds,y\n" + "2024-01-01,1\n" * 500_000)
    assert "large.csv has 6.5 MB, at most 6 MB are read here." in tab.shown("#data .problem")


def test_what_the_service_refuses_is_said_in_its_words(tab: Watched, url: str) -> None:
    tab.page.goto(url)
    tab.page.locator("#examples button").first.wait_for()
    tab.take("unsorted.csv", "ds,y\n2024-01-03,1\n2024-01-02,2\n2024-01-01,3\n")
    assert "comes after a later one" in tab.shown("#data .problem")


def test_a_file_of_another_model_and_one_that_fits_no_registered_one(tab: Watched, url: str) -> None:
    page = tab.page
    page.goto(url)
    page.locator("#examples button").first.wait_for()
    days = "".join(
        f"2024-{month:02}-{day:02},{day % 7}\n"
        for month in (1, 2, 3)
        for day in range(1, 29 if month == 2 else 32)
        if (month, day) != (3, 31)
    )
    tab.take("days.csv", "ds,y\n" + days)
    assert "frequency D" in tab.shown("#report") or "gap" in tab.shown("#report")
    assert "days" in page.inner_text("#model option:checked")
    tab.take("months.csv", "ds,y\n" + "".join(f"20{year}-01-01,{year}\n" for year in range(10, 24)))
    page.locator("#report:has-text('months.csv')").wait_for()
    assert "zero-shot" in page.inner_text("#model option:checked")
    assert "this model forecasts" not in page.inner_text("#model-hint")
    page.select_option("#model", "days@champion")
    assert "this model forecasts" in page.inner_text("#model-hint")
    page.click("#forecast-button")
    assert "frequency" in tab.shown("#ask .problem")
    assert page.locator("#forecast").is_hidden()


def test_markup_in_a_file_stays_text(tab: Watched, url: str) -> None:
    tab.page.goto(url)
    tab.page.locator("#examples button").first.wait_for()
    rows = "".join(f"<b>x</b>,2024-01-{day:02},{day}\n" for day in range(1, 29))
    tab.take("markup.csv", "unique_id,ds,y\n" + rows)
    assert "<b>x</b>" in tab.shown("#report tbody")
    assert tab.page.locator("#report b").count() == 0
