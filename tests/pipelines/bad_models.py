"""The table of bad models and outputs: the command line, and what it answers."""

from __future__ import annotations

from tests.pipelines.bad_commands import BadCommand
from tests.pipelines.bad_files import DATA, ELSEWHERE, REFUSED, USAGE


def predict(what: str, exit_code: int, code: str, message: str, *flags: str, data: str = "hours.csv") -> BadCommand:
    return BadCommand(what, exit_code, code, message, ("predict", "--data", data, *flags))


BAD_REFERENCE = (USAGE, "invalid-reference", "is none of NAME, NAME@alias, NAME/7 or a bundle folder")


def store(what: str, code: str, message: str, data: str, folder: str) -> BadCommand:
    return BadCommand(what, DATA, code, message, ("data", "store", "--data", data, folder))


MODELS = (
    predict(
        "a model that is not known", ELSEWHERE, "alias-missing", "model 'sales' has no version", "--model", "sales"
    ),
    predict("an alias that is not known", ELSEWHERE, "alias-missing", "the alias 'best'", "--model", "waves@best"),
    predict("a version that is not known", ELSEWHERE, "registry-error", "version=99) not found", "--model", "waves/99"),
    predict("a version that is no number", *BAD_REFERENCE, "--model", "waves/first"),
    predict("a model without a name", *BAD_REFERENCE, "--model", "@champion"),
    predict("an empty name", *BAD_REFERENCE, "--model", ""),
    predict("a quote in a name", *BAD_REFERENCE, "--model", "wa'ves"),
    predict("a folder that is not there", *BAD_REFERENCE, "--model", "./none"),
    predict("a folder that is no bundle", ELSEWHERE, "bundle-missing", "it has no manifest.json", "--model", "empty"),
    predict(
        "a bundle whose weights were changed", ELSEWHERE, "digest-mismatch", "weights.safetensors", "--model", "changed"
    ),
    predict("a bundle with a file missing", ELSEWHERE, "digest-mismatch", "its manifest names", "--model", "partial"),
    predict("a bundle with a file too many", ELSEWHERE, "digest-mismatch", "its manifest names", "--model", "extra"),
    predict("a bundle with a broken manifest", ELSEWHERE, "invalid-bundle", "manifest.json", "--model", "broken"),
    predict(
        "a bundle that another version wrote", ELSEWHERE, "other-schema", "train the model again", "--model", "older"
    ),
    predict(
        "a table without the model's known covariate",
        DATA,
        "missing-column",
        "no column 'price'",
        *("--model", "priced", "--static", "static.csv"),
    ),
    predict(
        "a table without the model's static covariate",
        DATA,
        "missing-column",
        "no column 'size'",
        "--model",
        "priced",
        data="history.csv",
    ),
    predict(
        "a model with a known covariate, and no future file",
        USAGE,
        "unknown-ahead",
        "is missing from 2024-01-03T12:00:00 on",
        *("--model", "priced", "--static", "static.csv"),
        data="history.csv",
    ),
    predict(
        "a future file shorter than the horizon",
        USAGE,
        "unknown-ahead",
        "is missing from 2024-01-03T15:00:00 on",
        *("--model", "priced", "--static", "static.csv", "--future", "future.csv"),
        data="history.csv",
    ),
    predict(
        "a store without the model's covariates",
        DATA,
        "missing-covariate",
        "the known covariate 'price', which the data has not",
        *("--model", "priced"),
        data="store",
    ),
    predict(
        "a future file that is not there",
        DATA,
        "unreadable-source",
        "none.csv does not exist",
        *("--model", "priced", "--future", "none.csv"),
        data="history.csv",
    ),
    predict(
        "a roll-out beyond its range",
        USAGE,
        "horizon-out-of-range",
        "outside 1..16384, the range of a roll-out",
        *("--model", "waves", "--roll-out", "--horizon", "16385"),
    ),
    predict(
        "a horizon beyond the model's",
        USAGE,
        "horizon-out-of-range",
        "outside 1..12",
        "--model",
        "waves",
        "--horizon",
        "13",
    ),
    predict(
        "`--horizon 0` for a model",
        USAGE,
        "horizon-out-of-range",
        "outside 1..12",
        "--model",
        "waves",
        "--horizon",
        "0",
    ),
    predict(
        "a quantile outside the model's",
        USAGE,
        "level-out-of-range",
        "[0.01]",
        "--model",
        "waves",
        "--quantiles",
        "0.01",
    ),
    predict("`nan` as a quantile", USAGE, "level-out-of-range", "[nan]", "--model", "waves", "--quantiles", "nan"),
    predict("a quantile twice", USAGE, "invalid-levels", "once each", "--model", "waves", "--quantiles", "0.5,0.5"),
    predict(
        "a word as a quantile",
        USAGE,
        "",
        "'half' is not a comma-separated list",
        "--model",
        "waves",
        "--quantiles",
        "half",
    ),
    predict(
        "days for a model of hours",
        DATA,
        "frequency-mismatch",
        "looks like frequency 'D', expected is 'h'",
        "--model",
        "waves",
        data="days.csv",
    ),
    predict("hours for a model of days", DATA, "off-grid", "they look like frequency 'h'", "--model", "days"),
    predict(
        "days, and saying so, for a model of hours",
        DATA,
        "frequency-mismatch",
        "the model was trained on 'h'",
        "--model",
        "waves",
        "--frequency",
        "D",
        data="days.csv",
    ),
    BadCommand(
        "a backtest on days of a model of hours",
        DATA,
        "frequency-mismatch",
        "looks like frequency 'D', expected is 'h'",
        ("backtest", "--data", "days.csv", "--model", "waves"),
    ),
    BadCommand(
        "a backtest on what the model has seen",
        DATA,
        "leakage",
        "begins before that",
        ("backtest", "--data", "hours.csv", "--model", "waves"),
    ),
    BadCommand(
        "a backtest that is to change the model",
        USAGE,
        "invalid-config",
        "would change nothing: the models are trained, with their own model",
        ("backtest", "--data", "hours.csv", "--model", "waves", "--set", "model.d_model=8"),
    ),
    BadCommand(
        "a backtest on no folds",
        USAGE,
        "invalid-config",
        "there is nothing to compare on",
        ("backtest", "--data", "hours.csv", "--model", "waves", "--set", "split.num_test_folds=0"),
    ),
    BadCommand(
        "a backtest with a gap as long as the horizon",
        USAGE,
        "invalid-config",
        "a gap of 12 steps is outside 0 .. 11",
        ("backtest", "--data", "hours.csv", "--model", "waves", "--gap", "12", "--folds", "1"),
    ),
    BadCommand(
        "a backtest of a series that is too short",
        DATA,
        "too-short",
        "are needed for 3 folds",
        ("backtest", "--data", "short.csv", "--model", "waves"),
    ),
    BadCommand(
        "training on a series that is too short",
        DATA,
        "too-short",
        "are needed for 2 folds",
        ("train", "--data", "short.csv", "--horizon", "4"),
    ),
    BadCommand(
        "a horizon that the series are too short for",
        DATA,
        "too-short",
        "with a horizon of 50",
        ("train", "--data", "hours.csv", "--horizon", "50"),
    ),
    BadCommand(
        "training on a table that is no good", DATA, "not-a-number", "'three'", ("train", "--data", "words.csv")
    ),
    BadCommand(
        "promotion without a challenger",
        ELSEWHERE,
        "alias-missing",
        "train one first",
        ("promote", "--data", "hours.csv", "--model", "sales"),
    ),
    BadCommand(
        "promotion of the champion",
        REFUSED,
        "not-promoted",
        "is the champion already",
        ("promote", "--data", "hours.csv", "--model", "waves"),
    ),
    BadCommand(
        "a roll back without a previous champion",
        ELSEWHERE,
        "alias-missing",
        "no previous champion",
        ("rollback", "--model", "waves"),
    ),
    BadCommand(
        "a roll back of what is no name",
        USAGE,
        "invalid-reference",
        "is no name of a model",
        ("rollback", "--model", "wa'ves"),
    ),
)

WAVES = ("--model", "waves", "--horizon", "2", "--output")
IN_SHARDS = ("--model", "waves", "--shards", "--output")
ZERO_SHOT = (
    BadCommand(
        "a table named twice",
        USAGE,
        "",
        "the table is named twice: days.csv and --data hours.csv",
        ("predict", "days.csv", "--data", "hours.csv"),
    ),
    predict(
        "no horizon at all of the pretrained encoder",
        USAGE,
        "invalid-config",
        "horizon 0 is outside 1..64",
        "--horizon",
        "0",
    ),
    predict(
        "a longer horizon than the pretrained encoder has",
        USAGE,
        "horizon-out-of-range",
        "outside 1..64",
        "--horizon",
        "65",
    ),
    BadCommand(
        "a pretraining into a folder that is there",
        DATA,
        "unreadable-source",
        "output folder empty must be a new one",
        ("pretrain", "--output", "empty"),
    ),
    BadCommand(
        "a pretraining with a setting that is none",
        USAGE,
        "invalid-config",
        "unknown setting steps",
        ("pretrain", "--output", "new", "--set", "steps=3"),
    ),
    BadCommand(
        "a pretraining of a network that has no quantiles",
        USAGE,
        "invalid-config",
        "must have head 'quantile', got 'gaussian'",
        ("pretrain", "--output", "new", "--set", "model.head=gaussian"),
    ),
)

OUTPUTS = (
    predict(
        "an output of unknown ending", DATA, "unreadable-source", "must end in .csv or .parquet", *WAVES, "out.xlsx"
    ),
    predict("an output without ending", DATA, "unreadable-source", "must end in .csv or .parquet", *WAVES, "out"),
    predict(
        "an output in a folder that is not there",
        DATA,
        "unreadable-source",
        "the folder of output file",
        *WAVES,
        "none/out.csv",
    ),
    predict(
        "an output in what is a file",
        DATA,
        "unreadable-source",
        "the folder of output file",
        *WAVES,
        "days.csv/out.csv",
    ),
    predict("a folder as output", DATA, "unreadable-source", "is a folder", *WAVES, "folder.csv"),
    predict(
        "the static file as output",
        DATA,
        "unreadable-source",
        "is the static file",
        *WAVES,
        "./days.csv",
        "--static",
        "days.csv",
    ),
    predict("the data file as output", DATA, "unreadable-source", "is the data file", *WAVES, "./hours.csv"),
    predict(
        "an output with a name too long for the disk",
        DATA,
        "unreadable-source",
        "File name too long",
        *WAVES,
        f"{'x' * 300}.csv",
    ),
    predict("an output for data that is no good", DATA, "not-a-number", "'three'", *WAVES, "out.csv", data="words.csv"),
    predict("shards without an output", USAGE, "invalid-config", "give an --output", "--model", "waves", "--shards"),
    predict(
        "settings of shards for a table that is read whole",
        USAGE,
        "invalid-config",
        "leave out --whole, or --workers",
        *WAVES,
        "out.csv",
        "--whole",
        "--workers",
        "2",
    ),
    predict(
        "a Ray cluster for another engine",
        USAGE,
        "invalid-config",
        "is for --engine ray",
        *WAVES,
        "out.csv",
        "--ray-address",
        "auto",
    ),
    predict("shards into a folder that is there", DATA, "unreadable-source", "exists already", *IN_SHARDS, "empty"),
    predict("shards into no folder", DATA, "unreadable-source", "does not exist", *IN_SHARDS, "no/new"),
    BadCommand(
        "shards of nothing",
        DATA,
        "unreadable-source",
        "no data is named",
        ("predict", *IN_SHARDS, "new"),
    ),
    BadCommand(
        "shards of a database whose URL is none",
        DATA,
        "unreadable-source",
        "the database URL is none",
        ("predict", *IN_SHARDS, "new", "--sql", "nonsense", "--query", "select 1"),
    ),
    BadCommand(
        "shards into a file whose name is too long",
        DATA,
        "unreadable-source",
        "cannot be made: File name too long",
        ("predict", "--data", "hours.csv", *IN_SHARDS, f"{'n' * 245}.csv"),
    ),
    predict("shards of a store", USAGE, "invalid-config", "is a store", *IN_SHARDS, "new", data="store"),
    predict(
        "shards of a table whose series are scattered",
        DATA,
        "scattered-series",
        "series 'a' do not stand together",
        *IN_SHARDS,
        "new",
        data="scattered.csv",
    ),
    predict("a shard with data that is no good", DATA, "not-a-number", "'three'", *IN_SHARDS, "new", data="words.csv"),
    store("a store in a folder's place", "store-exists", "exists already", "hours.csv", "empty"),
    store(
        "a store in what is a file", "unreadable-source", "cannot be written: File exists", "hours.csv", "days.csv/new"
    ),
    store("a store of data that is no good", "not-a-number", "'three'", "words.csv", "new"),
    store("a store of a store", "unreadable-source", "is not a file", "store", "new"),
)
