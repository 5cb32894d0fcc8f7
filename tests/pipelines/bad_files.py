"""The table of bad data files: what the file holds, and what `forecaster data check` says of it.

docs/bad-inputs.md is written from here (tests/bad_inputs.py). `train`, `backtest`, `promote` and `predict` read
files by the same door.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

USAGE, DATA, REFUSED, ELSEWHERE = 2, 3, 4, 5  # exit codes, as forecaster/cli.py has them


@dataclass(frozen=True)
class BadFile:
    """A data file, and what is said of it."""

    what: str  # as docs/bad-inputs.md says it
    code: str  # '' for a file that is read
    message: str  # part of what is printed
    content: str | bytes | None  # None: there is no such file
    options: tuple[str, ...] = ()
    name: str = "table.csv"
    static: str | None = None  # the file beside it
    future: str | None = None


HOURS = [f"2024-01-01 {hour:02}:00:00" for hour in range(5)]
DAYS = [f"2024-01-{day:02}" for day in range(1, 31)]


def table(**columns: Any) -> str:
    """Gives a long table of five hours as CSV; columns can be replaced, or removed by `...`."""
    given = {"unique_id": "a", "ds": HOURS, "y": [1.0, 2.0, 3.5, 4.0, 5.0]} | columns
    return pd.DataFrame({name: values for name, values in given.items() if values is not ...}).to_csv(index=False)


def values(what: str, code: str, message: str, third: object) -> BadFile:
    return BadFile(what, code, message, table(y=[1, 2, third, 4, 5]))


def times(what: str, code: str, message: str, ds: Sequence[object] | str, *options: str) -> BadFile:
    return BadFile(what, code, message, table(ds=ds), options)


def parquet() -> bytes:
    buffer = io.BytesIO()
    pd.DataFrame({"unique_id": "a", "ds": pd.to_datetime(HOURS), "y": 1.0}).to_parquet(buffer)
    return buffer.getvalue()


UNREADABLE = "unreadable-source"
TEXT, PARQUET, GZIP = table(), parquet(), gzip.compress(table().encode())
MIXED = table() + "".join(f"b,{day},1\n" for day in DAYS)
FINER = table() + "".join(f"b,2024-01-01 00:{minute}:00,1\n" for minute in ("00", "15", "30", "45"))
AUTUMN = ["2024-10-27 00:00", "2024-10-27 01:00", "2024-10-27 02:00", "2024-10-27 02:00", "2024-10-27 03:00"]
SPRING = [f"2024-03-31 0{hour}:00" for hour in range(5)]
BERLIN = ("--timezone", "Europe/Berlin")

BYTES = (
    BadFile("a file that is not there", UNREADABLE, "does not exist", None),
    BadFile(
        "an ending that is not known",
        UNREADABLE,
        "none of the known endings .csv, .csv.gz, .parquet",
        TEXT,
        name="table.xlsx",
    ),
    BadFile("no ending", UNREADABLE, "none of the known endings", TEXT, name="table"),
    BadFile("an empty file", UNREADABLE, "No columns to parse", ""),
    BadFile("only line breaks", UNREADABLE, "No columns to parse", "\n\n\n"),
    BadFile("a header and nothing more", "empty-table", "the table has no rows", "unique_id,ds,y\n"),
    BadFile("a picture", UNREADABLE, "'utf-8' codec can't decode", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20),
    BadFile("a name too long for the disk", UNREADABLE, "File name too long", None, name=f"{'x' * 300}.csv"),
    BadFile("text that is not UTF-8", UNREADABLE, "'utf-8' codec can't decode", table(unique_id="é").encode("latin-1")),
    BadFile("UTF-16", UNREADABLE, "'utf-8' codec can't decode", TEXT.encode("utf-16")),
    BadFile(
        "a first row longer than the header",
        UNREADABLE,
        "Expected 3 fields in line 2, saw 5",
        "unique_id,ds,y\na,2024-01-01,1,9,9\n",
    ),
    BadFile(
        "a later row longer than the header",
        UNREADABLE,
        "Expected 3 fields in line 7, saw 5",
        TEXT + "a,2024-01-01 05:00:00,1,9,9\n",
    ),
    BadFile("a row without timestamp and value", "null-timestamp", "in row 6 no timestamp", TEXT + "a\n"),
    BadFile("a quote that is never closed", UNREADABLE, "EOF inside string", TEXT + '"a,2024\n'),
    BadFile("columns separated by semicolons", UNREADABLE, "separated by ';'", TEXT.replace(",", ";")),
    BadFile("columns separated by tabs", UNREADABLE, r"separated by '\t'", TEXT.replace(",", "\t")),
    BadFile("a .csv.gz file that is no gzip", UNREADABLE, "Not a gzipped file", TEXT, name="table.csv.gz"),
    BadFile("a .csv.gz file that ends early", UNREADABLE, "ended before", GZIP[: len(GZIP) // 2], name="table.csv.gz"),
    BadFile(
        "a .csv.gz file with a wrong checksum",
        UNREADABLE,
        "CRC check failed",
        GZIP[:-8] + b"12345678",
        name="table.csv.gz",
    ),
    BadFile("an empty .parquet file", UNREADABLE, "Parquet file size is 0 bytes", b"", name="table.parquet"),
    BadFile("CSV in a .parquet file", UNREADABLE, "magic bytes not found", TEXT, name="table.parquet"),
    BadFile(
        "a .parquet file that ends early",
        UNREADABLE,
        "magic bytes not found",
        PARQUET[: len(PARQUET) // 2],
        name="table.parquet",
    ),
    BadFile(
        "a .parquet file with damaged pages",
        UNREADABLE,
        "cannot be read",
        PARQUET[:60] + b"\xff" * 200 + PARQUET[260:],
        name="table.parquet",
    ),
    BadFile("Parquet in a .csv file", UNREADABLE, "cannot be read", PARQUET),
)

COLUMNS = (
    BadFile("a long table without target", "ambiguous-layout", "no target 'y'", table(y=...)),
    BadFile("a long table without times", "missing-column", "no column 'ds'", table(ds=...)),
    BadFile(
        "two columns of one name", "duplicate-column", "two columns named 'y'", "unique_id,ds,y,y\na,2024-01-01,1,2\n"
    ),
    BadFile(
        "a target column that is not there", "missing-column", "no column 'sales'", TEXT, ("--target-column", "sales")
    ),
    BadFile("a time column that is not there", "missing-column", "no column 'when'", TEXT, ("--time-column", "when")),
    BadFile("an id column that is not there", "missing-column", "no column 'shop'", TEXT, ("--id-column", "shop")),
    BadFile(
        "one column for two roles", "ambiguous-layout", "one column cannot play two roles", TEXT, ("--id-column", "ds")
    ),
    BadFile(
        "a wide table with two columns of times",
        "ambiguous-layout",
        "'day', 'when' all hold timestamps",
        "day,when,s1\n2024-01-01,2024-01-01,1\n2024-01-02,2024-01-02,2\n",
    ),
    BadFile("a row index in a wide table", "nameless-column", "column 1 has no name", ",s1\n0,1\n1,2\n2,3\n"),
    BadFile("a wide table without series", "missing-column", "no column of values", "ds\n2024-01-01\n2024-01-02\n"),
    BadFile(
        "a wide table with a column of text",
        "not-a-number",
        "series 's2' has in row 1",
        "ds,s1,s2\n2024-01-01,1,x\n2024-01-02,2,y\n2024-01-03,3,z\n",
    ),
    BadFile(
        "a wide table read as long", "missing-column", "no column 'y'", "ds,s1\n2024-01-01,1\n", ("--layout", "long")
    ),
    BadFile("a long table read as wide", "not-a-number", "series 'unique_id'", TEXT, ("--layout", "wide")),
    BadFile("a row without id", "null-id", "no id in row 3", table(unique_id=["a", "a", None, "a", "a"])),
)

VALUES = (
    values("a word among the values", "not-a-number", "in row 3 of column 'y' the value 'three'", "three"),
    values("a decimal comma", "not-a-number", "the value '3,5'", "3,5"),
    values("a currency sign", "not-a-number", "the value '$3'", "$3"),
    values("a boolean among the values", "not-a-number", "the value 'True'", True),
    BadFile("booleans as values", "not-a-number", "the value True", table(y=True)),
    BadFile("dates as values", "not-a-number", "the value '2024-01-01'", table(y="2024-01-01")),
    values("`inf`", "infinite", "in row 3, at 2024-01-01T02:00:00, the value inf", "inf"),
    values("`-Infinity`", "infinite", "the value -inf", "-Infinity"),
    values("`1e400`", "infinite", "the value inf", "1e400"),
    values("a number of 400 digits", "infinite", "the value inf", "9" * 400),
    values("a value beyond +/- 1e30", "value-out-of-range", "the value 1e+31, beyond +/- 1e+30", "1e31"),
    BadFile("only missing values", "no-observed-value", "first 'a'", table(y=None)),
    BadFile("a series with missing values only", "no-observed-value", "first 'b'", TEXT + "b,2024-01-01 00:00:00,\n"),
)

TIMES = (
    times(
        "a timestamp twice",
        "duplicate-timestamp",
        "2024-01-01T01:00:00 in row 3 is there more than once",
        [HOURS[0], HOURS[1], HOURS[1], *HOURS[2:4]],
    ),
    times(
        "timestamps that do not ascend",
        "unsorted",
        "2024-01-01T01:00:00 in row 3 comes after a later one",
        [HOURS[0], HOURS[2], HOURS[1], *HOURS[3:]],
    ),
    times(
        "a timestamp off the grid",
        "irregular-timestamps",
        "1 of 5 timestamps are off it",
        [*HOURS[:2], "2024-01-01 02:00:01", *HOURS[3:]],
    ),
    times(
        "a timestamp off the grid of a given frequency",
        "off-grid",
        "in row 3 is off the grid of frequency 'h'",
        [*HOURS[:2], "2024-01-01 02:00:01", *HOURS[3:]],
        "--frequency",
        "h",
    ),
    BadFile(
        "hours in one series, days in another",
        "mixed-frequency",
        "'b' has frequency 'D', but series 'a' has 'h'",
        MIXED,
    ),
    BadFile("hours in one series, quarters in another", "mixed-frequency", "'b' has '15min'", FINER),
    times(
        "a timestamp that cannot be read",
        "unparsable-timestamp",
        "in row 3 timestamp 'soon'",
        [*HOURS[:2], "soon", *HOURS[3:]],
    ),
    times("`today`", "unparsable-timestamp", "timestamp 'today'", "today"),
    times(
        "day and month in an unclear order",
        "ambiguous-date-order",
        "can be read as %m/%d/%Y and as %d/%m/%Y",
        [f"0{day}/02/2024" for day in range(1, 6)],
    ),
    times(
        "some timestamps with an offset",
        "mixed-offsets",
        "give it to all or to none",
        [f"{HOURS[0]}+01:00", *HOURS[1:]],
    ),
    times("a row without timestamp", "null-timestamp", "in row 2 no timestamp", [HOURS[0], None, *HOURS[2:]]),
    times("year 1", "timestamp-out-of-range", "outside the years 1678 to 2261", ["0001-01-01", *HOURS[1:]]),
    times("year 9999", "timestamp-out-of-range", "outside the years 1678 to 2261", [*HOURS[:4], "9999-01-01"]),
    times("180 years between two hours", "too-many-gaps", "is a timestamp wrong?", [*HOURS[:4], "2204-01-01"]),
    times("dates as integers", "integer-dates", "write them as ISO 8601 texts", list(range(20240101, 20240106))),
    times(
        "epochs as integers", "irregular-timestamps", "epochs as timestamps", [1704067200 + 3600 * n for n in range(5)]
    ),
    times("a step beyond 10^15", "timestamp-out-of-range", "beyond +/- 10^15", [1, 2, 3, 4, 10**17]),
    times("fractions as timestamps", "not-timestamps", "of type floating", [1.5, 2.5, 3.5, 4.5, 5.5]),
    times("booleans as timestamps", "not-timestamps", "of type boolean", [True] * 5),
    BadFile(
        "one row, no frequency given",
        "frequency-needed",
        "wanted 3, or `frequency`",
        "unique_id,ds,y\na,2024-01-01,1\n",
    ),
    times(
        "the hour that comes twice, in naive times",
        "duplicate-timestamp",
        "the hour that repeats when clocks go back",
        AUTUMN,
    ),
    times("the hour that comes twice, in a zone", "ambiguous-timestamp", "give offsets, or UTC times", AUTUMN, *BERLIN),
    times(
        "the hour that is left out", "ambiguous-timestamp", "series 'a', row 3: 2024-03-31T02:00:00", SPRING, *BERLIN
    ),
    times("a time zone that is not known", "unknown-timezone", "'Mars/Olympus'", HOURS, "--timezone", "Mars/Olympus"),
    times("this machine's own time zone", "unknown-timezone", "'localtime'", HOURS, "--timezone", "localtime"),
    times("a time zone for integer steps", "timezone-of-steps", "no time zone", [1, 2, 3, 4, 5], "--timezone", "UTC"),
    times("a frequency that is none", "unknown-frequency", "'fortnight'", HOURS, "--frequency", "fortnight"),
    times("frequency `0h`", "invalid-frequency", "its number must be at least 1", HOURS, "--frequency", "0h"),
    times("frequency `-1h`", "unknown-frequency", "'-1h' is unknown", HOURS, "--frequency=-1h"),
    times("an empty frequency", "unknown-frequency", "'' is unknown", HOURS, "--frequency", ""),
    times("a step longer than ten years", "frequency-too-long", "ten years", HOURS, "--frequency", "11YS"),
    times("steps for a table of times", "frequency-mismatch", "holds timestamps", HOURS, "--frequency", "step"),
)

READ = (
    BadFile(
        "a gap: reported, and read as missing",
        "",
        "[gap] series 'a': 1 step(s) without a row",
        table(ds=[*HOURS[:4], "2024-01-01 05:00:00"]),
    ),
    BadFile(
        "a row that ends before its value: the value is missing",
        "",
        "[missing-value]",
        TEXT + "a,2024-01-01 05:00:00\n",
    ),
    BadFile("a byte order mark", "", "frequency   h (inferred)", b"\xef\xbb\xbf" + TEXT.encode()),
    BadFile("a file name in capitals", "", "frequency   h (inferred)", TEXT, name="TABLE.CSV"),
    BadFile("a long table without ids: one series", "", "series      1,", table(unique_id=...)),
    BadFile("one row, frequency given", "", "[short-series]", "unique_id,ds,y\na,2024-01-01,1\n", ("--frequency", "h")),
    BadFile("values that are all the same", "", "[constant-series]", table(y=1.0)),
    BadFile(
        "a terminal escape in a column's name: shown escaped",
        "",
        r"'\x1b[31mred'",
        "ds,\x1b[31mred\n2024-01-01,1\n2024-01-02,2\n2024-01-03,3\n",
    ),
)
