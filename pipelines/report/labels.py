"""Names and tags of runs, the same way in every run, so that they sort and can be filtered.

electricity h0024 encoder+ridge train 3fa9c1d2
data set    |     |             |     data fingerprint
            horizon             stage
                  model family
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from forecaster.config import ModelConfig
from forecaster.data.panel import Panel
from pipelines.config import PipelineConfig

OWN_ROLE = "model"
_LEAST_DIGITS = 4  # of a horizon, as tags sort as texts
_SHOWN_DIGITS = 8  # of the fingerprint


@dataclass(frozen=True)
class Labels:
    """Whose run it is and what it is about."""

    model: str  # name of the registered model
    data: str
    frequency: str
    horizon: int
    family: str
    stage: str
    fingerprint: str  # of the panel, 'sha256:...'
    role: str = OWN_ROLE  # of the forecaster in a comparison

    @property
    def name(self) -> str:
        """Name of the run; one that compares others has a role in the place of its family."""
        who = self.family if self.role == OWN_ROLE else self.role
        short = self.fingerprint.removeprefix("sha256:")[:_SHOWN_DIGITS]
        return f"{self.data} h{self._padded_horizon} {who} {self.stage} {short}"

    @property
    def tags(self) -> dict[str, str]:
        """The same as tags, for filters such as `tags.stage = 'train' and tags.horizon = '0024'`."""
        return {
            "model": self.model,
            "data": self.data,
            "frequency": self.frequency,
            "horizon": self._padded_horizon,
            "family": self.family,
            "stage": self.stage,
            "role": self.role,
            "data_fingerprint": self.fingerprint,
        }

    @property
    def _padded_horizon(self) -> str:
        return f"{self.horizon:0{_LEAST_DIGITS}d}"

    def of_role(self, role: str, family: str | None = None) -> Labels:
        """Gives the labels of a forecaster that stands beside the run's own."""
        return replace(self, role=role, family=family or role)


def labels_of(config: PipelineConfig, panel: Panel, stage: str, model: ModelConfig | None = None) -> Labels:
    """Gives the labels of a run of a pipeline; `model` is the config of a bundle where that says more than the file."""
    model = model or config.model
    return Labels(
        model=config.name,
        data=data_name(config),
        frequency=panel.axis.frequency.alias,
        horizon=model.horizon,
        family=family(model, config.training.num_members),
        stage=stage,
        fingerprint=panel.fingerprint(),
    )


def data_name(config: PipelineConfig) -> str:
    """Gives the name of the data set: that of the file without its ending, and of the model where there is none."""
    path = config.source.path
    return config.name if path is None else path.name.split(".")[0]


def family(model: ModelConfig, num_networks: int = 1) -> str:
    """Gives the kind of a model: 'encoder', what it adds to, its head unless that is quantiles, and how many answer."""
    parts = ["encoder", *([model.skip] if model.skip != "none" else [])]
    parts += [model.head] if model.head != "quantile" else []
    return "+".join(parts) + (f" x{num_networks}" if num_networks > 1 else "")
