"""The table of bad settings and sources: the command line, and what it answers."""

from __future__ import annotations

from tests.pipelines.bad_commands import PASSWORD, BadCommand, usage
from tests.pipelines.bad_files import DATA, USAGE


def configured(what: str, message: str, config: str | bytes) -> BadCommand:
    return BadCommand(what, USAGE, "invalid-config", message, ("train", "--config", "run.yaml"), config=config)


def settings(what: str, message: str, *flags: str) -> BadCommand:
    return BadCommand(what, USAGE, "invalid-config", message, ("train", "--data", "hours.csv", *flags))


def database(what: str, message: str, url: str, *query: str, code: str = "unreadable-source") -> BadCommand:
    return BadCommand(what, DATA, code, message, ("data", "check", "--sql", url, *query))


SETTINGS = (
    configured("a setting that is not known", "unknown setting modle", "name: m\nmodle: {}\n"),
    configured(
        "a setting that is not known, in a group", "unknown setting model.depth", "name: m\nmodel: {depth: 3}\n"
    ),
    configured(
        "a number out of range", "model.horizon: Input should be greater than", "name: m\nmodel: {horizon: 0}\n"
    ),
    configured("a word for a number", "got 'many'", "name: m\nmodel: {horizon: many}\n"),
    configured("a text for a group", "model: Input should be", "name: m\nmodel: large\n"),
    configured("settings that contradict each other", "not a multiple of num_heads", "name: m\nmodel: {d_model: 31}\n"),
    configured(
        "levels without the median",
        "levels must hold 0.5, the point forecast, got [0.1, 0.9]",
        "name: m\nmodel: {levels: [0.1, 0.9]}\n",
    ),
    configured(
        "logarithms of counts",
        "scaling 'log' is not for it",
        "name: m\nmodel: {head: negative_binomial, scaling: log}\n",
    ),
    configured("levels that do not ascend", "levels must ascend", "name: m\nmodel: {levels: [0.9, 0.5]}\n"),
    configured("YAML with a bracket left open", "is not valid YAML: expected ',' or ']'", "name: [m\n"),
    configured("YAML with a tab as indent", "in line 2, column 1", "a:\n\t- b\n"),
    configured("YAML with a month 13", "month must be in 1..12", "name: 2024-13-01\n"),
    configured(
        "YAML that calls Python", "could not determine a constructor", "name: !!python/object/apply:os.getcwd []\n"
    ),
    configured("YAML nested 1,000 deep", "nested too deeply", "[" * 1000),
    configured("YAML that is not UTF-8", "'utf-8' codec can't decode", b"name: \xff\n"),
    configured("an empty config file", "must hold a mapping, it holds NoneType", ""),
    configured("a list as config file", "must hold a mapping, it holds list", "- a\n"),
    configured("a name with a slash", "name: String should match", "name: a/b\n"),
    configured(
        "no name and no data", "name is missing: the model's, in a config file or with --model", "model: {horizon: 3}\n"
    ),
    configured(
        "a password where no text is wanted",
        "source.url: Input should be a valid string",
        f"name: m\nsource: {{url: [{PASSWORD}]}}\n",
    ),
    configured(
        "a URL where a group is wanted",
        "source: Input should be",
        f"name: m\nsource: 'postgresql://u:{PASSWORD}@h/d'\n",
    ),
    BadCommand(
        "a config file that is not there", USAGE, "invalid-config", "No such file", ("train", "--config", "none.yaml")
    ),
    BadCommand("a folder as config file", USAGE, "invalid-config", "Is a directory", ("train", "--config", "empty")),
    settings("`--set` without `=`", "--set wants NAME=VALUE, got 'model.horizon'", "--set", "model.horizon"),
    settings(
        "a comparison on folds that training sees",
        "promotion.num_folds is 4, but split.num_test_folds is 3",
        *("--set", "promotion.num_folds=4"),
    ),
    settings("`--set` without a name", "--set wants NAME=VALUE, got '=3'", "--set", "=3"),
    settings("`--set` of what is not known", "unknown setting model.depth", "--set", "model.depth=3"),
    settings("`--set` within what is no group", "name: Input should be a valid string", "--set", "name.x=3"),
    settings(
        "`--set` with broken YAML", "the value of --set model.horizon is not valid YAML", "--set", "model.horizon=["
    ),
    settings("`--horizon 0`", "model.horizon: Input should be greater than", "--horizon", "0"),
    settings("`--seed -1`", "training.seed: Input should be greater than", "--seed", "-1"),
    settings("a path as name of the model", "name: String should match", "--model", "../x"),
    settings("a country of three letters", "model.holidays: String should have at most 2", "--holidays", "DEU"),
    BadCommand(
        "a country that is none",
        USAGE,
        "unknown-country",
        "holidays of 'XX' are not known",
        ("train", "--data", "hours.csv", "--holidays", "XX"),
    ),
    BadCommand(
        "holidays of counted steps",
        USAGE,
        "no-calendar",
        "this data counts integer steps",
        ("train", "--data", "steps.csv", "--holidays", "DE"),
    ),
    configured(
        "a calendar that is none",
        "model.calendar: Input should be 'auto' or 'off'",
        "name: m\nmodel: {calendar: full}\n",
    ),
    configured(
        "a level beside a point forecast's",
        "forecasts level 0.5 alone",
        "name: m\nmodel: {head: mae, levels: [0.1, 0.5]}\n",
    ),
    configured(
        "more processes than windows",
        "cannot be shared by 8 parts",
        "name: m\ntraining: {batch_size: 4, num_processes: 8}\n",
    ),
    configured(
        "a setting to try that is not known",
        "tune.space: unknown setting model.depth",
        "name: m\ntune: {space: {model.depth: {kind: integer, low: 1, high: 3}}}\n",
    ),
    configured(
        "a value to try that the setting refuses",
        "tune.space: model.dropout cannot be '1.0': Input should be less than 1",
        "name: m\ntune: {space: {model.dropout: {kind: uniform, low: 0, high: 1}}}\n",
    ),
    configured(
        "a setting to try that trials have in common",
        "tune.space: training.seed cannot be tried, it has to be the same for all trials",
        "name: m\ntune: {space: {training.seed: {kind: integer, low: 1, high: 3}}}\n",
    ),
    configured(
        "a setting to try of what is compared on",
        "tune.space: split.step cannot be tried, only settings of model and training can",
        "name: m\ntune: {space: {split.step: {kind: integer, low: 1, high: 3}}}\n",
    ),
    configured(
        "a range to try that is upside down",
        "low 0.1 must be below high 0.01",
        "name: m\ntune: {space: {training.learning_rate: {kind: uniform, low: 0.1, high: 0.01}}}\n",
    ),
    BadCommand(
        "a data file whose name is no name for a model",
        USAGE,
        "invalid-config",
        "(name the model with --model)",
        ("train", "--data", "my hours.csv"),
    ),
    BadCommand("no data named", DATA, "unreadable-source", "no data is named", ("train", "--model", "m")),
    usage("a word for a number in a flag", "'many' is not a valid integer", "train", "--horizon", "many"),
    usage("a layout that is none", "'tall' is not one of", "data", "check", "--data", "hours.csv", "--layout", "tall"),
    usage("a flag that is none", "No such option '--epochs'", "train", "--epochs", "3"),
    usage("a command that is none", "No such command 'trian'", "trian"),
    usage(
        "a schedule of files that are not there",
        "'none.yaml' does not exist",
        "schedule",
        "--cron",
        "0 3 * * *",
        "none.yaml",
    ),
    BadCommand(
        "a schedule that is none",
        USAGE,
        "invalid-config",
        "--cron wants five fields",
        ("schedule", "--cron", "every day", "run.yaml"),
        config="name: m\n",
    ),
    BadCommand(
        "a schedule with weekdays by number",
        USAGE,
        "invalid-config",
        "days of the week by name, such as 'mon-fri'",
        ("schedule", "--cron", "0 3 * * 1-5", "run.yaml"),
        config="name: m\n",
    ),
    BadCommand(
        "a schedule without slots",
        USAGE,
        "invalid-config",
        "neither retrain.cron nor --cron says when its slots are",
        ("schedule", "run.yaml"),
        config="name: m\n",
    ),
    BadCommand(
        "slots on a day that never comes",
        USAGE,
        "invalid-config",
        "retrain.cron: names a day that never comes",
        ("schedule", "run.yaml"),
        config="name: m\nretrain: {cron: 0 3 30 feb *}\n",
    ),
    BadCommand(
        "a trigger that clears above where it fires",
        USAGE,
        "invalid-config",
        "clear_below is 2, above the 1 of above",
        ("schedule", "run.yaml"),
        config="name: m\nretrain: {triggers: [{signal: drift_input, above: 1, clear_below: 2}]}\n",
    ),
    BadCommand(
        "a trigger of a signal that is none",
        USAGE,
        "invalid-config",
        "retrain.triggers.0.signal: Input should be",
        ("schedule", "run.yaml"),
        config="name: m\nretrain: {triggers: [{signal: mood, above: 1, clear_below: 0}]}\n",
    ),
    BadCommand(
        "a schedule that names a config twice",
        USAGE,
        "invalid-config",
        "named more than once",
        ("schedule", "--cron", "0 3 * * *", "run.yaml", "run.yaml"),
        config="name: m\n",
    ),
    BadCommand(
        "a schedule of a config without test folds",
        USAGE,
        "invalid-config",
        "there would be nothing to compare versions on",
        ("schedule", "--cron", "0 3 * * *", "run.yaml"),
        config="name: m\nsplit: {num_test_folds: 0}\n",
    ),
    BadCommand(
        "a schedule of a config that compares on folds that training sees",
        USAGE,
        "invalid-config",
        "promotion.num_folds is 3, but split.num_test_folds is 2",
        ("schedule", "--cron", "0 3 * * *", "run.yaml"),
        config="name: m\nsplit: {num_test_folds: 2}\npromotion: {num_folds: 3}\n",
    ),
    BadCommand(
        "a schedule of a wrong config",
        USAGE,
        "invalid-config",
        "unknown setting modle",
        ("schedule", "--cron", "0 3 * * *", "run.yaml"),
        config="name: m\nmodle: {}\n",
    ),
)

SELECT = ("--query", "SELECT * FROM series")
SQLITE = "sqlite:///series.db"
SOURCES = (
    database("a database without a query", "needs a query", SQLITE),
    database("an empty query", "needs a query", SQLITE, "--query", ""),
    database("a URL that is none", "the database URL is none", f"{PASSWORD}", *SELECT),
    database(
        "a kind of database that is not known", "the database URL is none", f"oracle9://u:{PASSWORD}@h/d", *SELECT
    ),
    database(
        "a database whose driver is not installed", "not installed: MySQLdb", f"mysql://u:{PASSWORD}@h/d", *SELECT
    ),
    database("a port that is no number", "the database URL is none", f"postgresql://u:{PASSWORD}@h:port/d", *SELECT),
    database(
        "a server that does not answer",
        "u:***@127.0.0.1:1/d failed: (psycopg2.OperationalError)",
        f"postgresql+psycopg2://u:{PASSWORD}@127.0.0.1:1/d",
        *SELECT,
    ),
    database(
        "a password in the query of the URL",
        "the query at postgresql+psycopg2:///d failed",
        f"postgresql+psycopg2:///d?host=127.0.0.1&port=1&user=u&password={PASSWORD}",
        *SELECT,
    ),
    database("an SQLite file that is not there", "database file none.db does not exist", "sqlite:///none.db", *SELECT),
    database("a file that is no database", "file is not a database", "sqlite:///hours.csv", *SELECT),
    database("a table that is not there", "no such table: sales", SQLITE, "--query", "SELECT * FROM sales"),
    database("a query with a slip", "syntax error", SQLITE, "--query", "SELEC 1"),
    database("two queries", "one statement at a time", SQLITE, "--query", "SELECT 1; SELECT 2"),
    database("a query that gives no table", "does not return rows", SQLITE, "--query", "DELETE FROM series"),
    database("a query with a parameter", "bind parameter 'x'", SQLITE, "--query", "SELECT * FROM series WHERE y > :x"),
    database(
        "a query without a result",
        "the table has no rows",
        SQLITE,
        "--query",
        "SELECT * FROM series WHERE 0",
        code="empty-table",
    ),
    database("a file and a database", "choose one", SQLITE, *SELECT, "--data", "hours.csv"),
    BadCommand(
        "a folder that is no store",
        DATA,
        "store-missing",
        "it has no header.json",
        ("data", "check", "--data", "empty"),
    ),
    BadCommand(
        "a frequency for a store",
        USAGE,
        "invalid-config",
        "its layout, frequency, time zone and covariates are settled",
        ("data", "check", "--data", "store", "--frequency", "D"),
    ),
    BadCommand(
        "a future file for a store",
        USAGE,
        "invalid-config",
        "it holds what its future and static tables said",
        ("data", "check", "--data", "store", "--future", "future.csv"),
    ),
    BadCommand(
        "a query for a store",
        DATA,
        "unreadable-source",
        "choose one",
        ("data", "check", "--data", "store", *SELECT),
    ),
    BadCommand(
        "a damaged store",
        DATA,
        "store-corrupt",
        "header.json is malformed",
        ("data", "check", "--data", "torn"),
    ),
    BadCommand(
        "a query for a file", DATA, "unreadable-source", "choose one", ("data", "check", "--data", "hours.csv", *SELECT)
    ),
)
