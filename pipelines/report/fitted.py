"""What a training finds of its own model: calibrated on the test folds, and not calibrated on any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from forecaster.data.panel import Panel
from forecaster.evaluation import Evaluation, evaluate
from forecaster.predictor import Predictor
from forecaster.training.fit import FitResult
from pipelines.comparison import compare
from pipelines.config import PipelineConfig
from pipelines.report.compared import Compared
from pipelines.report.labels import OWN_ROLE

VALIDATION, UNCALIBRATED = "validation", "uncalibrated"


@dataclass(frozen=True)
class EvaluatedFit:
    """What a training has found of its model, calibrated on the test folds and not calibrated on any."""

    panel: Panel
    config: PipelineConfig
    validation: Evaluation
    test: dict[str, Evaluation]  # by role; empty without test folds
    uncalibrated: Evaluation | None  # on the test folds

    @property
    def compared(self) -> Compared:
        """The model beside its baselines, on the test folds where there are any."""
        segments = self.config.promotion.segments
        if self.test:
            return Compared(self.panel, self.test, OWN_ROLE, segments=segments)
        return Compared(self.panel, {OWN_ROLE: self.validation}, OWN_ROLE, VALIDATION, segments)

    def beside(self) -> Iterator[Compared]:
        """Yields what else is told of the model, each with the role that it has in the run."""
        if self.test:
            yield Compared(self.panel, {VALIDATION: self.validation}, VALIDATION, VALIDATION)
        if self.uncalibrated is not None:
            yield Compared(self.panel, {UNCALIBRATED: self.uncalibrated}, UNCALIBRATED)

    def metrics(self) -> dict[str, float]:
        """Gives all scores: the model's under their names, those of a child run as ROLE/NAME."""
        compared = self.compared
        found = compared.metrics(OWN_ROLE)
        others = [*(compared.alone(role) for role in compared.others), *self.beside()]
        return found | {
            f"{each.own}/{name}": value for each in others for name, value in each.metrics(each.own).items()
        }


def evaluate_fit(config: PipelineConfig, panel: Panel, result: FitResult) -> EvaluatedFit:
    """Evaluates what was fitted on its own folds."""
    raw = Predictor(result.predictor.networks, result.predictor.frequency)
    validation = evaluate(result.validated, panel, result.split.validation, raw.levels)  # the rest has seen these folds
    if not config.split.num_test_folds:
        return EvaluatedFit(panel, config, validation, {}, None)
    test = compare(panel, config, {OWN_ROLE: result})
    return EvaluatedFit(panel, config, validation, test, evaluate(raw, panel, result.split.test, raw.levels))
