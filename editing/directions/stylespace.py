"""Single channels of S that act in a region or that examples share (Wu et al. 2021, "StyleSpace analysis").

A channel's direction is found in S and told as the offset of W+ whose styles come nearest, so that it moves latents
like any other; where many channels read one row, the rest of the change is told as `residual`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wplus.core.direction import Direction
from wplus.core.errors import DirectionError
from wplus.core.shapes import Mask, Ws
from wplus.editing.directions.making import direction
from wplus.models import Generator
from wplus.models.stylespace import Styles, affines, render_styles, to_styles


@dataclass(frozen=True)
class Channel:
    """One channel of S and how well it was found to do.

    Args:
        layer, index: its place.
        score: by region the share of the change that falls into it; by examples the shift in standard deviations.
        deviation: standard deviation of its style over codes.
    """

    layer: str
    index: int
    score: float
    deviation: float


def by_examples(
    generator: Generator, codes: Ws, examples: Float[Tensor, "examples layers w_dim"], *, count: int = 5
) -> tuple[Channel, ...]:
    """The channels in which examples differ most from the population (section 5): their mean in its deviations.

    Args:
        generator: with affine maps.
        codes: the population, (n, layers, w_dim).
        examples: 10 to 30 codes with the attribute.
        count: how many channels.

    Raises:
        DirectionError: fewer than two codes on a side.
        LatentError: the generator has no styles, or the codes are not its own.
    """
    if min(len(codes), len(examples)) < 2:
        raise DirectionError(f"{len(codes)} codes and {len(examples)} examples; two of each are needed")
    population, shown = (to_styles(generator.network, ws) for ws in (codes, examples))
    found = []
    for layer, styles in population.items():
        deviation = styles.std(dim=0)
        shift = (shown[layer].mean(dim=0) - styles.mean(dim=0)) / deviation.clamp_min(1e-8)
        found += [
            Channel(layer, index, float(shift[index]), float(deviation[index]))
            for index in range(len(shift))
            if not layer.endswith("torgb")
        ]
    return tuple(sorted(found, key=lambda item: abs(item.score), reverse=True)[:count])


@torch.inference_mode()
def by_region(generator: Generator, codes: Ws, mask: Mask, *, count: int = 5, layers: int = 4) -> tuple[Channel, ...]:
    """The channels whose change falls into a region the most (section 4): each is raised by a standard deviation.

    Args:
        generator: with affine maps.
        codes: (n, layers, w_dim); their variance tells the deviations, the first four are rendered.
        mask: (resolution, resolution), 1 in the region.
        count: how many channels.
        layers: affine maps that are looked at, the first that are no colours; later ones cost most and move least.

    Raises:
        DirectionError: the mask is of another size or empty.
        LatentError: the generator has no styles.
    """
    if mask.shape != (generator.resolution, generator.resolution) or not bool(mask.any()):
        raise DirectionError(f"a mask of shape {tuple(mask.shape)}, expected {generator.resolution} px and a region")
    styles = to_styles(generator.network, codes)
    first: Styles = {layer: values[:4] for layer, values in styles.items()}
    before = render_styles(generator.network, first)[:, :3]
    names = [item.name for item in affines(generator.network.synthesis) if not item.name.endswith("torgb")][:layers]
    found = []
    for layer in names:
        deviations = styles[layer].std(dim=0)
        for index, deviation in enumerate(deviations.tolist()):
            raised = first[layer].clone()
            raised[:, index] += deviation
            after = render_styles(generator.network, first | {layer: raised})[:, :3]
            change = (after - before).abs().mean(dim=(0, 1))
            share = float((change * mask).sum() / change.sum().clamp_min(1e-12))
            found.append((float(change.mean()), Channel(layer, index, share, deviation)))
    strong = sorted(found, key=lambda item: item[0], reverse=True)[: max(count, len(found) // 2)]
    return tuple(sorted((item for _, item in strong), key=lambda item: item.score, reverse=True)[:count])


def channel_direction(generator: Generator, channel: Channel, *, name: str) -> Direction:
    """A channel as a direction of W+: one standard deviation more of its style, others as they were where they can be.

    Raises:
        DirectionError: there is no such channel.
        LatentError: the generator has no styles.
    """
    return style_direction(generator, {channel.layer: {channel.index: channel.deviation}}, name=name)


def style_direction(generator: Generator, change: Mapping[str, Mapping[int, float]], *, name: str) -> Direction:
    """A change of styles, layer -> channel -> offset, as the offset of W+ that comes nearest.

    Raises:
        DirectionError: there is no such layer or channel.
        LatentError: the generator has no styles.
    """
    maps = affines(generator.network.synthesis)
    unknown = set(change) - {item.name for item in maps}
    if unknown:
        raise DirectionError(f"no layer {sorted(unknown)}; they are {', '.join(item.name for item in maps)}")
    rows = torch.zeros(generator.layers, generator.w_dim, dtype=torch.float64)
    left = wanted = 0.0
    for row in sorted({item.row for item in maps if item.name in change}):
        here = [item for item in maps if item.row == row]
        matrix = torch.cat([_matrix(item.layer, generator.w_dim) for item in here])
        target = torch.cat([_offsets(item.channels, change.get(item.name, {}), item.name) for item in here])
        rows[row] = torch.linalg.lstsq(matrix, target[:, None], rcond=1e-6, driver="gelsd").solution[:, 0]
        left += float((matrix @ rows[row] - target).square().sum())
        wanted += float(target.square().sum())
    residual = round((left / wanted) ** 0.5, 4) if wanted else 0.0
    details = {"channels": {layer: len(item) for layer, item in change.items()}, "residual": residual}
    return direction(rows, generator, name=name, method="stylespace", measure="styles", details=details)


def _matrix(layer: torch.nn.Module, w_dim: int) -> Tensor:
    """An affine map without its bias, (channels, w_dim)."""
    unit = torch.eye(w_dim)
    with torch.no_grad():
        weight = next(layer.parameters())
        return (layer(unit.to(weight)) - layer(torch.zeros_like(unit).to(weight))).double().cpu().T


def _offsets(channels: int, change: Mapping[int, float], layer: str) -> Tensor:
    """A change of one layer's styles as (channels,)."""
    wrong = [index for index in change if not 0 <= index < channels]
    if wrong:
        raise DirectionError(f"{layer} has channels 0 to {channels - 1}, not {wrong[0]}")
    found = torch.zeros(channels, dtype=torch.float64)
    for index, offset in change.items():
        found[index] = offset
    return found
