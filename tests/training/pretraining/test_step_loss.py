"""The loss of a step: the mean over its parts, made once for a block, and on a GPU played from a recording."""

from __future__ import annotations

import pytest
import torch

from forecaster.config.pretraining import PretrainingConfig
from forecaster.model.network import Network
from forecaster.training.pretraining.step_loss import LossOfSteps, StepLoss, relative_loss, tensors_of
from forecaster.training.pretraining.windows import SyntheticPart, SyntheticWindows
from tests.training.pretraining.factories import small_config


def network_and_steps(num_blocks: int, device: str = "cpu") -> tuple[Network, list[list[SyntheticPart]]]:
    config: PretrainingConfig = small_config()
    made = SyntheticWindows(config)
    blocks = [[part.to(device) for part in made.block(number)] for number in range(num_blocks)]
    torch.manual_seed(0)
    return Network(config.model).to(device), [parts for block in blocks for parts in made.steps_of(block)]


def gradients(loss: torch.Tensor, network: Network) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, list(network.parameters()), allow_unused=True, materialize_grads=True))


def test_it_is_the_mean_of_the_losses_of_the_parts_with_the_gradients_of_the_network() -> None:
    network, steps = network_and_steps(2)
    losses = LossOfSteps(network)
    for parts in steps:
        found = losses(parts)
        expected = torch.stack([relative_loss(network, part)(part.batch) for part in parts]).mean()
        assert torch.equal(found, expected)
        for ours, theirs in zip(gradients(found, network), gradients(expected, network), strict=True):
            assert torch.equal(ours, theirs)


def test_what_the_steps_of_a_block_share_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network, steps = network_and_steps(2)
    shapes: list[int] = []
    reshaped = Network.reshaped

    def counted(self: Network, *, context_length: int, horizon: int, lags: tuple[int, ...]) -> Network:
        shapes.append(context_length)
        return reshaped(self, context_length=context_length, horizon=horizon, lags=lags)

    monkeypatch.setattr(Network, "reshaped", counted)
    losses = LossOfSteps(network)
    for parts in steps:
        losses(parts)
    assert len(steps) == 6
    assert len(shapes) == 2 * len(steps[0])  # once a block, for each part


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_recording_gives_the_loss_and_the_gradients_of_what_it_recorded() -> None:
    network, steps = network_and_steps(3, "cuda")
    losses = LossOfSteps(network)
    for parts in steps:
        found = losses(parts)
        ours = [gradient.clone() for gradient in gradients(found, network)]
        expected = StepLoss(network, parts)(*tensors_of(parts))
        torch.testing.assert_close(found, expected)
        for gradient, wanted in zip(ours, gradients(expected, network), strict=True):
            torch.testing.assert_close(gradient, wanted, rtol=1e-3, atol=1e-5)
        with torch.no_grad():  # a recording sees the weights as they are when it is played
            for weight, gradient in zip(network.parameters(), ours, strict=True):
                weight.sub_(0.01 * gradient)
