"""Generators of every format that people have: told by their contents, opened without running code from them.

A format is one file with `matches(tree)` and `convert(tree)`; those of `WRITERS` can also be written. Adding one takes
its file and its place in a tuple.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from wplus.core.errors import GeneratorError
from wplus.models.checkpoints import genforce, lernapparat, nvidia, rosinality, strangers, stylemap, tensorflow, wplus
from wplus.models.checkpoints.foreign import Thing, read_tree
from wplus.models.checkpoints.tables import Converted, card_in, some
from wplus.models.network import Config


@runtime_checkable
class Format(Protocol):
    """A way in which generators are written to files."""

    NAME: str

    def matches(self, tree: object) -> str | None:
        """None for a file of this format, else why it is none."""

    def convert(self, tree: object) -> Converted:
        """Sizes and weights under our names."""


FORMATS: tuple[Format, ...] = (wplus, nvidia, tensorflow, rosinality, genforce, lernapparat, strangers, stylemap)
"""All formats, in the order in which they are tried."""

AVERAGED = ("g_ema", "generator_smooth")
"""What training programs name the averaged generator, which is read."""

TRAINED = ("g", "d", "generator", "encoder", "discriminator", "g_optim", "e_optim", "d_optim", "optimizers")
"""What they keep beside it to train on, which is not: four fifths of some files."""

DAMAGE = (ArithmeticError, AttributeError, LookupError, RecursionError, RuntimeError, TypeError, ValueError)
"""What contents that are not as they should be raise on their way."""


@dataclass(frozen=True)
class Checkpoint:
    """A generator as a file holds it.

    Args:
        format: the name of its format.
        config: its sizes.
        state: its weights under our names, fp32 on the CPU.
        details: what the file tells about itself: fields of `Card`.
    """

    format: str
    config: Config
    state: Mapping[str, Tensor]
    details: Mapping[str, Any]


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a generator of any known format.

    Raises:
        GeneratorError: no such file, damaged, of no known format, or a generator that cannot be rendered exactly.
    """
    tree = read_tree(path, error=GeneratorError, unread=unread)
    found = format_of(tree)
    if isinstance(found, str):
        raise GeneratorError(f"{path}: no known generator: {found}")
    told = card_in(tree)
    try:
        converted = found.convert(tree)
        del tree  # before weights of another layout or precision are copied
        rest = converted.state
        state = {name: _plain(name, rest.pop(name)) for name in list(rest)}  # one at a time: two copies never meet
    except GeneratorError as error:
        raise GeneratorError(f"{path}: {_intro(found)}{error}") from error
    except DAMAGE as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise GeneratorError(f"{path}: {_intro(found)}header and weights do not fit together: {reason}") from error
    return Checkpoint(found.NAME, converted.config, state, converted.details | told)


def unread(names: Collection[object]) -> Collection[str]:
    """Of a checkpoint's names, those of what no generator is made of."""
    return TRAINED if any(name in names for name in AVERAGED) else ()


def format_of(tree: object) -> Format | str:
    """The format of a tree; else what was found and why every format refused it, in one line."""
    reasons = []
    for item in FORMATS:
        reason = item.matches(tree)
        if reason is None:
            return item
        reasons.append(f"{item.NAME} ({reason})")
    return f"it is {_description(tree)}; tried {', '.join(reasons)}"


def _description(tree: object) -> str:
    """What a tree is, in a few words."""
    match tree:
        case Mapping():
            kinds = [f"{name!s:.30} ({_kind(value)})" for name, value in tree.items()]
            return f"a dictionary of {some(kinds, 4)}" if kinds else "an empty dictionary"
        case Thing():
            return f"an object {tree.name[:40]}"
        case list() | tuple():
            return f"a {type(tree).__name__} of {some(map(_kind, tree))}"
    return _kind(tree)


def _kind(value: object) -> str:
    """The kind of one value."""
    match value:
        case Tensor():
            return f"tensor {'x'.join(map(str, value.shape)) or 'scalar'}"
        case Thing():
            return value.name[:40]
    return type(value).__name__


def _intro(item: Format) -> str:
    """Which format a file is of, where it is not ours."""
    return "" if item.NAME == wplus.NAME else f"read as {item.NAME}: "


def _plain(name: str, tensor: Tensor) -> Tensor:
    """The tensor as fp32 in memory of its own shape; a view if it is so already.

    Raises:
        GeneratorError: it holds no real numbers, or a few of them blown up to many.
    """
    if not tensor.is_floating_point() or tensor.layout != torch.strided:
        raise GeneratorError(f"{name} holds {tensor.dtype}, expected real numbers")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise GeneratorError(f"{name} has shape {tuple(tensor.shape)}, but the file holds fewer numbers")
    return tensor.detach().to("cpu", torch.float32).contiguous()
