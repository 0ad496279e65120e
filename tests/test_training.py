"""The training recipe, on a network small enough to train in seconds."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from wplus.core import TrainingError
from wplus.models import Card, load_generator
from wplus.models.encoder import read_encoder
from wplus.models.ops import upsample
from wplus.models.squeezenet import SqueezeNetLevels
from wplus.training.codes import Memory
from wplus.training.faces import Faces, load_faces
from wplus.training.features import FrozenFeatures
from wplus.training.game import Judge, Judged, Margin
from wplus.training.generator import Run
from wplus.training.growth import grown, inherit
from wplus.training.networks import Discriminator
from wplus.training.precision import native
from wplus.training.recipe import Recipe
from wplus.training.run import export, load_checkpoint, save_checkpoint, train
from wplus.training.stylemap import StyleMapRecipe, StyleMapRun
from wplus.training.updates import Muon, split_weights

RECIPE = Recipe(
    resolution=16,
    channels=(8, 8, 8),
    w_dim=8,
    mapping_layers=2,
    batch=8,
    warm_images=48,
    judge_images=32,
    images=144,
)
STYLEMAP = StyleMapRecipe(
    resolution=16, channels=(8, 8, 8), w_dim=8, side=4, mapping_layers=2, warm_images=48, images=96, identity=0.0
)
BOTH = pytest.mark.parametrize(
    ("kind", "recipe"), [(Run, RECIPE), (StyleMapRun, STYLEMAP)], ids=["stylegan2", "stylemap"]
)


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
    """SqueezeNet with random weights: what is tested is the recipe, not what it sees."""
    import torchvision
    from safetensors.torch import save_file

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "squeezenet.safetensors"
    save_file(torchvision.models.squeezenet1_1().state_dict(), path)
    return SqueezeNetLevels(path).to(native("cpu"))


def faces(count=120):
    ramp = torch.linspace(0, 255, 16)
    colours = torch.rand(count, 3, 1, 1, generator=torch.Generator().manual_seed(0))
    return Faces((colours * ramp[None, None, None, :].expand(count, 3, 16, 16)).byte())


def weights(run):
    return torch.cat([weight.detach().flatten() for weight in run.state_dict().values() if weight.is_floating_point()])


@BOTH
def test_a_resumed_run_is_the_unbroken_one(kind, recipe, trunk, tmp_path):
    def go(run, count):
        for _ in range(count):
            run.step()
        return run

    for pause in (3, 8, 11, 15):  # within each phase
        unbroken = go(kind(recipe, faces(), trunk=trunk), pause + 2)
        broken = go(kind(recipe, faces(), trunk=trunk), pause)
        save_checkpoint(broken, tmp_path / "checkpoint.pt")
        resumed = kind(recipe, faces(), trunk=trunk)
        load_checkpoint(resumed, tmp_path / "checkpoint.pt")
        assert resumed.seen == pause * 8
        assert torch.equal(weights(go(resumed, 2)), weights(unbroken))


def test_the_exported_mapping_network_samples_the_codes_of_faces(trunk):
    run = Run(RECIPE, faces(), trunk=trunk)
    run.encoder_ema.base.weight.data.normal_(generator=torch.Generator().manual_seed(0))  # codes that differ
    network, encoder = run.finished()
    codes = run.codes(run.faces)
    moved = codes + encoder.mean - run.encoder_ema.mean
    pictures = [net.synthesis(w[:4, None].expand(-1, 6, -1)) for net, w in ((run.average, codes), (network, moved))]
    assert torch.allclose(*pictures, atol=1e-3 * float(pictures[0].std()))
    mapped = network.mapping(torch.randn(4000, 8, generator=torch.Generator().manual_seed(0)))
    spread = float(moved.var(dim=0).sum().sqrt())
    assert torch.allclose(mapped.mean(dim=0), moved.mean(dim=0), atol=0.1 * spread)
    assert torch.allclose(mapped.T.cov(), moved.T.cov(), atol=0.1 * spread**2)


def test_samples_have_the_moments_of_the_remembered_codes():
    memory, draws = Memory(3), torch.Generator().manual_seed(0)
    codes = torch.randn(1500, 3, generator=draws) @ torch.tensor([[1.0, 2, 0], [0, 1, 0], [0, 3, 0.1]]) + 5
    memory.add(codes[:1024])
    memory.add(codes[1024:1500])  # which take the place of the first ones
    drawn, kept = memory.samples(20_000, draws), codes[476:1500]
    assert torch.allclose(drawn.mean(dim=0), kept.mean(dim=0), atol=0.1)
    assert torch.allclose(drawn.T.cov(), kept.T.cov(), atol=0.05 * float(kept.var(dim=0).sum()))
    assert torch.allclose(memory.samples(4, draws, psi=0.0), kept.mean(dim=0).expand(4, -1), atol=1e-4)
    low, high = kept.amin(dim=0), kept.amax(dim=0)
    assert bool(((memory.mixes(100, draws) >= low) & (memory.mixes(100, draws) <= high)).all())


def test_the_margin_is_answered_by_the_penalty_and_at_last_by_the_pace():
    margin = Margin(0.3)
    for _ in range(200):
        margin.follow(torch.tensor(3.0))
    assert (float(margin.penalty) > 0.6, float(margin.pace)) == (True, 1.0)
    for _ in range(400):
        margin.follow(torch.tensor(0.0))
    assert float(margin.penalty) < 0.3
    assert margin.lost
    for _ in range(400):
        margin.follow(torch.tensor(1.0))
    assert float(margin.pace) == 1
    assert not margin.lost


def test_a_discriminator_learns_to_tell_two_kinds_of_pictures_apart(trunk):
    torch.manual_seed(0)
    features = FrozenFeatures(trunk, faces().batch(torch.arange(20)), size=64)
    judge = Judge(Discriminator(16, (8, 8, 8)), features, penalty=0.01)
    optimiser = torch.optim.Adam(judge.parameters(), lr=2e-3, betas=(0.0, 0.99))
    real, fake = (Judged(x, features(x)) for x in (torch.rand(8, 3, 16, 16), torch.rand(8, 3, 16, 16) - 1))
    margins = []
    for step in range(40):
        loss, _, margin = judge.losses(real, fake, lazy=4 if step % 4 == 0 else 0)
        margins.append(margin)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert margins[-1] > margins[0] + 0.5
    with pytest.raises(ValueError, match="3 widths make 16 px, not 32"):
        Discriminator(32, (8, 8, 8))


def test_a_grown_generator_begins_as_the_smaller_one_enlarged(trunk):
    small = Run(RECIPE, faces(), trunk=trunk)
    for block in small.average.synthesis.blocks:
        block.torgb.weight.mul_(10)  # as strong as trained ones; they begin faint
    ws = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(0))
    larger = grown(small.average, (8, 8, 8, 8)).requires_grad_(False)
    picture = upsample(small.average.synthesis(ws, noise="none"))
    grown_picture = larger.synthesis(torch.cat([ws, ws[:, -1:], ws[:, -1:]], dim=1), noise="none")
    assert float((grown_picture - picture).std()) < 0.5 * float(picture.std())
    inherit(Discriminator(32, (8, 8, 8, 8)), small.judge.discriminator)
    with pytest.raises(TrainingError, match="one less expected"):
        grown(small.average, (8, 8, 4))


def test_a_run_goes_on_from_a_generator_and_its_encoder(trunk):
    first = Run(RECIPE, faces(), trunk=trunk)
    first.encoder.base.weight.data.normal_(generator=torch.Generator().manual_seed(0))
    first.encoder_ema.load_state_dict(first.encoder.state_dict())
    network, encoder = first.finished()
    second = Run(replace(RECIPE, warm_images=0), faces(), trunk=trunk, start=network, encoder=encoder)
    figures = [run.look(faces(20)).figures["held_out"] for run in (first, second)]
    assert figures[0] == pytest.approx(figures[1], rel=1e-3)
    assert np.isfinite([*second.step().values()]).all()


def test_the_switch_makes_the_mapping_network_sample_along_the_main_axes_of_stylemaps(trunk):
    run = StyleMapRun(STYLEMAP, faces(), trunk=trunk)
    torch.manual_seed(1)
    codes = [run.network.encoder(run.faces.batch(torch.arange(120))).detach()]
    run._switch()
    sampled = run.network.mapping(torch.randn(20_000, 8)).detach()
    before = [torch.where(x > 0, x, x / 0.2) / 2**0.5 for x in (codes[0], sampled)]  # their own leaky ReLU undone
    means = [x.mean(dim=0) for x in before]
    spreads = [float((x - mean).square().mean()) for x, mean in zip(before, means, strict=True)]
    assert torch.allclose(*means, atol=0.03 * spreads[0] ** 0.5)
    assert spreads[1] == pytest.approx(spreads[0], rel=0.03)  # flat colours have few axes, so 8 hold nearly all


@BOTH
def test_a_run_writes_what_it_says_and_its_generator_opens(kind, recipe, trunk, tmp_path):
    training, held_out = faces(200).split(20)
    assert (len(training), len(held_out)) == (180, 20)
    run = kind(recipe, training, trunk=trunk)
    reports = list(train(run, held_out, tmp_path, every=40))
    marks = [40, 80, *([120] if recipe.images > 120 else []), recipe.images]
    assert [report.seen for report in reports] == marks
    assert all(np.isfinite([*report.figures.values(), *report.losses.values()]).all() for report in reports)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"checkpoint.pt", "log.csv", *(f"sheet-{mark:07}.png" for mark in marks)}
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 1 + len(marks)
    path = export(run, tmp_path, Card("tiny", terms="a test"))
    generator = load_generator(path)
    if kind is Run:
        encoder = read_encoder(path.with_name("encoder.safetensors"))
        assert encoder.generator == generator.fingerprint
        assert path.with_name("discriminator.safetensors").exists()
    assert generator.resolution == 16
    assert generator.card.training["recipe"]["images"] == recipe.images
    assert torch.isfinite(generator(generator.sample(0))).all()


def test_a_checkpoint_of_another_recipe_is_refused(trunk, tmp_path):
    save_checkpoint(Run(RECIPE, faces(), trunk=trunk), tmp_path / "c.pt")
    other = Run(replace(RECIPE, adversary=0.6), faces(), trunk=trunk)
    with pytest.raises(TrainingError, match=r"another recipe \(adversary\)"):
        load_checkpoint(other, tmp_path / "c.pt")
    longer = Run(replace(RECIPE, images=232), faces(), trunk=trunk)
    load_checkpoint(longer, tmp_path / "c.pt")
    (tmp_path / "c.pt").write_bytes(b"nonsense")
    with pytest.raises(TrainingError, match="no checkpoint of wplus"):
        load_checkpoint(other, tmp_path / "c.pt")


def test_a_recipe_refuses_nonsense():
    with pytest.raises(ValueError, match="3 widths make 16 px, not 32"):
        Recipe(resolution=32, channels=(8, 8, 8))
    with pytest.raises(ValueError, match="batch must be a multiple of 8"):
        Recipe(batch=3)
    with pytest.raises(ValueError, match="3 widths from 8 px make 32 px, not 64"):
        StyleMapRecipe(channels=(8, 8, 8))
    with pytest.raises(ValueError, match="a multiple of 4"):
        StyleMapRecipe(batch=6)


def test_pictures_without_faces_are_trained_on_without_identity_only(trunk):
    with pytest.raises(TrainingError, match="no face found in the pictures; train on them with --identity 0"):
        StyleMapRun(replace(STYLEMAP, identity=0.1), faces(), trunk=trunk)


def test_faces_come_from_pictures_and_tar_files_alike(tmp_path):
    import tarfile

    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(100):
        Image.fromarray(np.full((32, 32, 3), index, np.uint8)).save(folder / f"{index:03}.png")
    loose = load_faces(folder, resolution=16)
    packed = tmp_path / "packed"
    packed.mkdir()
    with tarfile.open(packed / "faces.tar", "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name)
    assert torch.equal(load_faces(packed, resolution=16).stored, loose.stored)
    assert loose.stored.shape == (100, 3, 16, 16)


def test_a_folder_without_faces_is_refused(tmp_path):
    with pytest.raises(TrainingError, match="0 pictures found, training needs at least 100"):
        load_faces(tmp_path, resolution=16)
    with pytest.raises(TrainingError, match="no such folder"):
        load_faces(tmp_path / "nothing", resolution=16)
    (tmp_path / "a.png").write_text("text")
    with pytest.raises(TrainingError, match=r"a\.png: not a picture, or damaged"):
        load_faces(tmp_path, resolution=16)


def test_bad_pictures_are_all_named_at_once_or_passed_over(tmp_path):
    for number in range(100):
        Image.new("RGB", (16, 16), (number, 0, 0)).save(tmp_path / f"{number:03}.png")
    (tmp_path / "._000.png").write_bytes(b"what a Mac leaves beside a file")
    (tmp_path / "x.png").write_text("text")
    Image.new("RGB", (16, 12)).save(tmp_path / "y.png")
    with pytest.raises(TrainingError) as caught:
        load_faces(tmp_path, resolution=16)
    told = str(caught.value)
    assert "x.png: not a picture, or damaged; " in told
    assert "y.png: 16x12, expected a square of 16 px or more (--skip-bad" in told
    assert "._000" not in told
    assert len(load_faces(tmp_path, resolution=16, skip_bad=True)) == 100


@pytest.mark.parametrize("shape", [(6, 4, 3, 3), (40, 2, 3, 3)], ids=["wide", "tall"])
@pytest.mark.parametrize("equalised", [True, False])
def test_a_step_of_muon_moves_every_direction_by_about_the_learning_rate(shape, equalised):
    slope = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    slope[0] *= 100  # of which plain descent would see nothing else
    weight = torch.nn.Parameter(torch.zeros(shape))
    weight.grad = slope
    Muon([weight], lr=0.01, equalised=equalised).step()
    rows, columns = weight.flatten(1).shape
    used = weight.detach().flatten(1) / (columns**0.5 if equalised else 1)
    lengths = torch.linalg.svdvals(used) / max(1, rows / columns) ** 0.5
    assert lengths.min() > 0.005
    assert lengths.max() < 0.013


def test_muon_is_given_what_mixes_channels_and_goes_on_from_its_state():
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 1), torch.nn.Conv2d(8, 8, 3), torch.nn.Conv2d(8, 3, 1))
    matrices, others = split_weights(layers)
    assert [tuple(weight.shape) for weight in matrices] == [(8, 8, 3, 3)]
    assert len(others) == 5

    def stepped(optimiser):
        matrices[0].grad = torch.randn(8, 8, 3, 3, generator=torch.Generator().manual_seed(len(optimiser.state)))
        optimiser.step()
        return matrices[0].detach().clone()

    first = Muon(matrices, lr=0.1)
    stepped(first)
    kept, state = matrices[0].detach().clone(), copy.deepcopy(first.state_dict())
    unbroken = stepped(first)
    with torch.no_grad():
        matrices[0].copy_(kept)
    second = Muon(matrices, lr=0.1)
    second.load_state_dict(state)
    assert torch.equal(stepped(second), unbroken)
