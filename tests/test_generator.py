"""The frozen generator, its file, and the catalogue."""

import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from wplus.core import GeneratorError, Latent, LatentError, WeightsError
from wplus.models import Card, Generator, StyleGAN2, StyleGAN2Config, load_generator, load_perceptual
from wplus.models.entries import SHIPPED


def test_a_saved_generator_comes_back_with_the_same_weights_and_card(mini, tmp_path):
    path = tmp_path / "mini.safetensors"
    mini.save(path)
    again = load_generator(path)
    assert again.fingerprint == mini.fingerprint
    assert again.card == mini.card
    latent = mini.sample(3)
    assert torch.equal(again(latent), mini(latent))


def test_the_fingerprint_changes_with_one_weight(mini, tmp_path):
    path = tmp_path / "mini.safetensors"
    mini.save(path)
    other = load_generator(path)
    other.network.synthesis.b4.conv1.weight.data[0, 0, 0, 0] += 1e-6
    other.save(path)
    assert load_generator(path).fingerprint != mini.fingerprint


def test_no_gradient_reaches_a_weight(mini):
    ws = mini.map(torch.randn(1, 16)).requires_grad_(True)
    mini(ws).square().mean().backward()
    assert ws.grad is not None
    assert all(weight.grad is None for weight in mini.network.parameters())


def test_truncation_goes_from_the_mean_to_the_code(mini):
    z = torch.randn(2, 16)
    assert torch.equal(mini.map(z, 0.0), mini.mean_ws.expand(2, -1, -1))
    assert torch.allclose(mini.map(z, 0.5), (mini.map(z) + mini.mean_ws) / 2, atol=1e-6)


def test_a_seed_means_one_face(mini):
    assert torch.equal(mini.sample(7).ws, mini.sample(7).ws)
    assert not torch.equal(mini.sample(7).ws, mini.sample(8).ws)


def test_a_cutoff_leaves_the_finer_rows_as_they_are(mini):
    z = torch.randn(2, 16)
    ws = mini.map(z, 0.5, cutoff=2)
    assert torch.equal(ws[:, :2], mini.map(z, 0.5)[:, :2])
    assert torch.equal(ws[:, 2:], mini.map(z)[:, 2:])


def test_classes_are_asked_for_by_number():
    torch.manual_seed(0)
    config = StyleGAN2Config(channels=(4, 4), z_dim=4, w_dim=4, mapping_layers=1, labels=3)
    generator = Generator(StyleGAN2(config), Card("classes"))
    samples = [generator.sample(0, label=label).ws for label in range(3)]
    assert len({float(ws[0, 0, 0]) for ws in samples}) == 3
    assert any(torch.equal(generator.sample(0).ws, ws) for ws in samples)  # a class is drawn where none is asked for
    assert generator.mapped(10).shape == (10, 4)
    with pytest.raises(GeneratorError, match="classes has classes 0 to 2, not \\[3\\]"):
        generator.sample(0, label=3)


def test_a_generator_without_classes_says_so(mini):
    with pytest.raises(GeneratorError, match="mini knows no classes, class 1 was asked for"):
        mini.sample(0, label=1)


def test_a_latent_of_another_generator_is_refused(mini):
    latent = load_generator("faces-64").sample(0)
    with pytest.raises(LatentError, match="the latent belongs to generator faces-64"):
        mini(latent)
    with pytest.raises(LatentError, match="10 layers of 256, generator mini has 6 of 16"):
        mini(Latent(latent.ws))


def test_noise_of_other_shapes_is_refused(mini):
    latent = Latent(mini.sample(0).ws, noise=(torch.zeros(1, 1, 4, 4),))
    with pytest.raises(LatentError, match="noise maps have shapes"):
        mini(latent)


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(GeneratorError, match="named 'face-64'; did you mean 'faces-64'"):
        load_generator("face-64")
    with pytest.raises(WeightsError, match="did you mean 'vgg-slim'"):
        load_perceptual("vgg-slin")


def test_every_generator_that_ships_opens():
    for entry in (entry for entry in SHIPPED if entry.kind == "generator"):
        generator = load_generator(entry.name)
        assert generator.name == entry.name
        assert load_perceptual(generator.card.perceptual).name == entry.perceptual
        assert entry.path.stat().st_size < 30e6


def test_a_damaged_generator_is_refused_at_every_length(mini, tmp_path):
    path = tmp_path / "mini.safetensors"
    mini.save(path)
    data = path.read_bytes()
    for share in range(0, 100, 7):
        path.write_bytes(data[: len(data) * share // 100])
        with pytest.raises(
            GeneratorError, match=r"mini\.safetensors: (damaged or cut off|an empty file|an unknown kind of file)"
        ):
            load_generator(path)


def test_weights_that_do_not_fit_the_header_are_listed(mini, tmp_path):
    from wplus.core.tensorfile import read_tensors, write_tensors

    path = tmp_path / "mini.safetensors"
    mini.save(path)
    tensors, header = read_tensors(path, error=GeneratorError, expected="a generator")
    del tensors["synthesis.b8.conv0.bias"]
    write_tensors(path, tensors, header)
    with pytest.raises(GeneratorError, match=r"header and weights do not fit.*b8\.conv0\.bias"):
        load_generator(path)


def test_somebody_elses_safetensors_are_no_generator(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(
        GeneratorError, match=r"a\.safetensors: no known generator: it is a dictionary of a \(tensor 1\); tried"
    ):
        load_generator(tmp_path / "a.safetensors")
    with pytest.raises(GeneratorError, match="no generator and no file is named"):
        load_generator(tmp_path)


def test_opening_what_ships_draws_no_numbers_and_loads_no_compiler():
    lines = (
        "import sys, torch",
        "from wplus.models import fast, load_encoder, load_generator, load_perceptual",
        "state = torch.random.get_rng_state()",
        "generator = fast(load_generator('faces-64'))",
        "load_encoder(generator), fast(load_perceptual('vgg-slim'))",
        "assert 'torch._dynamo' not in sys.modules",
        "assert torch.equal(state, torch.random.get_rng_state())",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
