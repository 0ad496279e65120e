"""The fast path: the same generators and perceptual networks computed by hand, where the machine gains by it."""

import copy
from typing import TypeVar, cast

from torch import nn

from wplus.models.blank import blank
from wplus.models.fast.choose import Compute, Machine, Wanted, compute_for
from wplus.models.fast.convolution import BF16, FP32, MIXED
from wplus.models.fast.memory import keep_freed_memory
from wplus.models.fast.synthesis import FastSynthesis
from wplus.models.fast.vgg import FastVGG
from wplus.models.generator import Generator
from wplus.models.stylegan2 import StyleGAN2
from wplus.models.vgg import VGG

__all__ = ["Compute", "Machine", "Wanted", "compute_for", "fast"]

PRECISIONS = {"fast": FP32, "mixed": MIXED, "bf16": BF16}
"""By path, of those by hand."""

Frozen = TypeVar("Frozen", Generator, VGG)


def fast(network: Frozen, compute: Compute | None = None) -> Frozen:
    """The same network, to be called as before, on the fastest path; itself where that is the reference.

    It shares the weights, which must not change from now on, and has the same fingerprint, card and state. Weights are
    packed at the first step, for the sizes that occur: keep the result where many steps or calls follow.

    Args:
        network: a generator or a perceptual network.
        compute: the path, by default what `compute_for` chooses; what is fast already then stays as it is.
    """
    if compute is None and _is_fast(network):
        return network
    compute = compute or compute_for(network)
    if compute.path == "reference":
        return network
    keep_freed_memory()
    if isinstance(network, VGG):
        return FastVGG(network, precision=PRECISIONS[compute.path])
    if not isinstance(network.network, StyleGAN2):
        return network
    with blank():
        own = StyleGAN2(network.network.config)
    own.mapping = network.network.mapping
    own.synthesis = FastSynthesis(network.network.synthesis, precision=PRECISIONS[compute.path])
    faster = copy.copy(network)
    faster.network = own.train(cast(nn.Module, network.network).training)
    return faster


def _is_fast(network: Generator | VGG) -> bool:
    return isinstance(network if isinstance(network, VGG) else network.network.synthesis, FastVGG | FastSynthesis)
