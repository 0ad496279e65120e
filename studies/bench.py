"""The bench of all studies: photographs, generator and settings, and embeddings that are computed once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from importlib.metadata import version
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from wplus.alignment import as_crop
from wplus.core.errors import FaceError
from wplus.core.latent import Latent
from wplus.core.shapes import Images, Losses, Ws
from wplus.core.source import source_sum
from wplus.core.tensorfile import fingerprint
from wplus.inversion import Encoder, Given, Inversion, Mean, Record, Space, Start, WPlus, image2stylegan, invert
from wplus.metrics import mse, psnr
from wplus.metrics.latents import distance_to_mean
from wplus.models import VGG, Generator
from wplus.optimisation import Objective, Settings
from wplus.studies.photos import Photo
from wplus.studies.store import Store
from wplus.studies.study import Row, Value

Curves = Float[Tensor, "batch steps"]
"""One number a picture and step."""

Descend = partial[Inversion]
"""`invert`, waiting for pictures."""

Watch = Callable[[str, int, int], None]
"""Is told what is being done, how much of it is done, and of how much."""

ROOMS = tuple(f"wplus.{room}" for room in ("core", "alignment", "models", "optimisation", "inversion", "studies"))
"""Of whose code what is kept may depend: a change of it makes all of it anew."""

STEPS = 1500
"""Steps of Adam in an embedding of a whole study."""

QUICK_STEPS = 150
"""Steps of an embedding in a quick study: enough for an order, not for a picture."""


@dataclass(frozen=True, eq=False)
class Embeddings:
    """What a descent found for some pictures.

    Args:
        target: the pictures.
        ws: the best codes of each.
        total: the loss of every step, one curve a picture; the first before any update.
        distance: how far the codes of every step are from the mean code, likewise.
    """

    target: Images
    ws: Ws
    total: Curves
    distance: Curves

    def __len__(self) -> int:
        return len(self.ws)


@dataclass(frozen=True, eq=False)
class Bench:
    """Where a study works.

    Args:
        generator: frozen.
        perceptual: the network of the objective's perceptual term.
        photos: in classes; the studies of faces take those with a face.
        store: where what was computed is kept.
        settings: of an embedding.
        quick: whether a rough answer is wanted soon.
        watch: is told how far the work is.
    """

    generator: Generator
    perceptual: VGG
    photos: tuple[Photo, ...]
    store: Store
    settings: Settings
    quick: bool = False
    watch: Watch = field(default=lambda text, done, total: None)

    @property
    def faces(self) -> tuple[Photo, ...]:
        """The photographs of the class named "faces", else all of the classes in which each shows a face.

        Raises:
            FaceError: there are none.
        """
        found = [photo for photo in self.photos if photo.face]
        named = [photo for photo in found if photo.kind == "faces"]
        if not found:
            raise FaceError("no class of the photographs is one of faces; give a folder in which each shows a face")
        return tuple(named or found)

    def few(self, count: int) -> tuple[Photo, ...]:
        """The first photographs of every class."""
        kinds = dict.fromkeys(photo.kind for photo in self.photos)
        parts = ([photo for photo in self.photos if photo.kind == kind][:count] for kind in kinds)
        return tuple(photo for part in parts for photo in part)

    @property
    def together(self) -> int:
        """Pictures at once: small networks leave a processor idle, large ones fill its memory."""
        return 8 if self.generator.resolution <= 128 else 1

    @cached_property
    def objective(self) -> Objective:
        """Image2StyleGAN's."""
        return image2stylegan(self.perceptual)

    @property
    def sample_distance(self) -> float:
        """Root mean square of `distance` for codes that the generator maps itself: the scale of distances in W+."""
        return self.generator.w_radius * self.generator.layers**0.5

    def using(self, generator: Generator) -> "Bench":
        """The same bench with another generator of the same resolution."""
        return replace(self, generator=generator)

    def embed(
        self,
        pictures: Images,
        *,
        space: Space = WPlus(),  # noqa: B008  (frozen values)
        start: Start = Mean(),  # noqa: B008
        objective: Objective | None = None,
        settings: Settings | None = None,
    ) -> Embeddings:
        """Embed pictures (batch, 3, resolution, resolution) of [-1, 1] in groups, each computed once and kept.

        Studies that embed the same pictures in the same order with the same settings share the work; a group's key
        holds all its pictures, since a convolution's last bits depend on the batch.

        Args:
            pictures: the crops of `self.photos`, or made of them.
            space, start, objective, settings: as of `invert`; by default W+, the mean, and the bench's own.

        Raises:
            KeyboardInterrupt: Ctrl-C; finished groups are kept.
            OutputError: the folder cannot be written.
        """
        objective, settings = objective or self.objective, settings or self.settings
        key = {
            "what": "embed",
            "settings": settings.to_json() | {"space": space.name, "start": _described(start)},
            "objective": objective.to_json(),
        }
        descend = partial(invert, self.generator, objective=objective, space=space, start=start, settings=settings)
        parts: list[dict[str, Tensor]] = []
        for first in range(0, len(pictures), self.together):
            group = pictures[first : first + self.together]

            def make(group: Images = group, first: int = first) -> dict[str, Tensor]:
                text = f"embed {first + 1} to {first + len(group)} of {len(pictures)}"
                return self._embed(group, descend, text=text)

            parts.append(self.kept(key, {"pictures": group}, make))
        joined = {name: torch.cat([part[name] for part in parts]) for name in ("ws", "total", "distance")}
        return Embeddings(pictures, **joined)

    def kept(
        self, key: Mapping[str, Any], inputs: Mapping[str, Tensor], make: Callable[[], dict[str, Tensor]]
    ) -> dict[str, Tensor]:
        """What `make` gives, computed once for a `key` of JSON, these `inputs`, and this generator."""
        own = {
            "generator": self.generator.fingerprint,
            "perceptual": self._perceptual_fingerprint,
            "device": self.generator.device.type,
            "inputs": fingerprint(inputs),
            "torch": version("torch"),
            "source": source_sum(*ROOMS),
        }
        return self.store.kept(own | dict(key), make)

    def render(self, ws: Ws) -> Images:
        """Pictures of codes, clamped to [-1, 1], on the CPU."""
        with torch.no_grad():
            parts = [self.generator(part.to(self.generator.device)).cpu() for part in ws.split(self.together)]
        return torch.cat(parts).clamp(-1, 1)

    def losses(self, ws: Ws, target: Images) -> dict[str, Losses]:
        """The bench's objective, by term, of codes against pictures, whatever they were found by."""
        pairs = zip(*(item.to(self.generator.device).split(self.together) for item in (ws, target)), strict=True)
        with torch.no_grad():
            parts = [self.objective.against(wanted)(self.generator(code)) for code, wanted in pairs]
        return {name: torch.cat([part[name] for part in parts]).cpu() for name in parts[0]}

    def distance(self, ws: Ws) -> Losses:
        """The paper's |w* - w-bar|: how far whole codes are from the generator's mean code, one number a picture."""
        return distance_to_mean(ws, self.generator).cpu()

    def rows(self, photos: Sequence[Photo], found: Embeddings, **columns: Value) -> list[Row]:
        """One row a picture: its name and class, `columns`, losses, MSE, PSNR, and distance to the mean.

        `loss` is the bench's objective of the best codes; `distance` is also told in units of the generator's own
        samples, as `relative_distance`.
        """
        losses = self.losses(found.ws, found.target)
        pictures, distances = self.render(found.ws), self.distance(found.ws)
        numbers = {"loss": torch.stack(list(losses.values())).sum(dim=0), **losses}
        numbers |= {"mse": mse(pictures, found.target), "psnr": psnr(pictures, found.target)}
        numbers |= {"distance": distances, "relative_distance": distances / self.sample_distance}
        return [
            {"photo": photo.name, "class": photo.kind, "face": photo.face, **columns}
            | {name: float(values[index]) for name, values in numbers.items()}
            for index, photo in enumerate(photos)
        ]

    def _embed(self, pictures: Images, descend: Descend, *, text: str) -> dict[str, Tensor]:
        """Embed one group; an inversion of `descend` has all but the pictures."""
        settings: Settings = descend.keywords["settings"]
        distances: list[Losses] = []

        def watch(record: Record) -> None:
            distances.append(self.distance(record.ws))
            self.watch(text, record.step, settings.steps)

        found = descend([as_crop(picture.cpu(), size=self.generator.resolution) for picture in pictures], watch=watch)
        missing = settings.steps + 1 - len(distances)  # where every descent was stopped early
        curves = {"total": torch.tensor(found.history), "distance": torch.stack(distances, dim=1)}
        curves = {name: torch.cat([curve, curve[:, -1:].expand(-1, missing)], dim=1) for name, curve in curves.items()}
        return {"ws": torch.cat([latent.ws for latent in found.latents])} | curves

    @cached_property
    def _perceptual_fingerprint(self) -> str:
        return fingerprint(self.perceptual.state_dict())


def stacked(photos: Sequence[Photo]) -> Images:
    """The crops of photographs, (batch, 3, resolution, resolution) in [-1, 1]."""
    return torch.stack([photo.crop.picture for photo in photos])


def _described(start: Start) -> Any:
    """What tells a start from any other, as JSON."""
    match start:
        case Given(latent=Latent(ws=ws)):
            return ["given", fingerprint({"ws": ws})]
        case Encoder(network=network) if network is not None:
            return ["encoder", network.fingerprint]
    return start.name
