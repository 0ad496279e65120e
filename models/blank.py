"""Modules without numbers, to be filled from a file: nothing is drawn at random."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


@contextmanager
def blank(device: str = "meta") -> Iterator[None]:
    """Modules that are built inside lie on a device, by default that which takes no memory."""
    with torch.device(device), _Undrawn():
        yield


class _Undrawn(TorchFunctionMode):
    """Leaves out random draws, for the first of them on the meta device imports for a second."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        if func in (Tensor.normal_, Tensor.uniform_):
            return args[0]
        if getattr(func, "__module__", "") == "torch.nn.init":
            return named["tensor"] if "tensor" in named else args[0]
        return (torch.empty if func in (torch.randn, torch.rand) else func)(*args, **named)
