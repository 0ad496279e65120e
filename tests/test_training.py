"""The training recipe, on a network small enough to train in seconds."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from wplus.core import TrainingError
from wplus.models import Card, load_generator
from wplus.models.squeezenet import SqueezeNetLevels
from wplus.training import generator as generator_module
from wplus.training.faces import Faces, load_faces
from wplus.training.generator import Run
from wplus.training.moments import MeanCritic
from wplus.training.recipe import Recipe
from wplus.training.run import export, load_checkpoint, save_checkpoint, train
from wplus.training.sampler import code_statistics
from wplus.training.stylemap import StyleMapRecipe, StyleMapRun
from wplus.training.updates import Muon, split_weights

RECIPE = Recipe(
    resolution=16,
    channels=(8, 8, 8),
    w_dim=8,
    mapping_layers=2,
    batch=8,
    warm_images=48,
    settle_images=32,
    polish_images=32,
    images=144,
)
STYLEMAP = StyleMapRecipe(
    resolution=16, channels=(8, 8, 8), w_dim=8, side=4, mapping_layers=2, warm_images=48, images=96, identity=0.0
)
BOTH = pytest.mark.parametrize(
    ("kind", "recipe"), [(Run, RECIPE), (StyleMapRun, STYLEMAP)], ids=["stylegan2", "stylemap"]
)


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
    """Moments of samples that are quick to make; the command's test takes as many as a real run."""
    monkeypatch.setattr(generator_module, "REMEMBERED", 64)
    monkeypatch.setattr(generator_module, "POLISHED", 64)


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
    """SqueezeNet with random weights: what is tested is the recipe, not what it sees."""
    import torchvision
    from safetensors.torch import save_file

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "squeezenet.safetensors"
    save_file(torchvision.models.squeezenet1_1().state_dict(), path)
    return SqueezeNetLevels(path).to(torch.bfloat16)


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


def test_the_switch_makes_the_mapping_network_the_codes_gaussian(trunk):
    run = Run(RECIPE, faces(), trunk=trunk)
    before = run.generator.synthesis
    w = torch.randn(4, 8)
    picture = before(w[:, None].expand(-1, 6, -1), noise="none").detach()
    mean, root = code_statistics(run.encoder, run.faces, device="cpu")
    run._switch()
    # the same codes, shifted by the offset, give the same pictures
    shifted = run.generator.synthesis((w + run.offset)[:, None].expand(-1, 6, -1), noise="none")
    assert torch.allclose(shifted, picture, atol=1e-3 * float(picture.std()))
    z = torch.randn(4000, 8)
    mapped = run.generator.mapping(z) - run.offset
    z = z * (z.square().mean(dim=1, keepdim=True)).rsqrt()
    inside = (z @ root.T + mean + run.offset > 0).all(dim=1)  # a code in a thousand leaves the linear range
    assert inside.float().mean() > 0.98
    assert torch.allclose(mapped[inside], (z @ root.T + mean)[inside], atol=1e-3)


def test_samples_of_a_finished_run_vary_more_by_its_spread(trunk):
    run = Run(replace(RECIPE, spread=1.5), faces(), trunk=trunk)
    before = copy.deepcopy(run.average)
    run.offset += 1  # as the switch leaves it
    torch.manual_seed(1)
    mean = run.average.mapping(torch.randn(10_000, 8)).mean(dim=0)
    rebuilt = run.look(faces(20)).figures["held_out"]
    torch.manual_seed(1)
    run._widen()
    assert run.look(faces(20)).figures["held_out"] == pytest.approx(rebuilt, rel=1e-4)
    w = torch.randn(4, 1, 8).expand(-1, 6, -1)
    farther = before.synthesis(mean + 1.5 * (w - mean), noise="none")
    assert torch.allclose(run.average.synthesis(w, noise="none"), farther, atol=1e-4 * float(farther.std()))


def test_the_slope_of_the_means_leads_samples_towards_real_ones():
    real = torch.randn(500, 6, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 2, 3, 4, 5, 6]) + 3
    made = torch.zeros(64, 6)
    critic = MeanCritic(real, decay=0.5)
    critic.begin(made)
    first = float(critic.distance)
    for _ in range(60):
        made.requires_grad_(True)
        (slope,) = torch.autograd.grad(critic(made), made)
        made = (made - slope * real.std(dim=0).square() * 4).detach()
    assert float(critic.distance) < 0.01 * first
    assert torch.allclose(made.mean(dim=0), real.mean(dim=0), atol=0.3)


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
    export(run, tmp_path / "g.safetensors", Card("tiny", terms="a test"))
    generator = load_generator(tmp_path / "g.safetensors")
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
    with pytest.raises(ValueError, match="batch must be even"):
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
