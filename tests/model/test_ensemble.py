"""Ensembles: one network is itself, several are the mean of their quantiles."""

from __future__ import annotations

import pytest
import torch

from forecaster.errors import ConfigError
from forecaster.model.ensemble import Ensemble
from tests.model.factories import awake_network, random_context, random_observed

LEVELS = (0.1, 0.3, 0.5, 0.9)


@pytest.mark.parametrize("head", ["quantile", "student_t", "gaussian"])
def test_a_single_network_answers_exactly_as_it_would_alone(head: str) -> None:
    network = awake_network(head=head)
    context, observed = random_context(3, 24), random_observed(3, 24)
    output = Ensemble(network)(context, observed)
    alone = network(context, observed)
    assert torch.equal(output.quantiles(LEVELS), network.head.quantiles(alone.parameters, LEVELS))


@pytest.mark.parametrize("head", ["quantile", "student_t"])
def test_several_answer_with_the_mean_of_their_quantiles_in_order(head: str) -> None:
    networks = [awake_network(seed, head=head) for seed in range(3)]
    context, observed = random_context(3, 24), random_observed(3, 24)
    together = Ensemble(networks)(context, observed).quantiles(LEVELS)
    each = [Ensemble(network)(context, observed).quantiles(LEVELS) for network in networks]
    torch.testing.assert_close(together, sum(each) / 3)
    assert (together.diff(dim=-1) >= 0).all()


def test_networks_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ConfigError, match="one network or more"):
        Ensemble([])
    with pytest.raises(ConfigError, match="must have one config"):
        Ensemble([awake_network(), awake_network(d_ff=16)])


def test_members_answer_without_dropout() -> None:
    network = awake_network(dropout=0.5).train()
    ensemble = Ensemble([network, awake_network(1, dropout=0.5)])
    context, observed = random_context(2, 24), random_observed(2, 24)
    answers = [ensemble(context, observed).quantiles(LEVELS) for _ in range(2)]
    assert torch.equal(*answers)
