"""Encoders: their files, their use as a start and alone, and their training."""

from dataclasses import replace

import pytest
import torch

from wplus.alignment import as_crop
from wplus.core import TrainingError, WeightsError
from wplus.core.images import write_picture
from wplus.inversion import Encoder, invert
from wplus.models import (
    Card,
    EncoderNetwork,
    Generator,
    StyleGAN2,
    StyleGAN2Config,
    fast,
    load_encoder,
    load_perceptual,
    read_encoder,
)
from wplus.models.encoder import EncoderConfig
from wplus.optimisation import Objective, Pixel, Settings
from wplus.training.encoder import EncoderRecipe, EncoderRun
from wplus.training.faces import Faces
from wplus.training.run import load_checkpoint, save_checkpoint, train

RECIPE = EncoderRecipe(images=480, batch=16)
PIXEL = Objective((Pixel(),))


@pytest.fixture
def network(mini):
    torch.manual_seed(0)
    config = EncoderConfig(size=16, layers=mini.layers, w_dim=mini.w_dim, hidden=8, detail=8, pairs=1)
    network = EncoderNetwork(config, generator=mini.fingerprint).requires_grad_(False)
    for layer in (network.base, network.offsets):  # a new one says the mean code of every picture
        torch.nn.init.normal_(layer.weight, std=0.1)
    return network


def faces(mini, count=120):
    pictures = torch.cat([mini(mini.sample(seed)) for seed in range(count)])
    return Faces(((pictures.clamp(-1, 1) + 1) * 127.5).byte())


def test_a_file_gives_the_encoder_back(mini, network, tmp_path):
    pictures = torch.rand(3, 3, 16, 16) * 2 - 1
    network.save(tmp_path / "e.safetensors", dtype=torch.float32, licence="none")
    again = read_encoder(tmp_path / "e.safetensors")
    assert torch.equal(again.encode(pictures, mini), network.encode(pictures, mini))
    assert (again.generator, again.fingerprint) == (network.generator, network.fingerprint)


def test_a_file_that_is_no_encoder_is_refused(mini, network, tmp_path):
    mini.save(tmp_path / "g.safetensors")
    with pytest.raises(WeightsError, match="holds a generator, expected an encoder"):
        read_encoder(tmp_path / "g.safetensors")
    network.config = replace(network.config, layers=3)
    network.save(tmp_path / "e.safetensors")
    with pytest.raises(WeightsError, match="do not fit together"):
        read_encoder(tmp_path / "e.safetensors")


def test_larger_pictures_are_reduced_and_a_batch_gives_what_its_pictures_give(mini, network):
    pictures = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    ws = network.encode(pictures, mini)
    assert ws.shape == (3, network.config.layers, network.config.w_dim)
    assert torch.allclose(network.encode(pictures[1:2], mini), ws[1:2], atol=1e-5)


def test_every_look_compares_the_picture_with_what_the_code_renders_so_far(mini, network):
    pictures, seen = torch.rand(2, 3, 16, 16) * 2 - 1, []

    def render(ws):
        seen.append(ws)
        return mini(ws)

    ws = network.encode(pictures, render)
    assert len(seen) == network.config.looks == 3
    assert torch.equal(seen[0], network.mean.expand_as(seen[0]))
    once = EncoderNetwork(replace(network.config, looks=1), generator=mini.fingerprint)
    once.load_state_dict(network.state_dict())
    assert torch.equal(once.encode(pictures, mini), seen[1])
    assert not torch.allclose(ws, seen[1])


@pytest.fixture
def crop(mini, tmp_path):
    write_picture(tmp_path / "crop.png", mini(mini.sample(3))[0])
    return as_crop(tmp_path / "crop.png", size=16)


def test_an_encoder_is_a_start_and_with_no_steps_the_answer(mini, network, crop):
    found = invert(mini, crop, objective=PIXEL, start=Encoder(network), settings=Settings(steps=0))
    assert torch.equal(found.latent.ws, network.encode(crop.picture[None], fast(mini)))
    assert found.latent.origin.settings["start"] == "encoder"


def test_an_encoder_of_another_generator_is_refused(mini, network, crop):
    network.generator = "0" * 16
    with pytest.raises(WeightsError, match=r"belongs to generator 0{16}, not to mini"):
        invert(mini, crop, objective=PIXEL, start=Encoder(network), settings=Settings(steps=0))
    with pytest.raises(WeightsError, match="no encoder ships with mini; train one with `wplus train-encoder`"):
        load_encoder(mini)


def test_training_brings_its_reconstructions_nearer_and_a_resumed_run_is_the_unbroken_one(mini, tmp_path):
    training, held_out = faces(mini).split(12)
    perceptual = load_perceptual("vgg-slim")

    def fresh():
        return EncoderRun(RECIPE, training, generator=mini, perceptual=perceptual)

    run = fresh()
    before = run.look(held_out).figures["held_out_pixel"]
    reports = list(train(run, held_out, tmp_path, every=160))
    assert [report.seen for report in reports] == [160, 320, 480]
    assert reports[-1].figures["held_out_pixel"] < before

    broken = fresh()
    for _ in range(3):
        broken.step()
    save_checkpoint(broken, tmp_path / "broken.pt")
    resumed = fresh()
    load_checkpoint(resumed, tmp_path / "broken.pt")
    for _ in range(27):
        resumed.step()
    assert torch.equal(resumed.network.base.weight, run.network.base.weight)


def test_a_checkpoint_for_another_generator_is_refused(mini, tmp_path):
    perceptual = load_perceptual("vgg-slim")
    run = EncoderRun(RECIPE, faces(mini, 100), generator=mini, perceptual=perceptual)
    save_checkpoint(run, tmp_path / "c.pt")
    run.network.generator = "0" * 16
    with pytest.raises(TrainingError, match="made for generator"):
        load_checkpoint(run, tmp_path / "c.pt")
    torch.save(torch.zeros(3), tmp_path / "c.pt")
    with pytest.raises(TrainingError, match="no checkpoint of wplus"):
        load_checkpoint(run, tmp_path / "c.pt")


def test_generators_of_classes_are_refused():
    torch.manual_seed(0)
    classes = Generator(StyleGAN2(StyleGAN2Config((8, 8), 8, 8, 1, labels=3)), Card("classes"))
    with pytest.raises(TrainingError, match="classes knows classes"):
        EncoderRun(
            RECIPE, Faces(torch.zeros(100, 3, 8, 8).byte()), generator=classes, perceptual=load_perceptual("vgg-slim")
        )


def test_enormous_sizes_in_a_header_are_refused_before_memory_is_asked_for(network, tmp_path):
    network.config = replace(network.config, w_dim=1 << 20, hidden=1 << 20)  # petabytes, if one believed it
    network.save(tmp_path / "e.safetensors")
    with pytest.raises(WeightsError, match="do not fit together"):
        read_encoder(tmp_path / "e.safetensors")


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="multiple of 4"):
        EncoderRecipe(batch=6)
    with pytest.raises(ValueError, match="an encoder sees 8, 16"):
        EncoderConfig(size=100, layers=4, w_dim=8)
