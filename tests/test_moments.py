"""The critic of moments: its slope is that of the Frechet distance."""

import pytest
import torch

from wplus.metrics.distribution import frechet_distance, moments
from wplus.training.moments import FrechetCritic, summary


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


def test_moments_taken_at_the_beginning_are_certain_at_once():
    torch.manual_seed(0)
    real = torch.randn(4000, 6) @ torch.randn(6, 6)
    critic = FrechetCritic(real)
    assert critic.certainty == 0
    critic.begin(real + 2)
    assert critic.certainty == 1
    critic(real[:8] + 2)
    assert float(critic.distance) == pytest.approx(float((2 / real.std(dim=0)).square().sum()), rel=0.05)


def test_textures_tell_a_pattern_from_its_mean():
    plain = torch.zeros(1, 3, 8, 8)
    level = torch.ones(1, 4, 8, 8)
    striped = level.clone()
    striped[..., ::2], striped[..., 1::2] = 0, 2
    without = [summary(plain, [x, x]) for x in (level, striped)]
    assert torch.equal(*without)
    told = [summary(plain, [x, x], textured=1) for x in (level, striped)]
    assert [x.shape for x in told] == [(1, 8 + 48 + 4)] * 2
    assert torch.allclose((told[1] - told[0])[0, -4:], torch.ones(4), atol=0.02)
