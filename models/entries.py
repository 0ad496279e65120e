"""The models that have names: what ships, what can be fetched, whence it is, and on what terms."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from wplus.core.files import cache_folder

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Release:
    """What the files of one publication have in common.

    Args:
        format: the form of its files.
        url: the folder they lie in; None: there is no address that a program can fetch from.
        licence, terms: of the weights.
        source: where to read about them, and to get them by hand.
        paper: what to cite.
    """

    format: str
    url: str | None
    licence: str
    terms: str
    source: str
    paper: str


@dataclass(frozen=True)
class Entry:
    """One model.

    Args:
        name: what users type.
        file: its file's real name.
        release: what it has in common with others.
        data: what it was trained on, and the terms of that.
        resolution: side of its pictures in pixels; None for a network that makes none.
        sha256, size: of the file, in hexadecimal digits and bytes; None: not known.
        perceptual: the perceptual network that inversions with it use unless told otherwise.
        kind: "generator", "perceptual", "encoder", or "trunk": a classifier whose features metrics use.
    """

    name: str
    file: str
    release: Release
    data: str
    resolution: int | None = None
    sha256: str | None = None
    size: int | None = None
    perceptual: str = "vgg16"
    kind: str = "generator"

    @property
    def ships(self) -> bool:
        """Whether it is a part of wplus."""
        return self in SHIPPED

    @property
    def url(self) -> str | None:
        """Where it can be fetched from."""
        return None if self.release.url is None else self.release.url + self.file

    @property
    def sum_start(self) -> str | None:
        """The first digits of the sum where the file's name ends in them, as torchvision's files do."""
        end = self.file.rpartition(".")[0].rpartition("-")[2]
        return end if self.kind == "trunk" else None

    @property
    def terms(self) -> str:
        """What it may be used for: the terms of the weights, and those of what they were trained on."""
        return f"{self.release.terms}; trained on {self.data}"

    @property
    def path(self) -> Path:
        """Where its file lies, once it is there: with wplus, in torch's cache, or in the cache folder of wplus."""
        if self.ships:
            return WEIGHTS / self.file
        if self.release.format == TORCHVISION.format:
            return Path(torch.hub.get_dir()) / "checkpoints" / self.file
        return cache_folder() / "models" / self.file

    @property
    def state(self) -> str:
        """What there is of it: "shipped", "fetched", "not fetched", or "by hand" where no program can fetch it."""
        if self.ships:
            return "shipped"
        return "fetched" if self.path.is_file() else "not fetched" if self.url else "by hand"


OURS = Release(
    "wplus",
    None,
    "research and non-commercial use",
    "research and non-commercial use (see its card)",
    "trained by wplus: models/weights/README.md",
    "StyleGAN2, Karras et al. 2020, arXiv:1912.04958",
)
TORCHVISION = Release(
    "torchvision",
    "https://download.pytorch.org/models/",
    "BSD-3-Clause",
    "torchvision's licence",
    "https://docs.pytorch.org/vision/stable/models/vgg.html",
    "VGG, Simonyan & Zisserman 2015, arXiv:1409.1556",
)
ALEXNET = replace(
    TORCHVISION,
    source="https://docs.pytorch.org/vision/stable/models/alexnet.html",
    paper="AlexNet, Krizhevsky 2014, arXiv:1404.5997",
)
SQUEEZENET = replace(
    TORCHVISION,
    source="https://docs.pytorch.org/vision/stable/models/squeezenet.html",
    paper="SqueezeNet, Iandola et al. 2016, arXiv:1602.07360",
)
INCEPTION = Release(
    "torch-fidelity",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/",
    "Apache-2.0",
    "TensorFlow's weights, converted by torch-fidelity",
    "https://github.com/toshas/torch-fidelity",
    "Inception v3, Szegedy et al. 2016, arXiv:1512.00567",
)
OURS_ENCODER = replace(OURS, paper="e4e, Tov et al. 2021, arXiv:2102.02766")
OURS_STYLEMAP = replace(OURS, paper="StyleMapGAN, Kim et al. 2021, arXiv:2104.14754")
OURS_VGG = replace(OURS, paper=TORCHVISION.paper)
STYLEGAN1 = Release(
    "NVIDIA .pkl (TensorFlow)",
    None,
    "CC BY-NC 4.0",
    "non-commercial, with credit",
    "https://github.com/NVlabs/stylegan (networks, on Google Drive)",
    "StyleGAN, Karras et al. 2019, arXiv:1812.04948",
)
STYLEGAN2 = Release(
    "NVIDIA .pkl (TensorFlow)",
    "https://nvlabs-fi-cdn.nvidia.com/stylegan2/networks/",
    "Nvidia Source Code License-NC",
    "research and evaluation, non-commercial",
    "https://github.com/NVlabs/stylegan2",
    "StyleGAN2, Karras et al. 2020, arXiv:1912.04958",
)
ADA = Release(
    "NVIDIA .pkl",
    "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/",
    "Nvidia Source Code License",
    "research and evaluation, non-commercial",
    "https://github.com/NVlabs/stylegan2-ada-pytorch",
    "StyleGAN2-ADA, Karras et al. 2020, arXiv:2006.06676",
)
ADA_SOURCES = replace(ADA, url=f"{ADA.url}transfer-learning-source-nets/")
NGC = Release(
    "NVIDIA .pkl",
    "https://api.ngc.nvidia.com/v2/models/nvidia/research/stylegan2/versions/1/files/",
    "Nvidia Source Code License",
    "research and evaluation, non-commercial",
    "https://github.com/NVlabs/stylegan3",
    "StyleGAN2, Karras et al. 2020, arXiv:1912.04958; StyleGAN3, Karras et al. 2021, arXiv:2106.12423",
)
STYLEGAN3 = replace(
    NGC,
    url="https://api.ngc.nvidia.com/v2/models/nvidia/research/stylegan3/versions/1/files/",
    paper="StyleGAN3, Karras et al. 2021, arXiv:2106.12423",
)
ROSINALITY = Release(
    "rosinality .pt",
    None,
    "MIT, on Nvidia's architecture",
    "code MIT, kernels after Nvidia's",
    "https://github.com/rosinality/stylegan2-pytorch (on Google Drive)",
    "StyleGAN2, Karras et al. 2020, arXiv:1912.04958",
)
CONVERTED = Release(
    "rosinality .pt",
    "https://huggingface.co/akhaliq/jojogan-stylegan2-ffhq-config-f/resolve/main/",
    "Nvidia Source Code License-NC",
    "research and evaluation, non-commercial",
    "a third party's copy of NVIDIA's stylegan2-ffhq-config-f.pkl, converted by rosinality/stylegan2-pytorch",
    "StyleGAN2, Karras et al. 2020, arXiv:1912.04958",
)
PSP = Release(
    "pSp bundle (encoder and rosinality generator)",
    None,
    "MIT; generator: Nvidia-NC",
    "encoder MIT; generator for research and evaluation, non-commercial",
    "https://github.com/eladrich/pixel2style2pixel (on Google Drive)",
    "pSp, Richardson et al. 2021, arXiv:2008.00951",
)
E4E = replace(
    PSP,
    source="https://github.com/omertov/encoder4editing (on Google Drive)",
    paper="e4e, Tov et al. 2021, arXiv:2102.02766",
)
STYLEMAP = Release(
    "StyleMapGAN .pt (generator and encoder)",
    None,
    "CC BY-NC 4.0",
    "non-commercial, with credit",
    "https://github.com/naver-ai/StyleMapGAN (download.sh, from Google Drive)",
    "StyleMapGAN, Kim et al. 2021, arXiv:2104.14754",
)

FACES = "faces of CelebA, All-Age-Faces, Labeled Faces in the Wild, FFHQ and parliamentary portraits"
IMAGENET = "ImageNet (non-commercial research and education)"
FFHQ = "FFHQ (CC BY-NC-SA 4.0; not for the development of face recognition)"
METFACES = "MetFaces (CC BY-NC 2.0)"
AFHQ = "AFHQ (CC BY-NC 4.0)"
CELEBAHQ = "CelebA-HQ (non-commercial research)"
LSUN = "LSUN (photographs of the web, terms unknown)"
CIFAR10 = "CIFAR-10 (small pictures of the web, terms unknown)"
BRECAHAD = "BreCaHAD (see its article, doi:10.1186/s13104-019-4121-7)"

# When a file of models/weights is made anew, its size and its sum are to be changed here, and only here.
SHIPPED = (
    Entry(
        "faces-64", "faces-64.safetensors", OURS, FACES, 64, perceptual="vgg-slim", size=6_392_168,
        sha256="baede80fd83c20164f4600514459de3db4f3e69b44341bc03c5cd04dbd414c09",
    ),
    Entry(
        "faces-64-encoder", "faces-64-encoder.safetensors", OURS_ENCODER, FACES, kind="encoder", size=14_156_696,
        sha256="55708453168814e6dd601464ab9ae029b394bc15b1b4912da3cd81697bfedaba",
    ),
    Entry(
        "faces-64w", "faces-64w.safetensors", OURS, FACES, 64, perceptual="vgg-slim", size=6_368_014,
        sha256="01de8125b8d55272b99d40a98e7219fbd8585b75e0442d6f4648b09b7dd3b4ac",
    ),
    Entry(
        "stylemap-faces", "stylemap-faces.safetensors", OURS_STYLEMAP, FACES, 64, perceptual="vgg-slim", size=9_795_118,
        sha256="3daccd0f5266b3cde20cc3c85afd35ee3daa28488cbaf526e41cd96feaf6ff7e",
    ),
    Entry(
        "vgg-slim", "vgg-slim.safetensors", OURS_VGG, FACES, kind="perceptual", size=3_743_296,
        sha256="a7745fc86683f68542b43b8b6b16bc62ffba4db504923eeaa17799863448a3b7",
    ),
)  # fmt: skip

# Names as their publishers' READMEs have them. No sum or size is invented: they are recorded when first fetched.
PUBLIC = (
    Entry(
        "vgg16", "vgg16-397923af.pth", TORCHVISION, IMAGENET, kind="perceptual", size=553_433_881,
        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    ),
    Entry("alexnet", "alexnet-owt-7be5be79.pth", ALEXNET, IMAGENET, kind="trunk"),
    Entry("squeezenet", "squeezenet1_1-b8a52dc0.pth", SQUEEZENET, IMAGENET, kind="trunk"),
    Entry("inception", "weights-inception-2015-12-05-6726825d.pth", INCEPTION, IMAGENET, kind="trunk"),
    Entry("stylegan3-t-ffhq-1024", "stylegan3-t-ffhq-1024x1024.pkl", STYLEGAN3, FFHQ, 1024),
    Entry("stylegan3-t-ffhqu-1024", "stylegan3-t-ffhqu-1024x1024.pkl", STYLEGAN3, FFHQ, 1024),
    Entry("stylegan3-t-ffhqu-256", "stylegan3-t-ffhqu-256x256.pkl", STYLEGAN3, FFHQ, 256),
    Entry("stylegan3-t-metfaces-1024", "stylegan3-t-metfaces-1024x1024.pkl", STYLEGAN3, METFACES, 1024),
    Entry("stylegan3-t-metfacesu-1024", "stylegan3-t-metfacesu-1024x1024.pkl", STYLEGAN3, METFACES, 1024),
    Entry("stylegan3-t-afhqv2-512", "stylegan3-t-afhqv2-512x512.pkl", STYLEGAN3, AFHQ, 512),
    Entry("stylegan3-r-ffhq-1024", "stylegan3-r-ffhq-1024x1024.pkl", STYLEGAN3, FFHQ, 1024),
    Entry("stylegan3-r-ffhqu-1024", "stylegan3-r-ffhqu-1024x1024.pkl", STYLEGAN3, FFHQ, 1024),
    Entry("stylegan3-r-ffhqu-256", "stylegan3-r-ffhqu-256x256.pkl", STYLEGAN3, FFHQ, 256),
    Entry("stylegan3-r-metfaces-1024", "stylegan3-r-metfaces-1024x1024.pkl", STYLEGAN3, METFACES, 1024),
    Entry("stylegan3-r-metfacesu-1024", "stylegan3-r-metfacesu-1024x1024.pkl", STYLEGAN3, METFACES, 1024),
    Entry("stylegan3-r-afhqv2-512", "stylegan3-r-afhqv2-512x512.pkl", STYLEGAN3, AFHQ, 512),
    Entry("stylegan2-ffhq-1024", "stylegan2-ffhq-1024x1024.pkl", NGC, FFHQ, 1024),
    Entry("stylegan2-ffhq-512", "stylegan2-ffhq-512x512.pkl", NGC, FFHQ, 512),
    Entry("stylegan2-ffhq-256", "stylegan2-ffhq-256x256.pkl", NGC, FFHQ, 256),
    Entry("stylegan2-ffhqu-1024", "stylegan2-ffhqu-1024x1024.pkl", NGC, FFHQ, 1024),
    Entry("stylegan2-ffhqu-256", "stylegan2-ffhqu-256x256.pkl", NGC, FFHQ, 256),
    Entry("stylegan2-metfaces-1024", "stylegan2-metfaces-1024x1024.pkl", NGC, METFACES, 1024),
    Entry("stylegan2-metfacesu-1024", "stylegan2-metfacesu-1024x1024.pkl", NGC, METFACES, 1024),
    Entry("stylegan2-afhqv2-512", "stylegan2-afhqv2-512x512.pkl", NGC, AFHQ, 512),
    Entry("stylegan2-afhqcat-512", "stylegan2-afhqcat-512x512.pkl", NGC, AFHQ, 512),
    Entry("stylegan2-afhqdog-512", "stylegan2-afhqdog-512x512.pkl", NGC, AFHQ, 512),
    Entry("stylegan2-afhqwild-512", "stylegan2-afhqwild-512x512.pkl", NGC, AFHQ, 512),
    Entry("stylegan2-brecahad-512", "stylegan2-brecahad-512x512.pkl", NGC, BRECAHAD, 512),
    Entry("stylegan2-cifar10-32", "stylegan2-cifar10-32x32.pkl", NGC, CIFAR10, 32),
    Entry("stylegan2-celebahq-256", "stylegan2-celebahq-256x256.pkl", NGC, CELEBAHQ, 256),
    Entry("stylegan2-lsundog-256", "stylegan2-lsundog-256x256.pkl", NGC, LSUN, 256),
    Entry("ada-ffhq", "ffhq.pkl", ADA, FFHQ, 1024),
    Entry("ada-metfaces", "metfaces.pkl", ADA, METFACES, 1024),
    Entry("ada-afhqcat", "afhqcat.pkl", ADA, AFHQ, 512),
    Entry("ada-afhqdog", "afhqdog.pkl", ADA, AFHQ, 512),
    Entry("ada-afhqwild", "afhqwild.pkl", ADA, AFHQ, 512),
    Entry("ada-cifar10", "cifar10.pkl", ADA, CIFAR10, 32),
    Entry("ada-brecahad", "brecahad.pkl", ADA, BRECAHAD, 512),
    Entry("ada-source-ffhq-1024", "ffhq-res1024-mirror-stylegan2-noaug.pkl", ADA_SOURCES, FFHQ, 1024),
    Entry("ada-source-ffhq-512", "ffhq-res512-mirror-stylegan2-noaug.pkl", ADA_SOURCES, FFHQ, 512),
    Entry("ada-source-ffhq-256", "ffhq-res256-mirror-paper256-noaug.pkl", ADA_SOURCES, FFHQ, 256),
    Entry(
        "ada-source-celebahq-256", "celebahq-res256-mirror-paper256-kimg100000-ada-target0.5.pkl",
        ADA_SOURCES, CELEBAHQ, 256,
    ),
    Entry("ada-source-lsundog-256", "lsundog-res256-paper256-kimg100000-noaug.pkl", ADA_SOURCES, LSUN, 256),
    Entry("stylegan2-ffhq-config-f", "stylegan2-ffhq-config-f.pkl", STYLEGAN2, FFHQ, 1024),
    Entry("stylegan2-car-config-f", "stylegan2-car-config-f.pkl", STYLEGAN2, LSUN, 512),
    Entry("stylegan2-cat-config-f", "stylegan2-cat-config-f.pkl", STYLEGAN2, LSUN, 256),
    Entry("stylegan2-church-config-f", "stylegan2-church-config-f.pkl", STYLEGAN2, LSUN, 256),
    Entry("stylegan2-horse-config-f", "stylegan2-horse-config-f.pkl", STYLEGAN2, LSUN, 256),
    Entry("stylegan-ffhq-1024", "karras2019stylegan-ffhq-1024x1024.pkl", STYLEGAN1, FFHQ, 1024),
    Entry("stylegan-celebahq-1024", "karras2019stylegan-celebahq-1024x1024.pkl", STYLEGAN1, CELEBAHQ, 1024),
    Entry("stylegan-bedrooms-256", "karras2019stylegan-bedrooms-256x256.pkl", STYLEGAN1, LSUN, 256),
    Entry("rosinality-ffhq-1024", "stylegan2-ffhq-config-f.pt", CONVERTED, FFHQ, 1024),
    Entry("rosinality-ffhq-256", "550000.pt", ROSINALITY, FFHQ, 256),
    Entry("psp-ffhq", "psp_ffhq_encode.pt", PSP, FFHQ, 1024),
    Entry("e4e-ffhq", "e4e_ffhq_encode.pt", E4E, FFHQ, 1024),
    Entry("stylemap-celebahq-256", "celeba_hq_256_8x8.pt", STYLEMAP, CELEBAHQ, 256),
    Entry("stylemap-celebahq-5m-256", "celeba_hq_5M_256_8x8.pt", STYLEMAP, CELEBAHQ, 256),
    Entry("stylemap-afhq-256", "afhq_256_8x8.pt", STYLEMAP, AFHQ, 256),
    Entry("stylemap-afhq-5m-256", "afhq_5M_256_8x8.pt", STYLEMAP, AFHQ, 256),
    Entry("stylemap-lsuncar-256", "lsun_car_256_8x8.pt", STYLEMAP, LSUN, 256),
    Entry("stylemap-lsunchurch-256", "lsun_church_256_8x8.pt", STYLEMAP, LSUN, 256),
    Entry("stylemap-ffhq-16x16-1024", "ffhq_1024_16x16.pt", STYLEMAP, FFHQ, 1024),
    Entry("stylemap-ffhq-32x32-1024", "ffhq_1024_32x32.pt", STYLEMAP, FFHQ, 1024),
)  # fmt: skip

ENTRIES = SHIPPED + PUBLIC
