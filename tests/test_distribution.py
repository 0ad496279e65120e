"""Distances of sets of pictures, by known answers."""

from importlib.util import find_spec

import pytest
import torch
from safetensors.torch import save
from skimage import data

from wplus.core import WeightsError
from wplus.core.images import from_bytes
from wplus.metrics.distribution import frechet_distance, kernel_distance, moments
from wplus.metrics.features import FEATURE_NETWORKS, features_of, find_features
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


def kernel_by_hand(x, y):
    """The sums of the paper, term by term."""

    def k(a, b):
        return float((a @ b / len(a) + 1) ** 3)

    n, m = len(x), len(y)
    within = sum(k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j) / (n * (n - 1))
    without = sum(k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j) / (m * (m - 1))
    return within + without - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


def test_the_kernel_distance_is_the_sum_of_its_terms():
    x, y = draws(7), draws(7, seed=1) + 0.5
    assert kernel_distance(x, y) == (pytest.approx(kernel_by_hand(x.double(), y.double()), rel=1e-9), 0.0)


def test_the_kernel_distance_of_draws_of_one_kind_is_nought_on_average():
    found = torch.tensor([kernel_distance(draws(60, seed=2 * n), draws(60, seed=2 * n + 1))[0] for n in range(60)])
    assert abs(float(found.mean())) < 3 * float(found.std()) / 60**0.5
    assert float(found.min()) < 0 < float(found.max())  # unbiased: it falls on either side


def test_subsets_of_sets_of_unequal_size_are_drawn_from_a_seed():
    x, y = draws(300), draws(200, seed=1) + 1
    mean, spread = kernel_distance(x, y, subsets=20, size=50)
    assert kernel_distance(x, y, subsets=20, size=50) == (mean, spread)
    assert mean == pytest.approx(kernel_distance(x, y)[0], rel=0.1)
    assert spread > kernel_distance(x, y, subsets=20)[1] > 0
    with pytest.raises(ValueError, match="1 and 200 rows in 100 subsets of 1 have no kernel distance"):
        kernel_distance(x[:1], y)


def test_every_feature_network_says_what_it_is_and_gives_what_it_says(shared):
    networks, picture = shared / "networks", from_bytes(data.astronaut())
    files = {"googlenet": "googlenet_bvlc.safetensors", "squeezenet": "squeezenet1_1.safetensors", "vgg-slim": None}
    for network in FEATURE_NETWORKS:
        if network.name in files:
            file = files[network.name]
            extract = network.load(file and networks / file)
            found = features_of([picture, picture[:, ::2, ::3]], extract)
            assert found.shape == (2, network.dims)
            assert float(found.std()) > 0


def test_networks_without_weights_are_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name, words in (
        ("googlenet", "googlenet needs its weights, BVLC's"),
        ("squeezenet", "squeezenet is not here yet: fetch it with `wplus models fetch squeezenet`"),
    ):
        with pytest.raises(WeightsError, match=words):
            find_features(name).load(None)
    with pytest.raises(WeightsError, match=r"no feature network is named 'inceptoin'; did you mean 'inception'\?"):
        find_features("inceptoin")
    with pytest.raises(ValueError, match="no pictures, no features"):
        features_of([], find_features("vgg-slim").load(None))


def test_inception_is_asked_for_by_its_package(tmp_path, monkeypatch):
    """The package, or its weights, or other weights: each missing thing has its line."""
    network = find_features("inception")
    if find_spec("torch_fidelity") is None:
        with pytest.raises(WeightsError, match="inception needs the package torch-fidelity: pip install"):
            network.load(None)
        pytest.skip("needs torch-fidelity")
    monkeypatch.setenv("WPLUS_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="inception is not here yet: fetch it"):
        network.load(None)
    (tmp_path / "w.safetensors").write_bytes(save({"a": torch.zeros(1)}))
    with pytest.raises(WeightsError, match="not the weights of Inception"):
        network.load(tmp_path / "w.safetensors")
