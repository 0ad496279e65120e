"""What makes a generator's mapping network sample codes that are known, without training."""

import math

import torch
from torch import Tensor

from wplus.models.stylegan2 import StyleGAN2
from wplus.models.stylespace import affines
from wplus.training.faces import Faces
from wplus.training.networks import Encoder


@torch.no_grad()
def code_statistics(encoder: Encoder, faces: Faces, *, device: str) -> tuple[Tensor, Tensor]:
    """Mean (w_dim,) and the root of the covariance (w_dim, w_dim) of drawn codes of faces."""
    codes, variances = list[Tensor](), list[Tensor]()
    for indices in torch.linspace(0, len(faces) - 1, min(len(faces), 8192)).long().split(256):
        mean, log_variance = encoder(faces.batch(indices).to(device))
        codes.append(mean)
        variances.append(log_variance.exp())
    stacked = torch.cat(codes).double()
    covariance = stacked.T.cov() + torch.diag(torch.cat(variances).double().mean(dim=0))
    values, vectors = torch.linalg.eigh(covariance)
    root = vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T
    return stacked.mean(dim=0).float(), root.float()


@torch.no_grad()
def sample_exactly(network: StyleGAN2, mean: Tensor, root: Tensor, *, offset: Tensor) -> None:
    """Make mapping(z) = root z + mean + offset, and let style biases take the offset back.

    The offset shifts all units into the linear range of the leaky ReLU.
    """
    for index, layer in enumerate(network.mapping.stack):
        size = layer.weight.shape[1]
        matrix = root if index == 0 else torch.eye(size, device=root.device)
        # divided by the leaky ReLU's gain, and by the scale that the layer applies when used
        layer.weight.copy_(matrix / math.sqrt(2) * math.sqrt(size) / layer.rate)
        layer.bias.copy_((mean + offset) / math.sqrt(2) / layer.rate if index == 0 else torch.zeros(size))
    network.mapping.w_avg.copy_(mean + offset)
    for affine in affines(network.synthesis):
        affine.layer.bias.sub_(affine.layer.weight @ offset / math.sqrt(offset.numel()))


@torch.no_grad()
def widen(network: StyleGAN2, encoder: Encoder, more: float, *, mean: Tensor, offset: Tensor) -> None:
    """Let codes count for `more` times their distance from `mean`, and keep what the encoder's codes render.

    Args:
        network: its affine layers are changed.
        encoder: its head for the mean is changed; its codes are what it says plus `offset`.
        more: how many times.
        mean: the mean of mapped codes, (w_dim,).
        offset: between the encoder's numbers and codes, (w_dim,).
    """
    for affine in affines(network.synthesis):
        affine.layer.bias.sub_((more - 1) * affine.layer.weight @ mean / math.sqrt(mean.numel()))
        affine.layer.weight.mul_(more)
    size, centre = mean.numel(), mean - offset
    encoder.head.weight[:size].div_(more)
    encoder.head.bias[:size].sub_(centre).div_(more).add_(centre)
