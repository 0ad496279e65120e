"""The one descent beyond codes of W+: pixels, the weights of a network, frames of a video."""

import pytest
import torch
from torch.func import functional_call
from torch.nn.utils import parameters_to_vector

from wplus.models import StyleGAN2, StyleGAN2Config, load_perceptual
from wplus.optimisation import (
    Adam,
    Ending,
    Goal,
    Objective,
    Perceptual,
    Pixel,
    QuasiNewton,
    Rendering,
    Settings,
    Steadiness,
    Towards,
    descend,
)
from wplus.optimisation.masks import narrowed


def last(steps):
    *_, step = steps
    return step


def draws(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize("method", [QuasiNewton(), Adam(learning_rate=0.1)], ids=["quasi-newton", "adam"])
def test_pixels_go_to_their_target_under_a_perceptual_loss(method):
    target, network = draws(2, 3, 32, 32), load_perceptual("vgg-slim")
    goal = Goal(Objective((Perceptual(network, ("conv1_1",)), Pixel())), target)
    steps = list(descend(Rendering, torch.zeros_like(target), goal, Settings(steps=40, method=method)))
    assert len(steps) == 41
    assert float((steps[-1].total / steps[0].total).max()) < 0.02
    assert float((steps[-1].progress.best_code - target).square().mean()) < 0.01


def test_a_batch_of_pictures_of_any_size_gives_what_each_gives_alone():
    target = draws(3, 3, 8, 20)
    settings = Settings(steps=10)
    together = last(descend(Rendering, torch.zeros_like(target), Goal(Objective((Pixel(),)), target), settings))
    for index, each in enumerate(target):
        goal = Goal(Objective((Pixel(),)), each[None])
        alone = last(descend(Rendering, torch.zeros(1, 3, 8, 20), goal, settings))
        assert torch.allclose(together.progress.best_code[index], alone.progress.best_code[0], atol=1e-6)


def test_weights_of_a_generator_go_to_one_picture():
    network = StyleGAN2(StyleGAN2Config(channels=(8, 8), z_dim=8, w_dim=8, mapping_layers=1))
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.3, generator=torch.Generator().manual_seed(weight.numel()))
    ws = draws(1, network.config.layers, 8)
    target = torch.linspace(-0.8, 0.8, 8).expand(1, 3, 8, 8).contiguous()
    names, tensors = zip(*network.synthesis.named_parameters(), strict=True)
    sizes = [tensor.numel() for tensor in tensors]

    def decode(code):
        parts = zip(names, tensors, code[0].split(sizes), strict=True)
        weights = {name: part.view_as(tensor) for name, tensor, part in parts}
        return Rendering(functional_call(network.synthesis, weights, (ws,), {"noise": "const"}))

    start = parameters_to_vector(tensors).detach()[None]
    before = start.clone()
    steps = list(descend(decode, start, Goal(Objective((Pixel(),)), target), Settings(steps=60)))
    assert float(steps[-1].progress.best / steps[0].total) < 0.05
    assert torch.equal(start, before)  # the network that was given stays as it was
    assert torch.equal(parameters_to_vector(tensors)[None], start)


def test_what_reached_its_loss_leaves_and_a_descent_resumes():
    target = draws(2, 3, 8, 8)
    target[0] *= 0.01
    goal, settings = Goal(Objective((Pixel(),)), target), Settings(steps=12, target_loss=1e-3, method=Adam())
    start = torch.zeros_like(target)
    whole = list(descend(Rendering, start, goal, settings))
    assert Ending(int(whole[0].progress.ending[0])) is Ending.TARGET
    rest = list(descend(Rendering, start, goal, settings, resume=whole[5].progress))
    assert torch.equal(rest[-1].code, whole[-1].code)
    assert [step.step for step in rest] == [step.step for step in whole[6:]]


def test_frames_that_change_as_the_target_does_cost_nothing_and_flicker_costs():
    target = draws(4, 3, 8, 8)
    term = Steadiness(weight=2.0)
    shifted = target + draws(1, 3, 8, 8, seed=1)
    assert float(term.against(target)(shifted).max()) < 1e-9
    flicker = target.clone()
    flicker[2] += 0.5
    assert torch.allclose(term.against(target)(flicker), torch.tensor([0.0, 0.25, 0.5, 0.25]))
    rows = torch.tensor([0, 2, 3])  # frame 1 has left: 0 has no neighbour
    some = term.select(rows).against(target[rows])(flicker[rows])
    assert torch.allclose(some, torch.tensor([0.0, 0.25, 0.25]))


def test_a_term_keeps_its_own_mask_within_another():
    left, top = torch.zeros(8, 8), torch.zeros(4, 4)
    left[:, :4], top[:2] = 1, 1
    both = narrowed(left, top)
    assert torch.equal(both[0], left * torch.cat([torch.ones(4, 8), torch.zeros(4, 8)]))
    images, target = draws(1, 3, 8, 8), draws(1, 3, 8, 8, seed=1)
    objective = Objective((Pixel(mask=left), Towards(Pixel(mask=1 - left), target, "right"))).within(top)
    losses = objective.against(images)(torch.zeros_like(images))
    expected = (images[0] * (left * both)).square().sum() / images[0].numel()
    assert torch.allclose(losses["pixel"][0], expected)
    assert not torch.equal(losses["right"], losses["pixel"])
    closed = Objective((Pixel(mask=torch.zeros(8, 8)),)).within(torch.ones(8, 8))
    assert float(closed.against(target)(images)["pixel"]) == 0
