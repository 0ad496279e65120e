"""A frozen generator with a name and a fingerprint: codes in, pictures out."""

import copy
import operator
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, SupportsIndex, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from wplus.core.errors import GeneratorError, LatentError
from wplus.core.images import as_png
from wplus.core.latent import Latent, join
from wplus.core.origin import ROWS, Origin
from wplus.core.shapes import Images, W, Ws, Z
from wplus.core.tensorfile import fingerprint, write_tensors
from wplus.models.architectures import ARCHITECTURES, build, mean_code
from wplus.models.checkpoints import read_checkpoint
from wplus.models.network import Labels, Network, Rendered


@dataclass(frozen=True)
class Card:
    """What a generator's file says about itself.

    Args:
        name: its name in the catalogue, or the file's.
        licence, origin, terms: who made it from what, and what it may be used for.
        perceptual: the perceptual network that inversions use unless told otherwise.
        training: the recipe and its figures, as JSON.
        parent: the fingerprint of the generator that this one was adapted from; its codes render here, too.
    """

    name: str
    licence: str = "unknown"
    origin: str = "unknown"
    terms: str = "unknown"
    perceptual: str = "vgg16"
    training: Mapping[str, Any] = field(default_factory=dict)
    parent: str | None = None


class Generator:
    """A network whose weights are frozen: no gradient reaches them. `load_generator` opens one from a name or a file.

        generator = wplus.load_generator("faces-64")
        pictures = generator(generator.sample([1, 2, 3], psi=0.7))  # (3, 3, 64, 64), RGB in [-1, 1]

    Args:
        network: mapping and synthesis. It is left as it is; its weights are shared, and must not change from now on.
        card: name, licence and origin.
    """

    def __init__(self, network: Network, card: Card) -> None:
        self.network = _frozen(network)
        self.card = card
        self.fingerprint = fingerprint(network.state_dict())

    def __repr__(self) -> str:
        sizes = f"{self.resolution} px, {self.layers} {ROWS[self.space]} x {self.w_dim}"
        return f"Generator({self.name}: {self.network.config.title}, {sizes}, {self.device})"

    def _repr_png_(self) -> bytes:
        with torch.no_grad():
            pictures = self(self.sample(range(4), psi=0.7)).clamp(-1, 1)
        return as_png(torch.cat(list(pictures.cpu()), dim=2))

    @property
    def family(self) -> tuple[str, ...]:
        """Fingerprints of the generators whose codes it renders: its own, and its parent's."""
        return (self.fingerprint,) if self.card.parent is None else (self.fingerprint, self.card.parent)

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
        """Rows of a code."""
        return self.network.config.layers

    @property
    def w_dim(self) -> int:
        """Length of a row."""
        return self.network.config.w_dim

    @property
    def z_dim(self) -> int:
        """Length of a Gaussian code."""
        return self.network.config.z_dim

    @property
    def labels(self) -> int:
        """How many classes it knows, 0 if none."""
        return self.network.config.labels

    @property
    def space(self) -> Literal["W+", "stylemap"]:
        """What a row of a code stands for: a layer (W+) or a cell (stylemap)."""
        return self.network.config.space

    @property
    def mean_ws(self) -> Ws:
        """The centre of truncation, shape (1, layers, w_dim)."""
        return self.network.mapping.w_avg.expand(1, self.layers, -1)

    @property
    def device(self) -> torch.device:
        """Where its weights lie."""
        return self.network.mapping.w_avg.device

    @property
    def parameters(self) -> int:
        """How many numbers it was trained to."""
        return sum(weight.numel() for weight in self.network.parameters())

    def to(self, device: torch.device | str) -> "Generator":
        """The same generator on a device; itself where it lies there already."""
        if torch.empty(0, device=device).device == self.device:
            return self
        moved = copy.copy(self)
        moved.network = cast(Network, cast(nn.Module, _frozen(self.network)).to(device))
        return moved

    def map(self, z: Z, psi: float = 1.0, *, cutoff: int | None = None, labels: Labels | None = None) -> Ws:
        """Map Gaussian codes (batch, z_dim) to codes (batch, layers, w_dim), whose rows are equal in W+.

        Args:
            z: Gaussian codes.
            psi: draws rows to the mean code (truncation, StyleGAN1 appendix B): 1 leaves them, 0 gives the mean.
            cutoff: how many rows, from the coarsest, are drawn; None for all.
            labels: one-hot classes (batch, labels), of a network that knows classes.

        Raises:
            ValueError: a cutoff for the cells of a stylemap, none of which is coarser than another.
        """
        if cutoff is not None and self.space == "stylemap":
            raise ValueError("a cutoff counts layers from the coarsest, a stylemap's rows are cells")
        mapped = self.network.mapping(z, labels)
        ws = mapped if mapped.ndim == 3 else mapped[:, None].expand(-1, self.layers, -1)
        rows = torch.arange(self.layers, device=ws.device) < (self.layers if cutoff is None else cutoff)
        return torch.where(rows[:, None], self.mean_ws.lerp(ws, psi), ws)

    def one_hot(self, classes: Tensor) -> Labels | None:
        """Labels of classes given by number, shape (batch,); None if the network knows no classes.

        Raises:
            GeneratorError: there is no such class.
        """
        if not self.labels:
            return None
        if classes.min() < 0 or classes.max() >= self.labels:
            raise GeneratorError(f"{self.name} has classes 0 to {self.labels - 1}, not {classes.tolist()}")
        return functional.one_hot(classes, self.labels).to(self.device, torch.float32)

    def sample(
        self, seed: SupportsIndex | Iterable[SupportsIndex], *, psi: float = 1.0, label: int | None = None
    ) -> Latent:
        """The code of a seed, or of several: the same on every machine, alone or among others.

        `label` is its class; None draws one, if the network knows classes.

        Raises:
            GeneratorError: there is no such class.
            LatentError: no seeds.
        """
        if isinstance(seed, Iterable):
            latents = [self.sample(each, psi=psi, label=label) for each in seed]
            if not latents:
                raise LatentError("no seeds to sample; give one, or several")
            return join(latents)
        seed = operator.index(seed)  # numpy's whole numbers, too
        if label is not None and not self.labels:
            raise GeneratorError(f"{self.name} knows no classes, class {label} was asked for")
        draw = torch.Generator().manual_seed(seed)
        z = torch.randn(1, self.z_dim, generator=draw)
        drawn = torch.randint(max(self.labels, 1), (1,), generator=draw)
        labels = self.one_hot(drawn if label is None else torch.tensor([label]))
        ws = self.map(z.to(self.device), psi, labels=labels)
        return Latent(
            ws, origin=self.origin(seed=seed, settings={"psi": psi} | ({} if label is None else {"label": label}))
        )

    @cached_property
    def w_radius(self) -> float:
        """Root mean square distance of mapped rows from their mean: the scale of differences in W."""
        w = self.mapped(10_000 if self.space == "W+" else 256)  # every draw of a stylemap has many rows
        return float((w - w.mean(dim=0)).square().sum(dim=-1).mean().sqrt())

    def mapped(self, count: int) -> W | Ws:
        """`count` codes mapped from fixed Gaussian draws (seed 0), of drawn classes.

        Shape (count, w_dim), or (count, layers, w_dim) where the rows of a mapped code differ.
        """
        return self.network.mapping(*self._draws(count))

    def mapped_mean(self, count: int) -> Ws:
        """The mean of what `mapped` gives, shape (1, layers, w_dim), without the memory for all of it."""
        return mean_code(self.network, *self._draws(count)).expand(1, self.layers, -1)

    def _draws(self, count: int) -> tuple[Z, Labels | None]:
        draw = torch.Generator().manual_seed(0)
        z = torch.randn(count, self.z_dim, generator=draw)
        labels = self.one_hot(torch.randint(max(self.labels, 1), (count,), generator=draw))
        return z.to(self.device), labels

    def origin(self, **details: Any) -> Origin:
        """An origin that names this generator; `details` are further fields of `Origin`."""
        return Origin(self.name, self.fingerprint, self.resolution, self.w_radius, self.space, **details)

    def __call__(self, latent: Latent | Tensor, *, noise: tuple[Tensor, ...] | None = None) -> Images:
        """Render codes: (batch, layers, w_dim) to RGB (batch, 3, resolution, resolution), nominally in [-1, 1].

        Grey pictures come as RGB, the opacity of RGBA pictures is left out. `noise` are maps (batch, 1, height, width)
        for bare codes; a latent brings its own, and where there are none the network's are taken.

        Raises:
            LatentError: the latent belongs to another generator, or has other shapes.
        """
        if isinstance(latent, Latent):
            self.check(latent)
            own = None if latent.noise is None else tuple(item.to(self.device) for item in latent.noise)
            return _rgb(self.network.synthesis(latent.ws.to(self.device), noise=own or "const"))
        self._check_shape(latent)
        return _rgb(self.network.synthesis(latent, noise=noise or "const"))

    def check(self, latent: Latent) -> None:
        """See that `latent` can be rendered here.

        Raises:
            LatentError: it belongs to another generator, or has other shapes.
        """
        origin = latent.origin
        if origin is not None and origin.fingerprint not in self.family:
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
                f"the latent has {ws.shape[1]} {ROWS[self.space]} of {ws.shape[2]},"
                f" generator {self.name} has {self.layers} of {self.w_dim}"
            )

    def save(self, path: str | Path, *, dtype: torch.dtype = torch.float32) -> None:
        """Write weights in `dtype`, sizes and card as safetensors, atomically.

        Raises:
            OutputError: the file cannot be written.
        """
        tensors = {name: tensor.to(dtype) for name, tensor in self.network.state_dict().items()}
        name = next(name for name, (_, module) in ARCHITECTURES.items() if isinstance(self.network, module))
        config = asdict(cast(Any, self.network.config))
        header = {"kind": "generator", "architecture": name, "config": config, "card": asdict(self.card)}
        write_tensors(path, tensors, header)


def read_generator(path: str | Path) -> Generator:
    """Read a generator of any format (`models/checkpoints`), as fp32 on the CPU.

    Raises:
        GeneratorError: no such file, damaged, or no generator that can be rendered exactly.
    """
    found = read_checkpoint(path)
    try:
        card = Card(**{"name": Path(path).stem, **found.details})
        return Generator(build(found.config, found.state), card)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:500]
        raise GeneratorError(f"{path}: header and weights do not fit together: {reason}") from error


def _frozen(network: Network) -> Network:
    """The same network with weights of its own that share the numbers, without gradients and in evaluation mode."""
    module = cast(nn.Module, network)
    # what is in the memo is not copied
    memo: dict[int, Any] = {id(x): nn.Parameter(x.detach(), requires_grad=False) for x in module.parameters()}
    memo |= {id(buffer): buffer for buffer in module.buffers()}
    return cast(Network, copy.deepcopy(module, memo).eval())  # batch normalisation takes what it learned


def _rgb(rendered: Rendered) -> Images:
    """Three channels: grey is repeated, what follows blue is left out."""
    return rendered.expand(-1, 3, -1, -1) if rendered.shape[1] == 1 else rendered[:, :3]
