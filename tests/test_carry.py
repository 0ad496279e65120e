"""The change between two renderings goes into the photograph, and nothing else does."""

import sys
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from wplus.alignment import Alignment, crop
from wplus.core.errors import FaceError
from wplus.core.images import resized
from wplus.core.photograph import Photograph
from wplus.models.parser import CLASSES
from wplus.pipelines.carry import Carry, carry, carry_crop
from wplus.pipelines.flow import flow
from wplus.pipelines.morph import End, morph_frames
from wplus.pipelines.parts import GROUPS, allowed_places, parse
from wplus.pipelines.restore import restore_edit


def blobs(*places, size=64, seed=0):
    """A picture with soft bright blobs of 5 px at places, over a texture of low contrast."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, 3, 6, 6, generator=generator) * 0.15
    picture = functional.interpolate(coarse, (size, size), mode="bicubic")[0]
    line = torch.arange(size)
    for x, y in places:
        picture += torch.exp(-((line[None] - x) ** 2 + (line[:, None] - y) ** 2) / 18)
    return picture.clamp(-1, 1)[None]


@pytest.fixture
def photo():
    """A photograph of 200 x 160 with grain, bytes / 127.5 - 1."""
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (3, 160, 200), generator=generator).float() / 127.5 - 1


EVERYWHERE = Carry(where=tuple(GROUPS), light=1.0, renews=False)
QUAD = Alignment(((40.0, 22.0), (30.0, 120.0), (128.0, 130.0), (138.0, 32.0)), (200, 160), 64)


def test_an_edit_that_changes_nothing_gives_the_photograph_bit_for_bit(photo):
    rendering = blobs((20, 30), (40, 30))
    assert torch.equal(carry(photo, rendering, rendering.clone(), QUAD), photo)


def test_places_where_before_and_after_agree_keep_their_bits(photo):
    before, after = blobs((32, 32)), blobs((32, 32))
    after[..., 40:48, 24:40] += 0.4
    result = carry(photo, before, after, QUAD, settings=EVERYWHERE)
    touched = (result != photo).any(0)
    assert touched.any()
    rows, columns = touched.nonzero().T
    assert touched.float().mean() < 0.2
    assert columns.min() > 40 and rows.min() > 50  # the square's upper left corner is left alone


def test_what_is_added_to_the_rendering_is_added_to_the_photograph():
    photo = torch.zeros(3, 128, 128)
    before, after = blobs((32, 32)), blobs((32, 32))
    after[..., 24:40, 24:40] -= 0.3
    settings = replace(EVERYWHERE, moves=False)
    result = carry_crop(photo, before, after, settings=settings)
    assert float(result[:, 60:68, 60:68].mean()) == pytest.approx(-0.3, abs=0.03)


def test_detail_moves_with_what_moves():
    before, after = blobs((28, 32)), blobs((32, 32))
    grain = functional.interpolate(before, (256, 256), mode="bicubic")[0].clamp(-1, 1)
    grain[:, 128, 112] = -1.0  # a mole in the middle of the blob
    result = carry_crop(grain, before, after, settings=EVERYWHERE)
    row = result[:, 120:137, 100:150].mean(0)
    y, x = divmod(int(row.argmin()), row.shape[1])
    assert abs(x + 100 - 128) <= 2 and abs(y + 120 - 128) <= 2


def test_flow_tells_where_a_part_came_from():
    moved = flow(blobs((28, 32))[0], blobs((32, 32))[0])
    assert moved[0, 32, 32].item() == pytest.approx(-4 / 64, abs=0.012)
    assert abs(moved[1, 32, 32].item()) < 0.012


def test_pictures_that_agree_move_nothing():
    assert not flow(blobs((28, 32))[0], blobs((28, 32))[0]).any()


def test_tiles_do_not_show(photo, monkeypatch):
    before, after = blobs((28, 30)), blobs((34, 33))
    whole = carry(photo, before, after, QUAD)
    monkeypatch.setattr(sys.modules["wplus.pipelines.carry"], "TILE", 17)
    assert bool(whole.isfinite().all())
    assert torch.allclose(carry(photo, before, after, QUAD), whole, atol=1e-3)


def test_nothing_changes_where_it_is_not_allowed(photo):
    before, after = blobs((28, 30)), blobs((34, 33), seed=3)
    allowed = torch.zeros(64, 64)
    assert torch.equal(carry(photo, before, after, QUAD, allowed=allowed), photo)


def test_a_photograph_of_another_size_is_refused(photo):
    with pytest.raises(FaceError, match="the crop is of a photograph of 200 x 160"):
        carry(photo[:, :100], blobs((28, 30)), blobs((34, 33)), QUAD)


def test_two_faces_at_once_are_refused(photo):
    with pytest.raises(ValueError, match="two renderings"):
        carry(photo, blobs((28, 30)).expand(2, -1, -1, -1), blobs((34, 33)).expand(2, -1, -1, -1), QUAD)


def test_the_parser_gives_probabilities():
    parts = parse(torch.zeros(3, 64, 64), torch.rand(3, 64, 64))
    assert parts.shape == (2, len(CLASSES), 64, 64)
    assert torch.allclose(parts.sum(1), torch.ones(2, 64, 64), atol=1e-4)


def test_an_oval_stands_for_a_face_that_is_not_seen():
    parts = torch.zeros(len(CLASSES), 64, 64)
    parts[0] = 1.0  # all background
    face = allowed_places(torch.zeros(3, 64, 64), parts, ("face",))[0]
    hair = allowed_places(torch.zeros(3, 64, 64), parts, ("hair",))[0]
    assert face[36, 32] > 0.9 and face[2, 2] < 0.05
    assert hair[36, 32] < 0.1 and hair[2, 2] > 0.9


def test_a_latent_that_was_not_edited_gives_the_photograph(mini, photo):
    latent = replace(mini.sample(seed=1), origin=mini.origin(crop=QUAD.to_json(), settings={}))
    assert restore_edit(Photograph(photo), latent, mini, anyway=True).picture is photo


def test_an_edited_latent_changes_the_photograph_in_its_place(mini, photo):
    latent = replace(mini.sample(seed=1), origin=mini.origin(crop=QUAD.to_json(), settings={}))
    edited = latent.edited(mini.sample(seed=2).ws, edit="another")
    result = restore_edit(Photograph(photo), edited, mini, settings=EVERYWHERE, anyway=True).picture
    assert torch.equal(result[:, :, :28], photo[:, :, :28])
    assert not torch.equal(result, photo)


def test_another_photographs_latent_is_refused(mini, photo):
    latent = replace(mini.sample(seed=1), origin=mini.origin(crop=QUAD.to_json(), settings={}))
    with pytest.raises(FaceError, match="does not look like the face"):
        restore_edit(Photograph(photo), latent, mini)


def test_a_morph_begins_and_ends_with_the_photographs(mini, photo):
    latents = tuple(mini.sample(seed=seed) for seed in (1, 2))
    faces = [crop(photo, replace(QUAD, size=48)).picture, torch.zeros(3, 48, 48)]
    ends = []
    for latent, face in zip(latents, faces, strict=True):
        shown = mini(latent)[0].clamp(-1, 1)
        ends.append(End(shown, face - resized(shown, height=48, width=48)))
    frames = list(morph_frames(mini, latents, tuple(ends), [0.0, 0.5, 1.0]))
    assert torch.allclose(frames[0], faces[0], atol=1e-5)
    assert torch.allclose(frames[2], faces[1], atol=1e-5)
    assert frames[1].isfinite().all()


def test_the_middle_of_two_textures_is_as_strong_as_they_are(mini, monkeypatch):
    monkeypatch.setattr("wplus.pipelines.morph.allowed_places", lambda picture, *_: torch.ones(1, *picture.shape[1:]))
    generator = torch.Generator().manual_seed(3)
    shown, size = mini(mini.sample(seed=1))[0].clamp(-1, 1), (3, 256, 256)
    noises = [torch.randn(size, generator=generator) * strength for strength in (0.05, 0.08, 0.0, 0.0)]
    ends = [End(shown, noise) for noise in noises]
    latents = tuple(mini.sample(seed=seed) for seed in (1, 1))
    (between,) = morph_frames(mini, latents, tuple(ends[:2]), [0.5])
    (smooth,) = morph_frames(mini, latents, tuple(ends[2:]), [0.5])
    expected = ((0.05**2 + 0.08**2) / 2) ** 0.5
    assert 0.85 * expected < float((between - smooth)[smooth.abs() < 0.6].std()) < 1.1 * expected
