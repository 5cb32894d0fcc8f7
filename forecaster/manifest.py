"""The manifest of a bundle, as values: what it consists of, what it was trained on and by which versions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from forecaster.config import Config, SplitConfig


class StartFacts(Config):
    """What training began with."""

    kind: Literal["scratch", "warm_start", "fine_tune"] = "scratch"
    bundle_digest: str | None = Field(None, description="Of the bundle whose weights it began with.")
    learning_rate_factor: float = Field(1.0, gt=0, le=1)
    trained_blocks: int | None = Field(
        None, ge=0, description="Last blocks that were trained, with what follows them. None: everything was."
    )
    tuned_share: float = Field(1.0, gt=0, le=1, description="Of what training changed in the weights: what was kept.")


class TrainingFacts(Config):
    """What the weights were fitted on: enough to tell whether a later evaluation is free of leakage."""

    data_fingerprint: str
    target_fingerprint: str | None = Field(None, description="Of the series without what was known beside them.")
    num_series: int
    frequency: str
    timezone: str | None
    horizon: int
    cutoff: str = Field(description="Latest stored time seen in the series that test folds were kept of.")
    latest: str = Field(description="Latest stored time seen in any series.")
    used_up: tuple[str, ...] = Field(description="Series too short for a test fold: seen to their end.")
    split: SplitConfig = Field(description="How validation and test folds were kept from training.")
    start: StartFacts = StartFacts()
    is_synthetic: bool = Field(False, description="True: all series were made up, it has seen no value of any data.")
    num_steps: int = Field(description="Optimiser steps behind the weights; the most of any network of several.")
    validation_loss: float = Field(description="The lowest; the mean over networks of several.")
    correction_share: float = Field(1.0, description="Share of the encoder's correction that validation bears out.")


class Provenance(Config):
    """What leads from a bundle back to its making, beside the data that it was trained on."""

    model: str = Field(description="Name that it was trained under.")
    run_id: str = Field(description="Of MLflow.")
    code_commit: str | None = Field(description="Git commit of the trainer's code, '-dirty' with changes, if known.")
    packages_digest: str = Field(description="Of the names and versions of all installed packages.")
    metrics: dict[str, float] = Field(
        description="Its scores by the names they have in its run, and ROLE/NAME those of the runs below that."
    )


class FileDigest(Config):
    """Size in bytes and SHA-256 of one file."""

    size: int
    sha256: str


class Manifest(Config):
    """What a bundle consists of and where it comes from."""

    schema_version: Literal[2] = 2
    libraries: dict[str, str]
    training: TrainingFacts
    provenance: Provenance | None = Field(None, description="Of what a pipeline registered; older bundles have none.")
    files: dict[str, FileDigest]
