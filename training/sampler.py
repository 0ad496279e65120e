"""A mapping network that samples known codes, without training."""

import math

import torch
from torch import Tensor

from wplus.core.shapes import W
from wplus.models.stylegan2 import StyleGAN2
from wplus.models.stylespace import affines


@torch.no_grad()
def code_statistics(codes: W) -> tuple[Tensor, Tensor]:
    """Mean (w_dim,) and the root of the covariance (w_dim, w_dim) of codes."""
    values, vectors = torch.linalg.eigh(codes.double().T.cov())
    root = vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T
    return codes.double().mean(dim=0).float(), root.float()


@torch.no_grad()
def sample_exactly(network: StyleGAN2, mean: Tensor, root: Tensor) -> Tensor:
    """Make mapping(z) = root z + mean + offset, and let style biases take the offset back.

    The offset shifts all units into the linear range of the leaky ReLU. A code that was w before is w + offset.

    Returns:
        the offset, (w_dim,).
    """
    offset = 3 * root.square().sum(dim=1).sqrt() - mean
    for index, layer in enumerate(network.mapping.stack):
        size = layer.weight.shape[1]
        matrix = root if index == 0 else torch.eye(size, device=root.device)
        # divided by the leaky ReLU's gain, and by the scale that the layer applies when used
        layer.weight.copy_(matrix / math.sqrt(2) * math.sqrt(size) / layer.rate)
        layer.bias.copy_((mean + offset) / math.sqrt(2) / layer.rate if index == 0 else torch.zeros(size))
    network.mapping.w_avg.copy_(mean + offset)
    for affine in affines(network.synthesis):
        affine.layer.bias.sub_(affine.layer.weight @ offset / math.sqrt(offset.numel()))
    return offset
