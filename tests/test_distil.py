"""The lesson of vgg-slim, with teachers of random weights."""

import pytest
import torch

from wplus.models.vgg import VGG, VGGConfig, load_vgg_file
from wplus.training.distil import TAPS, Pool, Teacher, distil, save_slim
from wplus.training.faces import Faces


@pytest.fixture
def faces():
    return Faces((torch.rand(80, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 255).byte())


def random_vgg():
    torch.manual_seed(3)
    network = VGG(VGGConfig(), name="random")
    for conv in network.convs.values():
        torch.nn.init.kaiming_normal_(conv.weight)
    return network


def test_the_lesson_is_learned_and_the_file_measures_as_the_network_with_its_maps(mini, faces, tmp_path):
    lessons = list(distil(Teacher(random_vgg(), random_vgg()), faces, mini, steps=40, batch=4))
    errors = [sum(errors[tap] for tap in TAPS) for errors, _, _ in lessons]
    differences = [sum(errors[f"{tap} difference"] for tap in TAPS) for errors, _, _ in lessons]
    assert sum(errors[-5:]) < 0.9 * sum(errors[:5])
    assert sum(differences[-5:]) < 0.9 * sum(differences[:5])

    _, student, maps = lessons[-1]
    save_slim(tmp_path / "slim.safetensors", student, maps, {"steps": 40})
    slim = load_vgg_file(tmp_path / "slim.safetensors")
    one, other = faces.batch(torch.arange(4)), faces.batch(torch.arange(4, 8))
    with torch.no_grad():
        ours, theirs = slim(one, TAPS), slim(other, TAPS)
        a, b = student(one, TAPS), student(other, TAPS)
        for tap in TAPS:
            mapped = torch.nn.functional.conv2d(a[tap] - b[tap], maps[tap])
            distance = float((ours[tap] - theirs[tap]).square().mean())
            assert distance == pytest.approx(float(mapped.square().mean()), rel=0.02)  # kept in fp16


def test_faces_in_the_pool_descend_and_make_way(mini, faces):
    torch.manual_seed(0)
    pool = Pool(mini, faces)
    gone = set()
    losses = []
    for _ in range(150):
        before = pool.pictures.clone()
        places, codes, rendered = pool.draw(128)
        loss = (rendered.float() - pool.pictures[places]).square().mean(dim=(1, 2, 3))
        losses.append(float(loss.detach().mean()))
        pool.descend(places, torch.autograd.grad(loss.sum(), codes)[0])
        gone |= set((before != pool.pictures).flatten(1).any(dim=1).nonzero().flatten().tolist())
    assert losses[20] < losses[0]
    assert 0 < len(gone) < 128
