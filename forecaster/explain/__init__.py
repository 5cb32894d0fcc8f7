"""Why a forecast is what it is: attention with real timestamps, and what each part of the context contributes.

    window -> attention maps -> roll-out                 which tokens the encoder looks at
           -> occlusion                                  the forecast with a patch - without it
           -> integrated gradients                       the forecast - that of a flat context, shared out to steps
           -> faithfulness of both                       does hiding what they call important move the forecast most?

Attention alone is no explanation (Jain and Wallace 2019), which is why the other two are there, and why each of them
comes with its own test.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from pydantic import Field

from forecaster.config import Config
from forecaster.data.panel import Panel
from forecaster.errors import RequestError, SeriesError
from forecaster.explain.attention import attention_maps, attention_roll_out
from forecaster.explain.attribution import Attribution, integrated_gradients, occlusion
from forecaster.explain.explanation import Attended, Explanation, Stretches
from forecaster.explain.faithfulness import Faithfulness, faithfulness
from forecaster.explain.question import Question, ask
from forecaster.known_ahead import refuse_unknown_ahead
from forecaster.predictor import Predictor

__all__ = [
    "Attended",
    "Attribution",
    "ExplainConfig",
    "Explanation",
    "Faithfulness",
    "Stretches",
    "attend",
    "explain",
    "explaining",
]


class ExplainConfig(Config):
    """What is explained, and how thoroughly."""

    step: int | None = Field(None, ge=1, description="Step of the horizon, from 1 on. Default: the mean over all.")
    num_path_points: int = Field(32, ge=1, le=4096, description="Points at which gradients are taken.")
    hidden_share: float = Field(0.1, gt=0, lt=1, description="Share of patches or steps hidden to test an attribution.")
    num_random_draws: int = Field(20, ge=1, le=1000, description="Random ones are hidden this many times.")
    seed: int = Field(0, ge=0, lt=2**31)


def explain(
    predictor: Predictor,
    panel: Panel,
    series: str | int,
    cutoff: int | None = None,
    config: ExplainConfig | None = None,
) -> Explanation:
    """Explains the point forecast of one series (id or position), made after its first `cutoff` steps (default: all).

    What is explained is the location of the distribution: its median where 0.5 is among the levels of the model,
    for all heads but counts, whose mean bends away from the location near 0. Several networks are explained by
    their mean. Raises what `Predictor.predict` raises, SeriesError for an unknown series and RequestError for a
    cutoff or a step that there is not.
    """
    *_, explanation = explaining(predictor, panel, series, cutoff, config)
    assert explanation is not None
    return explanation


def explaining(
    predictor: Predictor,
    panel: Panel,
    series: str | int,
    cutoff: int | None = None,
    config: ExplainConfig | None = None,
) -> Iterator[Explanation | None]:
    """Explains as `explain` does, in parts: yields None while something is left to compute, then the explanation.

    What `explain` refuses is refused at once, before anything is computed; no weights are needed up to there.
    """
    config = config or ExplainConfig()
    position = _position(panel, series)
    if config.step is not None and config.step > predictor.horizon:
        message = f"step {config.step} is outside 1..{predictor.horizon}, the horizon of this model"
        raise RequestError(message, code="step-out-of-range")
    question = ask(predictor, panel, position, _checked_cutoff(panel, position, cutoff), config.step)
    if cutoff is None:
        refuse_unknown_ahead(panel.select([position]), predictor.network.config.covariates.known, predictor.horizon)
    _refuse_blind(question, panel.series_ids[position])
    return _explained(question, panel, position, config)


def attend(predictor: Predictor, panel: Panel, series: str | int, cutoff: int | None = None) -> Attended:
    """Gives where the encoder looks for one forecast, and nothing else of an explanation: it takes one forward pass.

    Raises what `explain` raises.
    """
    position = _position(panel, series)
    question = ask(predictor, panel, position, _checked_cutoff(panel, position, cutoff), None)
    _refuse_blind(question, panel.series_ids[position])
    maps = attention_maps(question)
    time = panel.axis.frequency.advance(panel.starts[[position]], question.cutoff)[0]
    spans = tuple(question.token_spans)
    return Attended(
        series_id=panel.series_ids[position],
        axis=panel.axis,
        cutoff=time,
        spans=spans,
        tokens=Stretches.of(panel.axis, time, spans),
        maps=maps,
        roll_out=attention_roll_out(maps, question.real_tokens(), question.num_future),
    )


def _explained(question: Question, panel: Panel, position: int, config: ExplainConfig) -> Iterator[Explanation | None]:
    maps = attention_maps(question)
    yield None
    flat, shared = integrated_gradients(question, config.num_path_points)
    yield None
    told = occlusion(question)
    yield None
    test = partial(
        faithfulness,
        question,
        hidden_share=config.hidden_share,
        num_draws=config.num_random_draws,
        seed=config.seed,
    )
    occluded = Attribution(told, test(told))
    yield None
    cutoff_time = panel.axis.frequency.advance(panel.starts[[position]], question.cutoff)[0]
    yield Explanation(
        series_id=panel.series_ids[position],
        axis=panel.axis,
        cutoff=cutoff_time,
        step=config.step,
        forecast=question.answer(),
        flat_forecast=flat,
        tokens=Stretches.of(panel.axis, cutoff_time, question.token_spans),
        patches=Stretches.of(panel.axis, cutoff_time, question.patch_spans),
        attention=maps,
        attention_roll_out=attention_roll_out(maps, question.real_tokens(), question.num_future),
        occlusion=occluded,
        gradients=Attribution(shared, test(shared)),
    )


def _position(panel: Panel, series: str | int) -> int:
    if isinstance(series, str):
        return panel.position(series)
    if not 0 <= series < len(panel):
        raise SeriesError(f"series position {series} is not in 0 .. {len(panel) - 1}", code="unknown-series")
    return int(series)


def _checked_cutoff(panel: Panel, position: int, cutoff: int | None) -> int | None:
    length = int(panel.lengths[position])
    if cutoff is not None and not 1 <= cutoff <= length:
        raise RequestError(
            f"cutoff {cutoff} of series {panel.series_ids[position]!r} is outside 1 .. {length}, its length",
            code="cutoff-out-of-range",
        )
    return cutoff


def _refuse_blind(question: Question, series_id: str) -> None:
    if not np.any(question.observed):
        raise SeriesError(
            f"series {series_id!r} has no value in the {len(question.observed)} steps that this model looks at",
            code="no-recent-value",
        )
