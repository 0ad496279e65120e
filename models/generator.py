"""A frozen generator with a name and a fingerprint: codes in, pictures out."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wplus.core.errors import GeneratorError, LatentError
from wplus.core.latent import Latent, Origin
from wplus.core.shapes import Images, W, Ws, Z
from wplus.core.tensorfile import read_tensors, write_tensors
from wplus.models.stylegan2 import StyleGAN2, StyleGAN2Config


@dataclass(frozen=True)
class Card:
    """What a generator's file says about itself.

    Args:
        name: its name in the catalogue, or the file's.
        licence, origin, terms: who made it from what, and what it may be used for.
        perceptual: the perceptual network that inversions use unless told otherwise.
        training: the recipe and its figures, as JSON.
    """

    name: str
    licence: str = "unknown"
    origin: str = "unknown"
    terms: str = "unknown"
    perceptual: str = "vgg16"
    training: Mapping[str, Any] = field(default_factory=dict)


class Generator:
    """A StyleGAN2 whose weights are frozen: no gradient reaches them.

    Args:
        network: mapping and synthesis; taken over and frozen.
        card: name, licence and origin.
    """

    def __init__(self, network: StyleGAN2, card: Card) -> None:
        self.network = network.requires_grad_(False).eval()
        self.card = card
        self.fingerprint = _fingerprint(network.state_dict())

    @property
    def name(self) -> str:
        """Its name in the catalogue, or its file's."""
        return self.card.name

    @property
    def resolution(self) -> int:
        """Side of its pictures in pixels."""
        return self.network.config.resolution

    @property
    def layers(self) -> int:
        """Rows of W+."""
        return self.network.config.layers

    @property
    def w_dim(self) -> int:
        """Length of a row of W+."""
        return self.network.config.w_dim

    @property
    def z_dim(self) -> int:
        """Length of a Gaussian code."""
        return self.network.config.z_dim

    @property
    def mean_w(self) -> W:
        """The centre of truncation, shape (1, w_dim)."""
        return self.network.mapping.w_avg[None]

    @property
    def device(self) -> torch.device:
        """Where its weights lie."""
        return self.mean_w.device

    @property
    def parameters(self) -> int:
        """How many numbers it was trained to."""
        return sum(weight.numel() for weight in self.network.parameters())

    def to(self, device: torch.device | str) -> "Generator":
        """Move the weights to a device; returns itself."""
        self.network.to(device)
        return self

    def map(self, z: Z, psi: float = 1.0) -> Ws:
        """Map Gaussian codes (batch, z_dim) to W+ codes of equal rows (batch, layers, w_dim).

        `psi` draws them to the mean code (truncation, StyleGAN1 appendix B): 1 leaves them, 0 gives the mean.
        """
        w = self.mean_w.lerp(self.network.mapping(z), psi)
        return w[:, None].repeat(1, self.layers, 1)

    def sample(self, seed: int, *, psi: float = 1.0) -> Latent:
        """The code of a seed: the same on every machine, alone or among others."""
        z = torch.randn(1, self.z_dim, generator=torch.Generator().manual_seed(seed))
        ws = self.map(z.to(self.device), psi)
        return Latent(ws, origin=self.origin(seed=seed, settings={"psi": psi}))

    @cached_property
    def w_radius(self) -> float:
        """Root mean square distance of mapped codes from their mean: the scale of differences in W."""
        w = self.mapped(10_000)
        return float((w - w.mean(dim=0)).square().sum(dim=1).mean().sqrt())

    def mapped(self, count: int) -> W:
        """`count` codes of W mapped from fixed Gaussian draws (seed 0), shape (count, w_dim)."""
        z = torch.randn(count, self.z_dim, generator=torch.Generator().manual_seed(0))
        return self.network.mapping(z.to(self.device))

    def origin(self, **details: Any) -> Origin:
        """An origin that names this generator; `details` are further fields of `Origin`."""
        return Origin(self.name, self.fingerprint, self.resolution, w_radius=self.w_radius, **details)

    def __call__(self, latent: Latent | Tensor) -> Images:
        """Render codes: (batch, layers, w_dim) to RGB (batch, 3, resolution, resolution), nominally in [-1, 1].

        Raises:
            LatentError: the latent belongs to another generator, or has other shapes.
        """
        if isinstance(latent, Latent):
            self.check(latent)
            noise = None if latent.noise is None else tuple(item.to(self.device) for item in latent.noise)
            return self.network.synthesis(latent.ws.to(self.device), noise=noise or "const")
        self._check_shape(latent)
        return self.network.synthesis(latent)

    def check(self, latent: Latent) -> None:
        """See that `latent` can be rendered here.

        Raises:
            LatentError: it belongs to another generator, or has other shapes.
        """
        origin = latent.origin
        if origin is not None and origin.fingerprint != self.fingerprint:
            raise LatentError(
                f"the latent belongs to generator {origin.generator} ({origin.fingerprint}),"
                f" not to {self.name} ({self.fingerprint})"
            )
        self._check_shape(latent.ws)
        if latent.noise is not None:
            shapes = [tuple(item.shape) for item in latent.noise]
            expected = [(len(latent), 1, *shape) for shape in self.network.synthesis.noise_shapes]
            if shapes != expected:
                raise LatentError(f"the latent's noise maps have shapes {shapes}, expected {expected}")

    def _check_shape(self, ws: Tensor) -> None:
        if ws.ndim != 3:
            raise LatentError(f"codes have shape {tuple(ws.shape)}, expected (batch, {self.layers}, {self.w_dim})")
        if ws.shape[1:] != (self.layers, self.w_dim):
            raise LatentError(
                f"the latent has {ws.shape[1]} layers of {ws.shape[2]},"
                f" generator {self.name} has {self.layers} of {self.w_dim}"
            )

    def save(self, path: str | Path, *, dtype: torch.dtype = torch.float32) -> None:
        """Write weights in `dtype`, sizes and card as safetensors, atomically.

        Raises:
            OutputError: the file cannot be written.
        """
        tensors = {name: tensor.to(dtype) for name, tensor in self.network.state_dict().items()}
        config = asdict(self.network.config)
        header = {"kind": "generator", "architecture": "stylegan2", "config": config, "card": asdict(self.card)}
        write_tensors(path, tensors, header)


def read_generator(path: str | Path) -> Generator:
    """Read what `Generator.save` wrote, as fp32 on the CPU.

    Raises:
        GeneratorError: no such file, damaged, or no generator.
    """
    tensors, header = read_tensors(path, error=GeneratorError, expected="a wplus generator")
    if header.get("kind") != "generator" or header.get("architecture") != "stylegan2":
        raise GeneratorError(f"{path}: holds a {header.get('kind', 'thing of no kind')}, expected a generator")
    try:
        config = StyleGAN2Config.from_json(header["config"])
        card = Card(**header["card"])
        with torch.device("meta"):
            network = StyleGAN2(config)
        network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, strict=True, assign=True)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise GeneratorError(f"{path}: header and weights do not fit together: {reason}") from error
    return Generator(network, card)


def _fingerprint(state: Mapping[str, Tensor]) -> str:
    """Sixteen hexadecimal digits that change with any weight."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
