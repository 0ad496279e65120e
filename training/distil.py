"""Distil a slim VGG: fewer channels, linear heads, the same distances (the perceptual network that ships).

A network that gives a picture's features well can still be a bad guide: a descent finds what the network does not see.
One that had learned features alone saw a fifth of what its teacher saw in what 500 steps guided by it left. So much of
the lesson is differences: between faces and pictures that are being inverted, guided by the student as it stands
(`Pool`), and between faces and disturbed ones.

Every head first maps to the teacher's channels; since only distances count, an orthogonal factor is dropped at
the end (QR), which leaves a square head. Each tap is scaled to unit variance over the training faces, so that all
four weigh alike with every lambda at 1; on Oxford's scale the perceptual terms would drown the pixel term.
"""

import copy
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from wplus.core.shapes import Images, Ws
from wplus.core.tensorfile import write_tensors
from wplus.models import Generator, load_generator
from wplus.models.vgg import IMAGE2STYLEGAN_TAPS, VGG, VGGConfig, load_vgg_file
from wplus.training.faces import Faces, load_faces
from wplus.training.updates import Muon, descend, follow, risen, split_weights

HELD_OUT = 512
WIDTHS = (32, 80, 176, 256)
TAPS = IMAGE2STYLEGAN_TAPS

POOLED, POOL_RATE = 128, 0.08
"""Faces that are being inverted at a time, and the learning rate of their codes."""

LONGEST = 400
"""Steps after which a face has left the pool."""

SAVED = 200
"""Steps between two files."""

AVERAGED = 100
"""Steps after which a weight counts half in the average that ships."""

LICENCE = "research and non-commercial use (training faces); teachers: Oxford VGG, CC BY 4.0"
ORIGIN = "distilled by wplus from Oxford's VGG16 (conv1_1 to conv3_2) and VGG19 (conv4_2)"


class Teacher(nn.Module):
    """The taps of Oxford's VGG16 as far as its weights go, and of VGG19 beyond."""

    def __init__(self, vgg16: VGG, vgg19: VGG) -> None:
        super().__init__()
        self.vgg16, self.vgg19 = vgg16, vgg19

    def forward(self, images: Images) -> dict[str, Tensor]:
        """Raw feature maps by tap."""
        return self.vgg16(images, TAPS[:3]) | self.vgg19(images, TAPS[3:])


def load_vgg19(path: str | Path) -> VGG:
    """VGG19 to conv4_2 from a safetensors file with torchvision's keys; its third block has a fourth convolution."""
    layers = (
        "conv1_1",
        "conv1_2",
        "conv2_1",
        "conv2_2",
        "conv3_1",
        "conv3_2",
        "conv3_3",
        "conv3_4",
        "conv4_1",
        "conv4_2",
    )
    indices = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21)
    state = load_file(path)
    network = VGG(VGGConfig(layers=layers), name="vgg19")
    network.load_state_dict(
        {
            f"convs.{layer}.{part}": state[f"features.{index}.{part}"].float()
            for layer, index in zip(layers, indices, strict=True)
            for part in ("weight", "bias")
        }
    )
    return network


class Pool:
    """Faces and the codes of their inversions, which go on a step whenever they are drawn (Adam; Kingma & Ba 2015).

    Args:
        generator: frozen.
        faces: whose pictures are drawn.
    """

    def __init__(self, generator: Generator, faces: Faces) -> None:
        self._generator, self._faces = generator, faces
        shape = (POOLED, generator.layers, generator.w_dim)
        self.pictures = torch.empty(POOLED, *faces.stored.shape[1:])
        self._codes, self._slope, self._square = (torch.zeros(shape) for _ in range(3))
        self._age = torch.zeros(POOLED, 1, 1)
        self._life = torch.zeros(POOLED, 1, 1)
        self._renew(torch.arange(POOLED), first=1)

    def draw(self, count: int) -> tuple[Tensor, Ws, Images]:
        """Places in the pool, their codes and what these render; gradients go to the codes."""
        places = torch.randperm(POOLED)[:count]
        codes = self._codes[places].requires_grad_(True)
        return places, codes, self._generator.network.synthesis(codes, dtype=torch.bfloat16)

    @torch.no_grad()
    def descend(self, places: Tensor, slope: Ws) -> None:
        """A step of the codes in these places; the oldest make way for new faces, which begin at the mean code."""
        age = self._age[places] + 1
        first, second = self._slope[places].lerp(slope, 0.1), self._square[places].lerp(slope.square(), 0.01)
        step = first / (1 - 0.9**age) / ((second / (1 - 0.99**age)).sqrt() + 1e-8)
        self._codes[places] -= POOL_RATE * step
        self._age[places], self._slope[places], self._square[places] = age, first, second
        self._renew(places[(age >= self._life[places]).flatten()], first=60)

    def _renew(self, places: Tensor, *, first: int) -> None:
        """New faces; how long they stay is drawn, so that every stage of a descent is shown."""
        count = len(places)
        drawn = torch.randint(len(self._faces), (count,))
        self.pictures[places] = self._faces.batch(drawn, flips=torch.rand(count) < 0.5)
        self._codes[places] = self._generator.mapped_mean(10_000)
        self._slope[places], self._square[places], self._age[places] = 0.0, 0.0, 0.0
        self._life[places] = torch.randint(first, LONGEST, (count, 1, 1)).float()


def distil(
    teacher: Teacher,
    faces: Faces,
    generator: Generator,
    *,
    steps: int,
    batch: int = 8,
    rate: float = 3e-3,
    seed: int = 0,
) -> Iterator[tuple[dict[str, float], VGG, dict[str, Tensor]]]:
    """Train a slim network; yields (errors by tap, its average over steps, that of its maps to the teacher).

    Errors are shares of variance: of features, and, with "difference", of what tells a face from its inversion.
    """
    torch.manual_seed(seed)
    with torch.no_grad():
        first = teacher(_disturb(faces.batch(torch.linspace(0, len(faces) - 1, 64).long())))
        means = {tap: x.float().mean(dim=(0, 2, 3), keepdim=True) for tap, x in first.items()}
        scales = {tap: (x.float() - means[tap]).square().mean().sqrt() for tap, x in first.items()}
    student = VGG(VGGConfig(widths=WIDTHS), name="vgg-slim").requires_grad_(True)  # heads are trained as `maps`
    for conv in student.convs.values():
        nn.init.kaiming_normal_(conv.weight)  # type: ignore[arg-type]
    maps = {tap: nn.Conv2d(student.config.widths[int(tap[4]) - 1], x.shape[1], 1) for tap, x in first.items()}
    trained = nn.ModuleList([student, *maps.values()]).to(memory_format=torch.channels_last)
    slim, slim_maps = copy.deepcopy((student, maps))
    average = nn.ModuleList([slim, *slim_maps.values()])
    matrices, others = split_weights(trained)
    optimisers = {"matrices": Muon(matrices, momentum=0.9, equalised=False), "others": torch.optim.Adam(others)}
    teacher.to(torch.bfloat16).to(memory_format=torch.channels_last)
    pool = Pool(generator, faces)

    for step in range(steps):
        places, codes, rendered = pool.draw(batch)
        wanted = pool.pictures[places]
        inverted = rendered.detach().requires_grad_(True)
        images = torch.cat([wanted, inverted, _disturb(wanted)]).contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            theirs = teacher(images.detach().bfloat16())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            given = student(images, TAPS)
            ours = {tap: maps[tap](given[tap]).float() for tap in TAPS}
        errors, guide = dict[str, Tensor](), (wanted - inverted).square().mean(dim=(1, 2, 3)).sum()
        for tap in TAPS:
            target = (theirs[tap].float() - means[tap]) / scales[tap]
            errors[tap] = (ours[tap] - target).square().mean()
            (found, *others_found), (true, *others_true) = ours[tap].chunk(3), target.chunk(3)
            names = (f"{tap} difference", f"{tap} disturbance")
            for name, one, other in zip(names, others_found, others_true, strict=True):
                errors[name] = _share(found - one, true - other)
            guide = guide + (found.detach() - others_found[0]).square().mean(dim=(1, 2, 3)).sum()
        (slope,) = torch.autograd.grad(guide, inverted, retain_graph=True)
        pool.descend(places, torch.autograd.grad(rendered, codes, slope)[0])
        pace = risen(rate, rate / 50, step / steps)
        weights = {"difference": 0.5, "disturbance": 0.25}
        loss = torch.stack([weights.get(name.partition(" ")[2], 1.0) * error for name, error in errors.items()]).sum()
        descend(loss, optimisers, {"matrices": pace, "others": pace / 10})
        follow(average, trained, seen=step, batch=1, half_life=AVERAGED)
        values = {name: error.item() for name, error in errors.items()}
        yield values, slim, {tap: conv.weight for tap, conv in slim_maps.items()}


def _share(found: Tensor, true: Tensor) -> Tensor:
    """How much of `true` is missed by `found`, averaged over pictures: near pictures count as much as far ones."""
    missed, whole = (x.square().mean(dim=(1, 2, 3)) for x in (found - true, true))
    return (missed / (whole + 1e-3)).mean()


def save_slim(path: Path, student: VGG, maps: dict[str, Tensor], header: dict[str, object]) -> None:
    """Write the network with each map reduced to a square head of the same distances."""
    tensors = {name: tensor.half() for name, tensor in student.state_dict().items() if name.startswith("convs.")}
    for tap, weight in maps.items():
        matrix = weight.detach().flatten(1).double()  # (teacher's channels, ours)
        root = torch.linalg.qr(matrix).R if matrix.shape[0] >= matrix.shape[1] else matrix
        # mean squares are over channels: ours are fewer
        head = root * (matrix.shape[1] / matrix.shape[0]) ** 0.5
        tensors[f"heads.{tap}.weight"] = head[:, :, None, None].half()
    config = VGGConfig(widths=WIDTHS, heads=tuple(maps))
    write_tensors(path, tensors, {"kind": "perceptual", "config": asdict(config), "name": "vgg-slim", **header})


def _disturb(images: Images) -> Images:
    """Pictures as an optimiser may show them: also blurred, noisy, with shifted colours."""
    count = images.shape[0]
    soft = functional.avg_pool2d(functional.pad(images, [2, 2, 2, 2], mode="reflect"), 5, stride=1)
    amount = (torch.rand(count, 1, 1, 1) - 0.3).clamp(min=0) * 1.2
    images = images.lerp(soft, amount.clamp(max=1))
    gain, shift = 1 + 0.3 * (torch.rand(count, 1, 1, 1) - 0.5), 0.3 * (torch.rand(count, 3, 1, 1) - 0.5)
    strength = (torch.rand(count, 1, 1, 1) - 0.6).clamp(min=0) * 0.5
    return (images * gain + shift + strength * torch.randn_like(images)).clamp(-1.2, 1.2)


@click.command()
@click.argument("vgg16", type=click.Path(path_type=Path))
@click.argument("vgg19", type=click.Path(path_type=Path))
@click.argument("faces", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--generator", default="faces-64", show_default=True, help="Whose inversions the student guides.")
@click.option("--steps", default=3000, show_default=True)
def main(vgg16: Path, vgg19: Path, faces: Path, output: Path, generator: str, steps: int) -> None:
    """Distil vgg-slim from Oxford's VGG16 and VGG19 (safetensors, torchvision's keys) on FACES."""
    teacher = Teacher(load_vgg_file(vgg16), load_vgg19(vgg19))
    guided = load_generator(generator)
    training, _ = load_faces(faces, resolution=guided.resolution).split(HELD_OUT)
    sums: dict[str, float] = {}
    with tqdm(distil(teacher, training, guided, steps=steps), total=steps) as lessons:
        for step, (errors, student, maps) in enumerate(lessons, start=1):
            sums = {name: sums.get(name, error) * 0.99 + error * 0.01 for name, error in errors.items()}
            lessons.set_postfix({name: f"{value:.3f}" for name, value in sums.items() if "_2" in name})
            if step % SAVED == 0 or step == steps:
                header = {"steps": step, "unexplained_variance": sums, "licence": LICENCE, "origin": ORIGIN}
                save_slim(output, student, maps, header)
    click.echo(output)


if __name__ == "__main__":
    main()
