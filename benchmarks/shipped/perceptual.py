"""Whether vgg-slim ranks and guides as the networks it was distilled from.

The teacher's four taps are each scaled to unit variance over faces, as the student's are: on Oxford's raw scale one
tap would drown the others. Photographs are of people and at sizes that distillation did not see.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from benchmarks.shipped.figures import Figure, mean
from benchmarks.shipped.inversion import celebahq, codes_of
from wplus.alignment import align, as_crop
from wplus.core.images import find_pictures, to_bytes
from wplus.core.shapes import Images
from wplus.inversion import objective_for
from wplus.metrics import identity_distance, load_lpips
from wplus.models import IMAGE2STYLEGAN_TAPS, Generator, load_perceptual
from wplus.models.vgg import load_vgg_file
from wplus.optimisation import Perceptual
from wplus.training.distil import Teacher, load_vgg19
from wplus.training.faces import Faces

STRENGTHS = (0.1, 0.25, 0.5, 0.75, 1.0)
GUIDED_EVERY = 3
"""Every third of the crops is inverted."""


class ScaledTeacher(nn.Module):
    """Oxford's VGG16 and VGG19, every tap divided by its standard deviation over faces."""

    name = "Oxford VGG"
    convs = dict.fromkeys(IMAGE2STYLEGAN_TAPS)

    def __init__(self, networks: Path, faces: Faces) -> None:
        super().__init__()
        vgg16 = load_vgg_file(networks / "vgg16_conv1_1-conv3_3.safetensors")
        self.teacher = Teacher(vgg16, load_vgg19(networks / "vgg19_conv1_1-conv4_2.safetensors"))
        with torch.inference_mode():
            maps = self.teacher(faces.batch(torch.arange(64)))
        self.scales = {
            tap: float(x.sub(x.mean(dim=(0, 2, 3), keepdim=True)).square().mean().sqrt()) for tap, x in maps.items()
        }

    def forward(self, images: Images, taps: Sequence[str], *, after_relu: bool = False) -> dict[str, Tensor]:
        """Scaled feature maps by tap."""
        return {tap: x / self.scales[tap] for tap, x in self.teacher(images).items()}


def distorted(picture: Images, strength: float, other: Images) -> dict[str, Images]:
    """A picture (1, 3, size, size) in seven ways; `strength` in (0, 1]."""
    size = picture.shape[2]
    seed = torch.Generator().manual_seed(round(strength * 1000))
    bend = functional.interpolate(torch.randn(1, 2, 4, 4, generator=seed), size=(size, size), mode="bicubic")
    still = functional.affine_grid(torch.eye(2, 3)[None], [1, 3, size, size], align_corners=False)

    def moved(grid: Tensor) -> Images:
        return functional.grid_sample(picture, grid, padding_mode="reflection", align_corners=False)

    side = max(2, round(size * (1 - 0.9 * strength)))
    small = functional.interpolate(picture, size=(side, side), mode="bilinear", antialias=True)
    file = io.BytesIO()
    Image.fromarray(to_bytes(picture[0])).save(file, "JPEG", quality=round(60 - 58 * strength))
    packed = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)[None].float() / 127.5 - 1
    cast = torch.tensor([0.5, -0.3, 0.4])[None, :, None, None] * strength
    return {
        "blur": functional.interpolate(small, size=(size, size), mode="bicubic").clamp(-1, 1),
        "noise": (picture + 0.4 * strength * torch.randn(picture.shape, generator=seed)).clamp(-1, 1),
        "shift": moved(still + torch.tensor([0.25, 0.1]) * strength),
        "warp": moved(still + 0.12 * strength * bend.permute(0, 2, 3, 1)),
        "colour": (picture * (1 - 0.4 * strength) + cast).clamp(-1, 1),
        "compression": packed,
        "other person": picture.lerp(other, strength),
    }


@torch.inference_mode()
def ranks(photos: Path, teacher: ScaledTeacher, *, size: int, bars: bool) -> list[Figure]:
    """Spearman's correlation of the two distances over distorted photographs."""
    files = [path for path in find_pictures(photos / "aligned") if path.stem.startswith(("celebahq", "idinvert"))]
    pictures = [as_crop(path, size=size).picture[None] for path in files]
    pictures += [align(path, size=size).picture[None] for path in find_pictures(photos / "expressions")]
    terms = [Perceptual(load_perceptual("vgg-slim")), Perceptual(teacher)]  # type: ignore[arg-type]
    found: dict[str, list[tuple[float, float]]] = {}
    for index, picture in enumerate(tqdm(pictures, desc=f"distortions at {size} px", disable=None)):
        other = pictures[(index + 7) % len(pictures)]
        compare = [term.against(picture.expand(7, -1, -1, -1)) for term in terms]
        for strength in STRENGTHS:
            bad = distorted(picture, strength, other)
            ours, theirs = (losses(torch.cat(list(bad.values()))).tolist() for losses in compare)
            for kind, pair in zip(bad, zip(ours, theirs, strict=True), strict=True):
                found.setdefault(kind, []).append(pair)
    everything = [pair for pairs in found.values() for pair in pairs]
    figures = [
        Figure(
            f"Spearman, {len(everything)} pairs at {size} px", _spearman(everything), 0.95 if bars else None, least=True
        )
    ]
    for kind, pairs in found.items():
        figures.append(Figure(f"Spearman within {kind}", _spearman(pairs), 0.85 if bars else None, least=True))
    return figures


def guides(generator: Generator, photos: Path, networks: Path, teacher: ScaledTeacher) -> list[Figure]:
    """Inversions with the preset "best" guided by either, judged by LPIPS (SqueezeNet) and by identity."""
    paths, crops = zip(*celebahq(photos, generator)[::GUIDED_EVERY], strict=True)
    judge = load_lpips("squeeze", networks / "squeezenet1_1.safetensors")
    scores: list[tuple[float, float]] = []
    for network in (load_perceptual("vgg-slim"), teacher):
        objective = objective_for(generator, network)  # type: ignore[arg-type]
        latents = codes_of(generator, crops, objective=objective)
        pictures = [generator(latent).clamp(-1, 1) for latent in latents]
        with torch.inference_mode():
            seen = [float(judge(picture, crop.picture[None])) for picture, crop in zip(pictures, crops, strict=True)]
        gaps = [
            identity_distance(as_crop(path, size=256).picture, picture[0])
            for path, picture in zip(paths, pictures, strict=True)
        ]
        scores.append((mean(seen), mean([gap for gap in gaps if gap is not None])))
    (ours, our_gap), (theirs, their_gap) = scores
    return [
        Figure(f"LPIPS-squeeze of {len(crops)} inversions guided by vgg-slim / by the teacher", ours / theirs, 1.05),
        Figure("identity distance of the same, ratio", our_gap / their_gap, 1.05),
        Figure("LPIPS-squeeze guided by the teacher", theirs),
        Figure("identity distance guided by the teacher", their_gap),
    ]


def _spearman(pairs: list[tuple[float, float]]) -> float:
    return float(spearmanr([ours for ours, _ in pairs], [theirs for _, theirs in pairs]).statistic)
