"""In which precision a device trains fastest."""

import functools

import torch

from wplus.models.fast.choose import Machine


@functools.cache
def native(device: str) -> torch.dtype:
    """bf16 on GPUs and on processors that multiply in it; fp32 where it would be emulated, many times slower."""
    if device.startswith("cpu"):
        return torch.bfloat16 if Machine.here().bf16 else torch.float32
    return torch.float32 if device.startswith("mps") else torch.bfloat16


def quick(device: str) -> torch.autocast:
    """A context in which convolutions and products run in that precision."""
    dtype, kind = native(device), torch.device(device).type
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=dtype != torch.float32)
