"""Distil a slim VGG: half the width, linear heads, the same distances (the perceptual network that ships).

Every head first maps to the teacher's channels; since only distances count, an orthogonal factor is dropped at
the end (QR), which leaves a square head. Each tap is scaled to unit variance over the training faces, so that all
four weigh alike with every lambda at 1; on Oxford's scale the perceptual terms would drown the pixel term.
"""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from wplus.core.shapes import Images
from wplus.core.tensorfile import write_tensors
from wplus.models.vgg import IMAGE2STYLEGAN_TAPS, VGG, VGGConfig, load_vgg_file
from wplus.training.faces import Faces, load_faces

HELD_OUT = 512
WIDTHS = (32, 64, 128, 256)
TAPS = IMAGE2STYLEGAN_TAPS
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


def distil(
    teacher: Teacher, faces: Faces, *, steps: int, batch: int = 16, rate: float = 2e-3, seed: int = 0
) -> Iterator[tuple[int, dict[str, float], VGG, dict[str, Tensor]]]:
    """Train a slim network; yields (step, unexplained share of variance by tap, network, maps to the teacher)."""
    torch.manual_seed(seed)
    with torch.no_grad():
        first = teacher(_disturb(faces.batch(torch.linspace(0, len(faces) - 1, 64).long())))
        means = {tap: x.float().mean(dim=(0, 2, 3), keepdim=True) for tap, x in first.items()}
        scales = {tap: (x.float() - means[tap]).square().mean().sqrt() for tap, x in first.items()}
    student = VGG(VGGConfig(widths=WIDTHS), name="vgg-slim").requires_grad_(True)  # heads are trained as `maps`
    convs = {name: conv for name, conv in student.convs.items() if isinstance(conv, nn.Conv2d)}
    for conv in convs.values():
        nn.init.kaiming_normal_(conv.weight)
    maps = {tap: nn.Conv2d(convs[tap].out_channels, x.shape[1], 1) for tap, x in first.items()}
    parameters = [*student.convs.parameters(), *(p for conv in maps.values() for p in conv.parameters())]
    optimiser = torch.optim.AdamW(parameters, lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.1)
    for step in range(1, steps + 1):
        images = _disturb(faces.batch(torch.randint(len(faces), (batch,)), flips=torch.rand(batch) < 0.5))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            with torch.no_grad():
                wanted = teacher(images)
            given = student(images, TAPS)
            ours = {tap: maps[tap](given[tap]) for tap in TAPS}
        errors = {}
        for tap in TAPS:
            target = (wanted[tap].float() - means[tap]) / scales[tap]
            errors[tap] = (ours[tap].float() - target).square().mean()
        optimiser.zero_grad()
        torch.stack(list(errors.values())).sum().backward()
        optimiser.step()
        schedule.step()
        yield (
            step,
            {tap: error.item() for tap, error in errors.items()},
            student,
            {tap: maps[tap].weight for tap in TAPS},
        )


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
@click.option("--steps", default=2400, show_default=True)
def main(vgg16: Path, vgg19: Path, faces: Path, output: Path, steps: int) -> None:
    """Distil vgg-slim from Oxford's VGG16 and VGG19 (safetensors, torchvision's keys) on FACES at 64 px."""
    teacher = Teacher(load_vgg_file(vgg16), load_vgg19(vgg19))
    training, _ = load_faces(faces, resolution=64).split(HELD_OUT)
    for step, errors, student, maps in tqdm(distil(teacher, training, steps=steps), total=steps):
        if step == steps:
            header = {"steps": steps, "unexplained_variance": errors, "licence": LICENCE, "origin": ORIGIN}
            save_slim(output, student, maps, header)
    click.echo(output)


if __name__ == "__main__":
    main()
