"""3x3 convolutions by F(4x4, 3x3) in fp32: 36 products where there were 144 (Winograd; Lavin & Gray 2016, section 4).

The points of evaluation are 0, +-sqrt(1/2), +-sqrt(2) and infinity: rounding errors are a fifth of those of the usual
0, +-1, +-2. Maps are (batch, height, width, channels).
"""

import math

import torch
from torch import Tensor

from wplus.core.shapes import FeatureMaps

ONEDNN = torch.ops.mkldnn

POINTS = (0.0, math.sqrt(0.5), -math.sqrt(0.5), math.sqrt(2), -math.sqrt(2))
"""Where polynomials are evaluated, beside infinity."""

AT_ONCE = 65536
"""Tiles times channels that are worked on at once: what lies between the three stages then stays in the cache."""


def pays(pairs: int, shape: torch.Size) -> bool:
    """Whether maps of `shape` (n, h, w, inputs) are convolved faster so than directly, as measured.

    The batch has no say: a picture goes the same way alone and among others.

    Args:
        pairs: inputs times outputs.
        shape: of the maps.
    """
    tiles = shape[1] * shape[2] // 16
    fits = shape[1] % 4 == shape[2] % 4 == 0
    return fits and tiles >= 16 and pairs >= 1 << 15 and pairs * min(tiles, 64) >= 1 << 20


class Winograd:
    """A 3x3 convolution that keeps the size.

    Args:
        weight: (outputs, inputs, 3, 3).
        tiles: how many 4x4 tiles there will be; the weights are packed for that.
    """

    def __init__(self, weight: Tensor, *, tiles: int) -> None:
        outside, kernel, inside = _vandermonde(4), _vandermonde(3), torch.linalg.inv(_vandermonde(6))
        self._into, self._out_of = inside.t().float().contiguous(), outside.t().float().contiguous()
        factors = torch.einsum("ia,jb,ocab->ijoc", kernel, kernel, weight.double()).float().flatten(0, 1)
        self._most = max(1, AT_ONCE // max(weight.shape[:2]))
        self._packed = [ONEDNN._reorder_linear_weight(item.contiguous(), min(tiles, self._most)) for item in factors]
        self.outputs = weight.shape[0]

    def __call__(self, x: FeatureMaps, scale: Tensor | None = None) -> Tensor:
        """Convolve maps whose channels are multiplied by `scale`, (n, inputs)."""
        count, height, width, inputs = x.shape
        padded = x.new_zeros(count, height + 2, width + 2, inputs)
        inner = padded[:, 1:-1, 1:-1]
        inner.copy_(x) if scale is None else torch.mul(x, scale[:, None, None], out=inner)
        down, across = height // 4, width // 4
        y = x.new_empty(count, down, 4, across, 4, self.outputs)
        rows = max(1, self._most // (count * across))
        for first in range(0, down, rows):
            last = min(first + rows, down)
            tiles = padded[:, 4 * first : 4 * last + 2].unfold(1, 6, 4).unfold(2, 6, 4)
            tiles = tiles.permute(4, 5, 0, 1, 2, 3).contiguous()  # (6, 6, count, rows, across, inputs)
            found = self._multiply(tiles.flatten(2, 4))
            found = found.view(4, 4, count, last - first, across, self.outputs)
            y[:, first:last] = found.permute(2, 3, 0, 4, 1, 5)
        return y.view(count, height, width, self.outputs)

    def _multiply(self, tiles: Tensor) -> Tensor:
        """(6, 6, tiles, inputs) to (4, 4, tiles, outputs)."""
        number = tiles.shape[2]
        points = torch.matmul(self._into, torch.mm(self._into, tiles.view(6, -1)).view(6, 6, -1))
        points = points.view(36, number, -1)
        pairs = zip(points.unbind(), self._packed, strict=True)
        products = torch.stack([ONEDNN._linear_pointwise(x, kernel, None, "none", [], "") for x, kernel in pairs])
        half = torch.mm(self._out_of, products.view(6, -1)).view(4, 6, -1)
        return torch.matmul(self._out_of, half).view(4, 4, number, self.outputs)


def _vandermonde(length: int) -> Tensor:
    """Coefficients of a polynomial to its values at the points, and at infinity; (6, length), in fp64."""
    powers = torch.arange(length, dtype=torch.float64)
    infinity = torch.zeros(1, length, dtype=torch.float64)
    infinity[0, -1] = 1
    return torch.cat([torch.tensor(POINTS, dtype=torch.float64)[:, None] ** powers, infinity])
