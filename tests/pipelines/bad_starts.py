"""The table of bad starts of training: the command line, and what it answers."""

from __future__ import annotations

from tests.pipelines.bad_commands import BadCommand, usage
from tests.pipelines.bad_files import DATA, ELSEWHERE
from tests.pipelines.bad_models import BAD_REFERENCE
from tests.pipelines.bad_settings import settings

WARM, FINE = ("--start", "warm", "--from"), ("--start", "fine-tune", "--from")
ONE_FOLD = ("--set", "split.num_validation_folds=1")
NO_TEST, ONE_TEST = (*ONE_FOLD, "--set", "split.num_test_folds=0"), (*ONE_FOLD, "--set", "split.num_test_folds=1")

STARTS = (
    settings("`--start` without `--from`", "reference (--from) is missing", "--start", "warm"),
    settings("`--from` without `--start`", "reference (--from) is for warm_start", "--from", "sound"),
    settings(
        "a rate factor for a warm start",
        "learning_rate_factor is for fine_tune",
        *("--start", "warm", "--from", "sound", "--set", "start.learning_rate_factor=0.5"),
    ),
    usage("a start that is none", "'cold' is not one of", "train", "--data", "hours.csv", "--start", "cold"),
    BadCommand(
        "a start from a model of another shape",
        DATA,
        "architecture-mismatch",
        "horizon 12 (wanted: 3)",
        ("train", "--data", "hours.csv", "--horizon", "3", *WARM, "sound", *NO_TEST),
    ),
    BadCommand(
        "a start from a model of another frequency",
        DATA,
        "frequency-mismatch",
        "looks like frequency 'D', expected is 'h'",
        ("train", "--data", "days.csv", *WARM, "sound"),
    ),
    BadCommand(
        "a start from a model that has seen the test folds",
        DATA,
        "leakage",
        "set start.other_series",
        ("train", "--data", "hours.csv", *WARM, "sound", *ONE_TEST),
    ),
    BadCommand(
        "a start that trains more blocks than there are",
        DATA,
        "invalid-start",
        "the last 9 blocks are to be trained",
        ("train", "--data", "hours.csv", *FINE, "sound", *NO_TEST, "--set", "start.trained_blocks=9"),
    ),
    BadCommand(
        "a start from what is no reference",
        *BAD_REFERENCE,
        ("train", "--data", "hours.csv", *WARM, "./none"),
    ),
    BadCommand(
        "a start from a model that is not known",
        ELSEWHERE,
        "alias-missing",
        "model 'sales' has no version",
        ("train", "--data", "hours.csv", *WARM, "sales"),
    ),
)
