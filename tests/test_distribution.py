"""Distances of sets of pictures, by known answers."""

import pytest
import torch

from wplus.core import WeightsError
from wplus.metrics.distribution import frechet_distance, moments
from wplus.models.googlenet import FEATURES, load_googlenet


def draws(count, seed=0, dims=5):
    return torch.randn(count, dims, dtype=torch.double, generator=torch.Generator().manual_seed(seed)).float()


def test_a_set_is_at_no_distance_from_itself():
    found = moments(draws(200))
    assert frechet_distance(found, found) == pytest.approx(0, abs=1e-9)


def test_a_shift_costs_its_square_and_a_scale_the_difference_of_deviations():
    x = draws(5000)
    assert frechet_distance(moments(x), moments(x + 2)) == pytest.approx(5 * 4, rel=1e-5)
    # for B = s^2 A the distance is (s - 1)^2 Tr A
    a = moments(x)
    assert frechet_distance(a, moments(3 * (x - x.mean(0)) + x.mean(0))) == pytest.approx(4 * a.variance, rel=1e-4)
    assert moments(3 * x).variance == pytest.approx(9 * a.variance, rel=1e-5)


def test_the_distance_is_the_same_from_both_sides_and_survives_few_rows():
    a, b = moments(draws(4)), moments(draws(3, seed=1) * 2)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-6)
    with pytest.raises(ValueError, match="1 rows have no covariance"):
        moments(draws(1))


def test_googlenet_gives_pooled_features_of_each_picture_alone(shared):
    network = load_googlenet(shared / "networks" / "googlenet_bvlc.safetensors")
    pictures = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    both = network(pictures)
    assert both.shape == (2, FEATURES)
    assert both.min() >= 0  # means of rectified maps
    assert torch.allclose(network(pictures[1:]), both[1:], rtol=1e-4, atol=1e-4)


def test_googlenet_recognises_what_it_was_trained_on(shared):
    """ImageNet's class 850 is the teddy, 812 the space shuttle; the classifier needs the whole network to be right."""
    from safetensors.torch import load_file
    from skimage import data
    from torch.nn.functional import interpolate

    path = shared / "networks" / "googlenet_bvlc.safetensors"
    weights = load_file(path)
    rocket = torch.from_numpy(data.rocket().copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    features = load_googlenet(path)(interpolate(rocket[..., 100:527], size=(224, 224)), size=224)
    logits = (
        weights["loss3/classifier.weight"][..., 0, 0].float() @ features[0] + weights["loss3/classifier.bias"].float()
    )
    assert {657, 744} & set(logits.topk(2).indices.tolist())  # missile, projectile: what stands on a launch pad


def test_a_file_of_other_weights_is_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"conv1.weight": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="no GoogLeNet in Caffe's names"):
        load_googlenet(tmp_path / "w.safetensors")
    (tmp_path / "text").write_text("text")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_googlenet(tmp_path / "text")
