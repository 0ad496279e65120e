"""The critic of moments: its slope is that of the Frechet distance."""

import pytest
import torch

from wplus.metrics.distribution import frechet_distance, moments
from wplus.training.moments import FrechetCritic


def test_its_gradient_is_that_of_the_distance():
    torch.manual_seed(0)
    real = torch.randn(4000, 6) @ torch.randn(6, 6)
    made = torch.randn(400, 6) @ torch.randn(6, 6) + 1
    critic = FrechetCritic(real)
    x = made.clone().requires_grad_(True)
    critic(x).backward()
    # along a direction, the loss changes as the distance of the scaled and regularised features does
    direction = torch.randn_like(made)
    slope = float((x.grad * direction).sum())

    def distance(features):
        def stretched(rows):
            found = moments(rows / critic.scale)
            covariance = found.covariance + 0.1 * torch.eye(6).numpy()
            return type(found)(found.mean, covariance, found.count)

        return frechet_distance(stretched(features), stretched(real))

    step = 1e-3
    numeric = (distance(made + step * direction) - distance(made - step * direction)) / (2 * step)
    assert slope == pytest.approx(numeric, rel=0.02)
    assert float(critic.distance) == pytest.approx(distance(made), rel=0.02)


def test_pictures_that_are_as_real_ones_feel_next_to_nothing():
    torch.manual_seed(0)
    real = torch.randn(4000, 6) @ torch.randn(6, 6)
    same, far = FrechetCritic(real), FrechetCritic(real)
    x = real.clone().requires_grad_(True)
    same(x).backward()
    y = (real * 2 + 1).requires_grad_(True)
    far(y).backward()
    assert x.grad.norm() < 0.01 * y.grad.norm()
