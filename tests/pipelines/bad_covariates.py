"""The tables of bad covariates, in a data file and in the files beside it, and what `forecaster data check` says.

docs/bad-inputs.md is written from here (tests/bad_inputs.py).
"""

from __future__ import annotations

from typing import Any

from tests.pipelines.bad_files import TEXT, BadFile, table

PROMO = ("--known-column", "promo")
PROMOTED = table(promo=[0, 1, 0, 1, 0])
AHEAD = "unique_id,ds,promo\n"


def covariate(what: str, code: str, message: str, option: str, **columns: Any) -> BadFile:
    return BadFile(what, code, message, table(**columns), (f"--{option}-column", "extra"))


def beside(what: str, code: str, message: str, static: str, *options: str) -> BadFile:
    return BadFile(what, code, message, TEXT, options, static=static)


def ahead(what: str, code: str, message: str, future: str, *options: str) -> BadFile:
    return BadFile(what, code, message, PROMOTED, options or PROMO, future=future)


COVARIATES = (
    *(
        covariate(f"a {kind} column that is not there", "missing-column", "there is no column 'extra'", kind)
        for kind in ("past", "known", "static", "category", "group")
    ),
    BadFile("the target as a covariate", "ambiguous-layout", "two roles", TEXT, ("--past-column", "y")),
    BadFile(
        "a column as past and as known",
        "ambiguous-layout",
        "two roles",
        PROMOTED,
        ("--past-column", "promo", *PROMO),
    ),
    covariate(
        "a word among past values", "not-a-number", "column 'extra' the value 'x'", "past", extra=[1, 2, "x", 4, 5]
    ),
    covariate("`inf` among known values", "infinite", "the value inf", "known", extra=[1, 2, "inf", 4, 5]),
    covariate("`inf` among static values", "infinite", "static column 'extra'", "static", extra="inf"),
    covariate("two static values in one series", "not-static", "one value per series", "static", extra=[1, 1, 2, 2, 2]),
    covariate("two groups in one series", "not-static", "one value per series", "group", extra=[*"aabbb"]),
    BadFile(
        "a static column of a wide table",
        "ambiguous-layout",
        "give it in the static table",
        "ds,s1,size\n2024-01-01,1,1\n2024-01-02,2,1\n2024-01-03,3,1\n",
        ("--static-column", "size"),
    ),
)

BESIDE = (
    beside(
        "a static file without ids", "missing-column", "static table: there is no column 'unique_id'", "size\n1\n2\n"
    ),
    beside("a static file with a series twice", "duplicate-series", "more than one row", "unique_id,size\na,1\na,2\n"),
    beside("a static file with another series", "unknown-series", "series 'b' is not", "unique_id,size\nb,1\n"),
    beside("an empty static file", "empty-table", "the table has no rows", "unique_id,size\n"),
    beside(
        "a static column that is in neither table",
        "missing-column",
        "no column 'extra'",
        "unique_id,size\na,1\n",
        "--static-column",
        "extra",
    ),
    ahead(
        "a future file, and no known column",
        "no-known-columns",
        "`known_columns`",
        f"{AHEAD}a,2024-01-01 05:00:00,1\n",
        "--layout",
        "long",
    ),
    ahead(
        "a future file without a known column",
        "missing-column",
        "no column 'promo'",
        "unique_id,ds\na,2024-01-01 05:00:00\n",
    ),
    ahead(
        "a future file of another series", "unknown-series", "rows of series 'b'", f"{AHEAD}b,2024-01-01 05:00:00,1\n"
    ),
    ahead(
        "a future file that begins late",
        "future-gap",
        "wanted is 2024-01-01T05:00:00",
        f"{AHEAD}a,2024-01-01 07:00:00,1\n",
    ),
    ahead(
        "a future file that begins early",
        "future-out-of-range",
        "before the start",
        f"{AHEAD}a,2023-12-31 23:00:00,1\n",
    ),
    ahead(
        "a future file off the grid", "off-grid", "off the grid of frequency 'h'", f"{AHEAD}a,2024-01-01 05:30:00,1\n"
    ),
    ahead(
        "a future file that says otherwise",
        "contradiction",
        "where the table has 0.0",
        f"{AHEAD}a,2024-01-01 04:00:00,1\n",
    ),
    ahead(
        "a future file with a step twice",
        "duplicate-timestamp",
        "future table: ",
        f"{AHEAD}a,2024-01-01 05:00:00,1\na,2024-01-01 05:00:00,1\n",
    ),
    ahead("a future file of counted steps", "frequency-mismatch", "holds integers", f"{AHEAD}a,5,1\n"),
)

READ = (
    BadFile(
        "a future file that repeats what the table has",
        "",
        "'promo', known: 0 missing, 1 to 1 steps ahead",
        PROMOTED,
        PROMO,
        future=f"{AHEAD}a,2024-01-01 04:00:00,0\na,2024-01-01 05:00:00,1\n",
    ),
    BadFile(
        "a static file: words become categories",
        "",
        "'kind', category: 0 missing",
        TEXT,
        static="unique_id,kind\na,big\n",
    ),
)
