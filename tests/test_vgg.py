"""The perceptual networks."""

import urllib.request

import pytest
import torch

from wplus.core import WeightsError
from wplus.models import IMAGE2STYLEGAN_TAPS, VGG, load_perceptual
from wplus.models.vgg import VGGConfig, reduce


def pictures(size=48):
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_taps_lie_before_the_relu_unless_asked():
    network = VGG(VGGConfig(widths=(8, 8, 8, 8)), name="test")
    before = network(pictures(), IMAGE2STYLEGAN_TAPS)
    after = network(pictures(), IMAGE2STYLEGAN_TAPS, after_relu=True)
    for tap in IMAGE2STYLEGAN_TAPS:
        assert before[tap].min() < 0
        assert torch.equal(before[tap].relu(), after[tap])
    assert [before[tap].shape[2] for tap in IMAGE2STYLEGAN_TAPS] == [48, 48, 12, 6]


def test_an_unknown_tap_is_named():
    network = load_perceptual("vgg-slim")
    with pytest.raises(ValueError, match="vgg-slim has no conv9_9"):
        network(pictures(), ["conv1_1", "conv9_9"])


def test_large_pictures_are_reduced_to_256_without_aliases():
    stripes = torch.ones(1, 3, 1024, 512)
    stripes[:, :, :, ::2] = -1
    small = reduce(stripes, 256)
    assert small.shape == (1, 3, 256, 128)
    assert small[:, :, 8:-8, 8:-8].abs().max() < 0.05
    assert reduce(pictures(), 256) is not None
    assert torch.equal(reduce(pictures(), 256), pictures())


def test_the_oxford_weights_open_with_the_taps_they_have(shared):
    network = load_perceptual(shared / "networks" / "vgg16_conv1_1-conv3_3.safetensors")
    assert list(network.convs)[-1] == "conv3_3"
    tap = network(pictures(), ["conv3_2"])["conv3_2"]
    assert tap.min() < -1  # real features, on Oxford's scale of tens
    assert tap.abs().max() > 10


def test_the_slim_network_measures_like_the_teacher(shared):
    """Distances of distorted real photographs rank as with the network it was distilled from."""
    from scipy.stats import spearmanr
    from skimage import data
    from torch.nn import functional

    from wplus.core.images import from_bytes

    teacher = load_perceptual(shared / "networks" / "vgg16_conv1_1-conv3_3.safetensors")
    slim = load_perceptual("vgg-slim")
    photo = functional.interpolate(
        from_bytes(data.astronaut())[None, :, :256, 100:356], size=(64, 64), antialias=True, mode="bilinear"
    )
    draws = torch.Generator().manual_seed(0)
    distorted = [photo + amount * torch.randn(photo.shape, generator=draws) for amount in (0.02, 0.05, 0.1, 0.2, 0.4)]
    distorted += [functional.avg_pool2d(photo, size, stride=1, padding=size // 2) for size in (3, 5, 7, 9)]
    distorted += [photo.roll(shift, dims=3) for shift in (1, 2, 4, 8)]
    distorted += [photo * gain for gain in (0.5, 0.8, 1.1)]
    tap = ["conv3_2"]
    scores = [
        [float((network(item, tap)["conv3_2"] - network(photo, tap)["conv3_2"]).square().mean()) for item in distorted]
        for network in (teacher, slim)
    ]
    assert spearmanr(*scores).statistic > 0.95


def test_without_cache_and_network_one_line_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def offline(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    monkeypatch.setattr("torch.hub.urlopen", offline)
    with pytest.raises(WeightsError) as caught:
        load_perceptual("vgg16")
    message = str(caught.value)
    for part in (
        "vgg16-397923af.pth",
        "https://download.pytorch.org/models",
        str(tmp_path / "hub" / "checkpoints"),
        "vgg-slim",
    ):
        assert part in message
    assert "\n" not in message


def test_a_damaged_file_in_the_cache_is_not_opened(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub" / "checkpoints" / "vgg16-397923af.pth"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"not these weights")
    with pytest.raises(WeightsError, match="damaged, its SHA-256 does not begin with 397923af; delete it"):
        load_perceptual("vgg16")


def test_a_damaged_file_of_weights_is_refused(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"nonsense" * 9)
    with pytest.raises(WeightsError, match="no file of VGG weights, or damaged"):
        load_perceptual(tmp_path / "a.safetensors")
