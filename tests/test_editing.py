"""Edits as functions on codes."""

import pytest
import torch

from wplus.core import Latent, LatentError, Origin
from wplus.editing import Relative, crossover, layer_at, morph, transfer_expression


def latent(seed, layers=18, **details):
    ws = torch.randn(1, layers, 8, generator=torch.Generator().manual_seed(seed))
    return Latent(ws, origin=Origin("toy", "0" * 16, 1024, w_radius=2.0, **details))


def test_a_morph_begins_and_ends_exactly():
    a, b = latent(1), latent(2)
    assert torch.equal(morph(a, b, weight=0).ws, a.ws)
    assert torch.equal(morph(a, b, weight=1).ws, b.ws)
    assert torch.allclose(morph(a, b, weight=0.25).ws, 0.75 * a.ws + 0.25 * b.ws)


def test_crossover_splits_eighteen_layers_as_the_paper_does():
    content, style = latent(1), latent(2)
    mixed = crossover(content, style)
    assert torch.equal(mixed.ws[:, :9], content.ws[:, :9])
    assert torch.equal(mixed.ws[:, 9:], style.ws[:, 9:])


def test_crossover_names_layers_by_resolution():
    assert [layer_at(f"{size}px") for size in (4, 8, 16, 1024)] == [0, 2, 4, 16]
    content, style = latent(1), latent(2)
    by_name = crossover(content, style, first_style_layer="16px")
    assert torch.equal(by_name.ws, crossover(content, style, first_style_layer=4).ws)
    for wrong in ("15px", "2px", "x"):
        with pytest.raises(ValueError, match="is no resolution"):
            crossover(content, style, first_style_layer=wrong)
    with pytest.raises(ValueError, match=r"outside 0\.\.18"):
        crossover(content, style, first_style_layer=19)


def test_an_expression_is_the_difference_of_two_codes():
    target, neutral, smile = latent(1), latent(2), latent(3)
    edited = transfer_expression(target, neutral, smile, strength=2, threshold=0.0)
    assert torch.allclose(edited.ws, target.ws + 2 * (smile.ws - neutral.ws))
    assert torch.equal(transfer_expression(target, neutral, neutral).ws, target.ws)


def test_weak_rows_of_the_difference_are_dropped():
    target, neutral = latent(1), latent(2)
    change = torch.zeros_like(neutral.ws)
    change[:, 3], change[:, 7] = 1.0, 0.01  # norms 2.83 and 0.028
    smile = Latent(neutral.ws + change, origin=neutral.origin)
    for threshold in (1.0, Relative(0.5)):  # half of the radius of 2
        moved = transfer_expression(target, neutral, smile, threshold=threshold).ws - target.ws
        assert torch.allclose(moved[:, 3], torch.ones(1, 8), atol=1e-5)
        assert moved[:, [*range(3), *range(4, 18)]].abs().max() == 0


def test_a_normalised_expression_moves_by_the_strength():
    target, neutral, smile = latent(1), latent(2), latent(3)
    moved = transfer_expression(target, neutral, smile, strength=3, normalise=True).ws - target.ws
    assert float(moved.norm()) == pytest.approx(3, rel=1e-5)
    with pytest.raises(LatentError, match="no row"):
        transfer_expression(target, neutral, neutral, normalise=True)


def test_a_relative_threshold_needs_to_know_the_generator():
    bare = [Latent(latent(seed).ws) for seed in range(3)]
    with pytest.raises(LatentError, match="relative threshold"):
        transfer_expression(*bare)
    transfer_expression(*bare, threshold=0.5)


def test_latents_that_do_not_belong_together_are_refused():
    other = Latent(latent(1).ws, origin=Origin("other", "1" * 16, 1024))
    with pytest.raises(LatentError, match="different generators"):
        morph(latent(1), other, weight=0.5)
    with pytest.raises(LatentError, match="18 layers of 8 and 14 layers of 8"):
        crossover(latent(1), latent(1, layers=14))
    two = Latent(torch.zeros(2, 18, 8))
    with pytest.raises(LatentError, match="1 and 2 codes do not match"):
        morph(latent(1), two, weight=0.5)


def test_edits_change_nothing_they_are_given():
    a, b, c = latent(1), latent(2), latent(3)
    before = [item.ws.clone() for item in (a, b, c)]
    morph(a, b, weight=0.3), crossover(a, b), transfer_expression(a, b, c)
    assert all(torch.equal(x, item.ws) for x, item in zip(before, (a, b, c), strict=True))
