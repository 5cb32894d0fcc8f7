"""The table of bad requests, for their times.

docs/bad-inputs.md is written from here (tests/bad_inputs.py).
"""

from __future__ import annotations

from tests.service.bad_requests import HOURS, MARKER, ONE, fields, refused
from tests.service.request_bodies import series, timestamps, valid

TIMES = (
    fields("both start and timestamps", series(timestamps=HOURS), "series.0"),
    fields("neither start nor timestamps", series(start=...), "series.0"),
    fields("fewer timestamps than values", timestamps(*HOURS[:3], target=[1.0, 2.0]), "series.0"),
    fields("no timestamps", timestamps(target=[1.0]), "series.0"),
    refused("timestamps that do not ascend", "unsorted", timestamps(HOURS[0], HOURS[2], HOURS[1])),
    refused("a timestamp twice", "duplicate-timestamp", timestamps(HOURS[0], HOURS[1], HOURS[1])),
    refused("a timestamp one second off the grid", "off-grid", timestamps(*HOURS[:2], "2024-01-01T02:00:01")),
    refused("some timestamps with an offset", "mixed-offsets", timestamps(f"{HOURS[0]}Z", HOURS[1])),
    refused("300 years between two rows", "too-many-gaps", timestamps("1900-01-01", "2200-01-01")),
    fields("a timestamp that cannot be read", timestamps(HOURS[0], MARKER), "series.0.timestamps.1"),
    fields("`null` as a timestamp", timestamps(HOURS[0], None), "series.0.timestamps.1"),
    fields("an epoch as text", timestamps("1700000000", "1700003600"), "series.0.timestamps.0"),
    fields("epochs as integers", timestamps(1_700_000_000, 1_700_003_600), "series.0"),
    refused(
        "dates as integers", "integer-dates", timestamps(20240130, 20240131, 20240201, model="zero-shot", frequency=...)
    ),
    fields("fractions as timestamps", timestamps(1.5, 2.5), "series.0.timestamps.0"),
    fields("booleans as timestamps", timestamps(True, False), "series.0.timestamps.0"),
    fields("texts and integers mixed", timestamps(1, HOURS[1]), "series.0.timestamps.1"),
    fields("an integer start, hours as frequency", series(start=1), "series.0"),
    fields("a time as start, steps as frequency", valid(frequency="step"), "series.0"),
    fields("a day that is not there", series(start="2024-02-30"), "series.0.start"),
    fields("a leap second", series(start="2016-12-31T23:59:60"), "series.0.start"),
    fields("hour 24", series(start="2024-01-01T24:00:00"), "series.0.start"),
    fields("`now`", series(start="now"), "series.0.start"),
    fields("day before month, `13.02.2024`", series(start="13.02.2024"), "series.0.start"),
    fields("a start of 41 characters", series(start="2024-01-01T00:00:00.".ljust(41, "0")), "series.0.start"),
    refused("timestamps half an hour off", "off-grid", timestamps("2024-01-01T00:00", "2024-01-01T01:30")),
    refused("timestamps that descend", "unsorted", timestamps(*reversed(HOURS))),
    refused("the first timestamp again at the end", "duplicate-timestamp", timestamps(*HOURS[:3], HOURS[0])),
    fields("more timestamps than values", timestamps(*HOURS, target=[1.0, 2.0]), "series.0"),
    fields("a text for the timestamps", series(start=..., timestamps=MARKER), "series.0.timestamps"),
    fields("an object for the timestamps", series(start=..., timestamps={"0": HOURS[0]}), "series.0.timestamps"),
    fields("nested timestamps", series(start=..., timestamps=[[HOURS[0]]]), "series.0.timestamps.0"),
    fields("a list as start", series(start=[HOURS[0]]), "series.0.start"),
    fields("a fraction as start", series(start=1.5), "series.0.start"),
    fields("an empty start", series(start=""), "series.0.start"),
    *(
        fields(what, series(start=text), "series.0.start")
        for what, text in (
            ("the 29th of February in a year without", "2023-02-29"),
            ("month 13", "2024-13-01"),
            ("month 0", "2024-00-01"),
            ("day 0", "2024-01-00"),
            ("minute 60", "2024-01-01T00:60:00"),
            ("an offset of 25 hours", "2024-01-01T00:00:00+25:00"),
            ("an offset of 60 minutes past the hour", "2024-01-01T00:00:00+01:60"),
            ("the name of a zone within a time", "2024-01-01T00:00:00 Europe/Berlin"),
            ("a year of five digits", "12024-01-01"),
            ("a year with a sign", "+2024-01-01"),
            ("a year before Christ", "-0044-03-15"),
            ("digits of another script", "\uff12\uff10\uff12\uff14-01-01"),
            ("a week date", "2024-W01-1"),
            ("a line break after a time", "2024-01-01\n"),
            ("NUL within a time", "2024-01-01\x00"),
            ("something after a time", "2024-01-01T00:00:00 and more"),
        )
    ),
    refused("year 1677, before nanoseconds in 64 bits", "timestamp-out-of-range", series(start="1677-01-01")),
    refused("year 2263, after nanoseconds in 64 bits", "timestamp-out-of-range", series(start="2263-01-01")),
    refused("a forecast that goes on after it", "timestamp-out-of-range", series(start="2261-12-29T12:00")),
    refused("a nanosecond", "timestamp-too-fine", series(start="2024-01-01T00:00:00.000000001")),
    refused("a step before -10^15", "timestamp-out-of-range", series(start=-(10**16)) | {"frequency": "step"}),
    refused("integer steps for a model of hours", "frequency-mismatch", series(start=0) | {"frequency": "step"}),
    refused(
        "timestamps in the hour that comes twice",
        "ambiguous-timestamp",
        timestamps("2024-10-27T01:00", "2024-10-27T02:00", "2024-10-27T03:00", timezone="Europe/Berlin"),
    ),
    refused(
        "timestamps in the hour that is left out",
        "ambiguous-timestamp",
        timestamps("2024-03-31T01:00", "2024-03-31T02:00", "2024-03-31T03:00", timezone="Europe/Berlin"),
    ),
    fields("a boolean as start", series(start=True), "series.0.start"),
    refused("year 1", "timestamp-out-of-range", series(start="0001-01-01")),
    refused("year 9999", "timestamp-out-of-range", series(start="9999-12-31")),
    refused("half a microsecond", "timestamp-too-fine", series(start="2024-01-01T00:00:00.0000005")),
    refused("a step beyond 10^15", "timestamp-out-of-range", series(start=10**16)),
    refused(
        "local hour that comes twice",
        "ambiguous-timestamp",
        series(start="2024-10-27T02:30:00") | {"timezone": "Europe/Berlin"},
    ),
    refused(
        "local hour that is left out",
        "ambiguous-timestamp",
        series(start="2024-03-31T02:30:00") | {"timezone": "Europe/Berlin"},
    ),
    fields(
        "offsets in some series only", valid(series=[ONE, ONE | {"id": "b", "start": "2024-01-01T00:00Z"}]), "series"
    ),
)
