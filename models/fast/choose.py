"""What the machine offers, and which way through the networks it makes the fastest."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch

from wplus.models.fast.synthesis import by_hand
from wplus.models.fast.trial import objection
from wplus.models.generator import Generator
from wplus.models.stylegan2 import StyleGAN2, Synthesis
from wplus.models.vgg import VGG

Path = Literal["reference", "fast", "mixed", "bf16"]
"""Plain autograd; by hand in fp32; by hand in fp32 forward and bf16 back; by hand in bf16.

On NVIDIA's GPUs fast is plain autograd, bf16 the same with convolutions in bf16, which was never measured: "auto" does
not take it.
"""

Wanted = Literal["auto", "reference", "fast", "mixed", "bf16"]
"""A path, or the one with which a descent ends soonest where one in fp32 does."""

INSTRUCTIONS = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16", "neon", "bf16", "sve")
"""Those that convolutions gain by."""


@dataclass(frozen=True)
class Machine:
    """What there is to compute with.

    Args:
        cores: that this process may use.
        threads: that torch uses.
        instructions: of `INSTRUCTIONS` those that the processor has.
        onednn: whether torch has oneDNN's convolutions for x86; on others they were not measured.
        cuda: name of the first GPU, or None.
        mps: whether there is Apple's GPU.
        objection: why torch's operators of oneDNN are not those that are known, or None.
    """

    cores: int
    threads: int
    instructions: tuple[str, ...]
    onednn: bool
    cuda: str | None
    mps: bool
    objection: str | None = None

    @property
    def bf16(self) -> bool:
        """Whether the processor multiplies in bf16 by itself; without, bf16 is slower than fp32."""
        return not {"avx512_bf16", "amx_bf16"}.isdisjoint(self.instructions)

    @property
    def takes_bf16(self) -> bool:
        """Whether oneDNN has products in bf16 here, be they slow."""
        return self.bf16 or "avx512_f" in self.instructions

    @classmethod
    def here(cls) -> "Machine":
        """The one that runs."""
        affinity = getattr(os, "sched_getaffinity", None)
        onednn = torch.backends.mkldnn.is_available() and platform.machine() in ("x86_64", "AMD64")
        capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older torches do not tell
        return cls(
            cores=len(affinity(0)) if affinity else os.cpu_count() or 1,
            threads=torch.get_num_threads(),
            instructions=tuple(name for name in INSTRUCTIONS if capabilities.get(name)),
            onednn=onednn,
            cuda=torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
            mps=torch.backends.mps.is_available(),
            objection=objection() if onednn else None,
        )


@dataclass(frozen=True)
class Compute:
    """A way through the networks, and why it was taken.

    Args:
        path: the way.
        why: one line.
    """

    path: Path
    why: str


def compute_for(
    network: Generator | VGG | None = None,
    device: torch.device | str | None = None,
    wanted: Wanted = "auto",
    *,
    machine: Machine | None = None,
) -> Compute:
    """The way to take: `wanted` where the machine and the network allow it, else what is nearest to it.

    Args:
        network: what is to be computed; None: any that can be computed by hand.
        device: by default the network's own, or the CPU.
        wanted: "auto" never costs a descent its end: losses are in fp32.
        machine: by default this one.

    Raises:
        ValueError: no such path.
    """
    if wanted not in get_args(Wanted):
        raise ValueError(f"there is no path {wanted!r}, expected {', '.join(get_args(Wanted))}")
    machine = machine or Machine.here()
    kind = torch.device(device or _device(network)).type
    if wanted == "reference":
        return Compute("reference", "asked for")
    obstacle = _obstacle(network, kind, machine)
    if kind == "cuda" and wanted == "fast":
        return Compute("fast", "asked for; plain autograd")
    if kind == "cuda" and wanted == "bf16":
        return Compute("bf16", "asked for; plain autograd with convolutions in bf16")
    if obstacle:
        return Compute("reference", obstacle)
    if wanted == "fast":
        return Compute("fast", "asked for")
    if wanted != "auto" and not machine.takes_bf16:
        return Compute("fast", f"fp32, for {wanted} needs products in bf16, which the processor does not have")
    if wanted != "auto":
        return Compute(wanted, "asked for" if machine.bf16 else "asked for, though the processor has no bf16: slow")
    if machine.bf16:
        return Compute("mixed", "oneDNN with weights packed once; losses in fp32, gradients in bf16")
    return Compute("fast", "oneDNN with weights packed once; fp32, as the reference")


def _device(network: Generator | VGG | None) -> torch.device:
    """Where the weights lie."""
    if isinstance(network, Generator):
        return network.device
    return torch.device("cpu") if network is None else network.mean.device


def _obstacle(network: Generator | VGG | None, kind: str, machine: Machine) -> str | None:
    """Why a network cannot be computed by hand, or None."""
    if kind != "cpu":
        return f"plain autograd on {kind}, where nothing else was measured"
    if not machine.onednn:
        return "no oneDNN for x86 here"
    if machine.objection:
        return machine.objection
    if isinstance(network, VGG) or network is None:
        return None
    if not isinstance(network.network, StyleGAN2) or not isinstance(network.network.synthesis, Synthesis):
        return f"{network.network.config.title} has no path by hand"
    config = network.network.config
    if not by_hand(config):
        return f"{config.title} with a filter of {len(config.taps)} taps has no path by hand"
    return None
