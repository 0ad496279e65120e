"""S, the space of styles, and the ways between it, W and W+ (Wu et al. 2021, "StyleSpace analysis", section 3).

A style is what a layer's affine map makes of its row of W+, before any scaling of weights. StyleGAN2 shares rows:
the colours of a block read the row that the next block's first layer reads again, so from 4 px up they read rows 1, 3,
5 ... while the last convolutions before them read 0, 2, 4 ... In StyleGAN 1 and 3 every row has one reader.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wplus.core.errors import LatentError
from wplus.core.shapes import FittedWs, Rows, W, Ws
from wplus.models.network import Network, Noise, Rendered
from wplus.models.ops import Linear

Styles = dict[str, Tensor]
"""Layer ("b8.conv0", "b8.torgb", "L3_52_512") -> its style (batch, channels), in the order in which they are used."""


@dataclass(frozen=True, eq=False)
class Affine:
    """The affine map of one layer, and the row of W+ that it reads."""

    name: str
    row: int
    layer: Linear

    @property
    def channels(self) -> int:
        """Length of its styles."""
        return len(self.layer.bias)


@dataclass(frozen=True, eq=False)
class Solution:
    """Codes found for styles, and what they leave unexplained.

    Args:
        ws: shape (batch, layers, w_dim).
        residual: root mean square difference of the styles, a number a row; shape (batch, layers).
    """

    ws: Ws
    residual: Rows


def affines(synthesis: object) -> tuple[Affine, ...]:
    """Every affine map of a synthesis network with its row, in the order in which they are used.

    Raises:
        LatentError: the network has none.
    """
    found: list[Affine] = []
    row = 0
    for name, layer in synthesis.named_modules() if isinstance(synthesis, nn.Module) else ():
        if name.endswith(".affine") and isinstance(layer, Linear):
            found.append(Affine(name.removesuffix(".affine"), row, layer))
            row += not name.endswith(".torgb.affine")  # the next block's first layer reads that row again
    if not found:
        raise LatentError(f"a {type(synthesis).__name__} network has no styles")
    return tuple(found)


def to_styles(network: Network, ws: Ws) -> Styles:
    """The styles that codes give; (batch, layers, w_dim) to one (batch, channels) a layer.

    Raises:
        LatentError: the network has another number of rows.
    """
    if ws.shape[1:] != (network.config.layers, network.config.w_dim):
        raise LatentError(
            f"codes have {ws.shape[1]} layers of {ws.shape[2]},"
            f" the network {network.config.layers} of {network.config.w_dim}"
        )
    return {item.name: item.layer(ws[:, item.row]) for item in affines(network.synthesis)}


@torch.no_grad()
def from_styles(network: Network, styles: Mapping[str, Tensor]) -> Solution:
    """The codes whose styles come nearest: least squares over all affine maps that read a row, row by row.

    A row of fewer styles than w_dim has many solutions; the one nearest to the mean code is given. So styles that
    came from codes come back, and the codes themselves only in the rows of as many styles.

    Raises:
        LatentError: a layer's style is missing, unknown, or of another shape.
    """
    maps = affines(network.synthesis)
    _check(maps, styles)
    mean = network.mapping.w_avg
    centre = mean.double().cpu()
    rows: list[Tensor] = []
    residuals: list[Tensor] = []
    for row in range(network.config.layers):
        here = [item for item in maps if item.row == row]
        at_mean = torch.cat([item.layer(mean[None])[0] for item in here])
        unit = torch.eye(len(mean), device=mean.device, dtype=mean.dtype)
        origin = torch.cat([item.layer(torch.zeros_like(mean)[None])[0] for item in here])
        matrix = (torch.cat([item.layer(unit) for item in here], dim=1) - origin).double().cpu().t()
        target = (torch.cat([styles[item.name] for item in here], dim=1) - at_mean).double().cpu().t()
        # the shortest of all solutions; fp32 weights tell no finer directions apart
        steps = torch.linalg.lstsq(matrix, target, rcond=1e-6, driver="gelsy").solution  # (w_dim, batch)
        rows.append(centre + steps.t())
        residuals.append((matrix @ steps - target).square().mean(dim=0).sqrt())
    ws = torch.stack(rows, dim=1)
    return Solution(ws.to(mean), torch.stack(residuals, dim=1).to(mean))


def render_styles(network: Network, styles: Mapping[str, Tensor], *, noise: Noise = "const") -> Rendered:
    """Render styles, which no codes need to give; differentiable in them.

    Raises:
        LatentError: a layer's style is missing, unknown, or of another shape.
    """
    _check(affines(network.synthesis), styles)
    own = network.synthesis
    assert isinstance(own, nn.Module)
    weights = {id(item): item for item in (*own.parameters(), *own.buffers())}
    synthesis = copy.deepcopy(own, weights)  # another module of the same weights: its hooks are nobody else's
    for item in affines(synthesis):
        item.layer.register_forward_hook(lambda *_, style=styles[item.name]: style)
    count = len(next(iter(styles.values())))
    codes = network.mapping.w_avg.expand(count, network.config.layers, -1)
    return synthesis(codes, noise=noise)


def repeat_rows(w: W, *, rows: int) -> Ws:
    """W to W+: one code for all `rows` layers; (batch, w_dim) to (batch, rows, w_dim)."""
    return w[:, None].repeat(1, rows, 1)


def fit_rows(ws: Ws, *, rows: int) -> FittedWs:
    """Codes for a generator of the same family and another size: 14 rows (256 px) to 18 (1024 px) or back.

    Rows begin at 4 px, two a resolution, so the coarse ones mean the same in both: finer rows are cut off, or the
    last row is repeated for them. A code of one row is one of W, which every row takes. Only StyleGAN 1 and 2 pair
    rows with resolutions; and only generators that were trained from one another share the meaning of W.

    Raises:
        LatentError: the rows do not pair with resolutions, so there is no telling which belong together.
    """
    have = ws.shape[1]
    if have in (1, rows):
        return ws if have == rows else repeat_rows(ws[:, 0], rows=rows)
    for count in (have, rows):
        if count not in range(2, 21, 2):
            raise LatentError(f"{have} rows cannot become {rows}: {count} rows are not two for each size from 4 px up")
    return ws[:, :rows] if rows < have else torch.cat([ws, ws[:, -1:].repeat(1, rows - have, 1)], dim=1)


def _check(maps: tuple[Affine, ...], styles: Mapping[str, Tensor]) -> None:
    """Every layer must have its style, of its width, and of one batch."""
    expected = {item.name for item in maps}
    if set(styles) != expected:
        missing, unknown = sorted(expected - set(styles)), sorted(set(styles) - expected)
        raise LatentError(f"the styles lack {missing} and have unknown {unknown}")
    count = len(styles[maps[0].name]) if styles[maps[0].name].ndim else 0
    for item in maps:
        wanted = (count, item.channels)
        if tuple(styles[item.name].shape) != wanted:
            raise LatentError(f"the style of {item.name} has shape {tuple(styles[item.name].shape)}, expected {wanted}")
