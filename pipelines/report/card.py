"""The card of a model, in markdown, for the page of its version: data, accuracy, limits, and how to make it again.

The UI of MLflow shows the description of a version as markdown with tables and links, without pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from forecaster.bundle import Bundle
from pipelines.comparison import SEASONAL_NAIVE
from pipelines.config import PipelineConfig
from pipelines.report.compared import RELATIVE_MASE, Compared
from pipelines.report.labels import Labels
from pipelines.report.tables import two_sided, worst_series

MOST_CHARACTERS = 5000  # of a description in MLflow's database
_FEW_WINDOWS = 30
_NOMINAL, _TOLERANCE = 0.8, 0.05  # of the interval whose coverage is told
_FORMULAS = {
    "mase": "mean absolute error over that of repeating the last season in sample; below 1 is better than that",
    RELATIVE_MASE: "MASE over that of the seasonal naive on the same windows; below 1 is better than it",
    "wql": "weighted quantile loss, of all levels",
}


@dataclass(frozen=True)
class Subject:
    """The model that a card is about."""

    labels: Labels
    bundle: Bundle
    config: PipelineConfig


def model_card(subject: Subject, compared: Compared) -> str:
    """Gives the card of a model whose accuracy `compared` tells, in MOST_CHARACTERS or fewer."""
    sections = [
        _headline(subject, compared),
        "## Data\n\n" + _list(_data(subject, compared)),
        "## Accuracy\n\n" + _accuracy(compared),
        "## Limits\n\n" + "\n".join(f"- {limit}" for limit in _limits(subject, compared)),
        "## How to make it again\n\n" + _recipe(subject),
    ]
    return _shortened("\n\n".join(sections) + "\n")


def _headline(subject: Subject, compared: Compared) -> str:
    labels, levels = subject.labels, subject.bundle.predictor.levels
    text = (
        f"**{labels.family}** for up to {labels.horizon} steps of `{labels.frequency}`, quantiles {levels[0]:g} to "
        f"{levels[-1]:g}, trained on **{_plain(labels.data)}**."
    )
    return f"{text} {_against_naive(compared)}"


def _against_naive(compared: Compared) -> str:
    naive = compared.evaluations.get(SEASONAL_NAIVE)
    if naive is None:
        return "It was compared with nothing: there were no test folds."
    ours, places = compared.first, compared.sample
    losses = (ours.scores.mase_by_window[places], naive.scores.mase_by_window[places])
    found = two_sided(*losses, ours.series[places], ours.stretch[places])
    if found is None:
        return "Its MASE could not be compared with the seasonal naive's."
    side = "below" if found.mean > 0 else "above"
    interval = f" (95 % interval of the gain: {found.low:.1%} to {found.high:.1%})" if np.isfinite(found.low) else ""
    chance = ", which may be chance" if found.low <= 0 <= found.high else ""
    return f"Its MASE is **{abs(found.mean):.1%} {side}** the seasonal naive's{interval}{chance}."


def _data(subject: Subject, compared: Compared) -> Iterator[tuple[str, str]]:
    panel, facts = compared.panel, subject.bundle.facts
    observed = 1 - float(np.isnan(panel.values).mean())
    yield "data set", _plain(subject.labels.data)
    yield "fingerprint", f"`{facts.data_fingerprint}`"
    yield "series", f"{len(panel):,} with {panel.num_values:,} steps of `{facts.frequency}`, {observed:.1%} observed"
    yield "time zone", facts.timezone or "none"
    yield "from", panel.axis.text(panel.starts.min())
    yield "trained up to", facts.latest.removesuffix(".000000")
    covariates = [name for names in panel.covariates.names.values() for name in names]
    if covariates:
        yield "covariates", ", ".join(f"`{_plain(name)}`" for name in covariates[:12])


def _accuracy(compared: Compared) -> str:
    roles = [compared.own, *compared.others]
    metrics = {role: compared.metrics(role) for role in roles}
    rows = [
        (f"`{name}`", *(f"{metrics[role][name]:.4g}" if name in metrics[role] else "" for role in roles))
        for name in metrics[compared.own]
    ]
    num_folds = len(set(compared.first.fold))
    where = f"{len(compared.first.series):,} windows of {num_folds} {compared.evaluated_on} fold(s)"
    told = "; ".join(f"`{name}`: {text}" for name, text in _FORMULAS.items() if name in metrics[compared.own])
    return f"On {where}:\n\n{_table(('metric', *roles), rows)}\n\n{told}."


def _limits(subject: Subject, compared: Compared) -> Iterator[str]:
    facts, config, scores = subject.bundle.facts, subject.bundle.config.model, compared.first.scores
    yield f"Forecasts `{facts.frequency}` alone, up to {facts.horizon} steps, by the last {config.context_length}."
    if compared.evaluated_on != "test":
        yield "**No test folds**: its figures are of the validation folds that its training was stopped by."
    if len(compared.first.series) < _FEW_WINDOWS:
        yield f"Its figures are of {len(compared.first.series)} windows: few."
    naive = compared.evaluations.get(SEASONAL_NAIVE)
    if naive is not None and not scores.mase < naive.scores.mase:
        yield "**It does not beat the seasonal naive.**"
    covered = scores.coverage.get(_NOMINAL)
    if covered is not None and abs(covered - _NOMINAL) > _TOLERANCE:
        verb = "narrow" if covered < _NOMINAL else "wide"
        yield f"Its 80 % intervals are too {verb}: they held {covered:.1%} of actual values."
    worst = worst_series(compared).head(3)
    if len(worst) == 3:
        told = ", ".join(f"`{_plain(row.series)}` ({row.mase:.2f})" for row in worst.itertuples())
        yield f"Highest MASE: {told}."
    if facts.used_up:
        yield f"{len(facts.used_up):,} series were too short for a test fold: of these nothing is known."


def _recipe(subject: Subject) -> str:
    facts, provenance = subject.bundle.facts, subject.bundle.manifest.provenance
    commit = "unknown" if provenance is None else provenance.code_commit or "unknown"
    packages = "unknown" if provenance is None else provenance.packages_digest
    run_id = "unknown" if provenance is None else provenance.run_id
    begun = (
        facts.start.kind if facts.start.bundle_digest is None else f"{facts.start.kind} of {facts.start.bundle_digest}"
    )
    rows = [
        ("run", f"`{run_id}` (its artifact `config.yaml` is the config)"),
        ("commit", f"`{commit}`"),
        ("packages", f"`{packages}`"),
        ("seed", str(subject.config.training.seed)),
        ("begun with", begun),
        ("steps", f"{facts.num_steps:,}"),
        ("bundle", f"`{subject.bundle.digest}`"),
    ]
    command = "forecaster train --config config.yaml --no-promote"
    return f"{_list(rows)}\n\nWith the data of that fingerprint, at that commit:\n\n```sh\n{command}\n```"


def _list(facts: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in facts)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Gives a table; the UI leaves no space between columns, so cells but the first begin with one."""
    padded = [(first, *(f"&emsp;{cell}" for cell in others)) for first, *others in (head, *rows)]
    lines = [padded[0], tuple("---" for _ in head), *padded[1:]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _plain(text: object) -> str:
    """Gives a name of the data without what markdown would read as its own, in 40 characters at most."""
    return "".join(" " if character in "`|\n\r" else character for character in str(text))[:40]


def _shortened(text: str) -> str:
    if len(text) <= MOST_CHARACTERS:
        return text
    return text[: text.rindex("\n", 0, MOST_CHARACTERS - 3)] + "\n\n…"
