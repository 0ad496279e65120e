"""Pickles of objects whose classes are not here: NVIDIA's persistent objects.

Plain values are pickled by the standard library, one by one; only the calls that it would refuse, for want of the
module they name, are written by hand (the opcodes are those of `pickletools`).
"""

import math
import pickle
import struct
from collections import OrderedDict
from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from wplus.models.checkpoints.foreign import Thing
from wplus.models.checkpoints.tables import Weights, alone

Attributes = dict[str, object]
"""What an object keeps, by name."""

PROTOCOL = 3  # what NVIDIA's own files have
RECONSTRUCT = b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n"
FIRST_SHARED = 60_000  # place in the pickle's memo of what stands under several names; plain values use the first ones
VERSION = 6
"""The version of persistent objects that NVIDIA's code asks for."""

HOOKS = (
    "backward", "backward_pre", "forward", "forward_pre", "state_dict", "state_dict_pre", "load_state_dict_pre",
    "load_state_dict_post",
)  # fmt: skip
"""What a torch module keeps hooks for, and cannot be without."""


def pickled(tree: Mapping[str, object], source: str) -> Iterator[bytes]:
    """The pickle of a tree of plain values and of `Thing`s, which become persistent objects; piece by piece.

    Args:
        tree: names and values; a `Thing` that stands under several names is one object.
        source: what NVIDIA's code executes to find the objects' classes.
    """
    yield b"\x80" + bytes([PROTOCOL]) + b"}("
    known: dict[int, bytes] = {}
    for name, value in tree.items():
        yield from _value(name, source)
        if id(value) in known:
            yield b"j" + known[id(value)]
            continue
        yield from _value(value, source)
        if isinstance(value, Thing):
            known[id(value)] = struct.pack("<I", FIRST_SHARED + len(known))
            yield b"r" + known[id(value)]
    yield b"u."


def _value(value: object, source: str) -> Iterator[bytes]:
    """What puts one value on the stack."""
    if isinstance(value, Thing):
        meta = {"type": "class", "version": VERSION, "module_src": source}
        meta |= {"class_name": value.name, "state": value.state}
        yield RECONSTRUCT
        yield from _value(meta, source)
        yield b"\x85R"  # called with a tuple of one
    elif isinstance(value, Mapping):
        yield b"}("
        for name, item in value.items():
            yield from _value(name, source)
            yield from _value(item, source)
        yield b"u"
    else:
        # without the protocol before and the stop behind; its memo is its own, for it sets every entry that it gets
        yield pickle.dumps(value, protocol=PROTOCOL)[2:-1]


def module(
    name: str,
    attributes: Mapping[str, object],
    *,
    weights: Mapping[str, Tensor] | None = None,
    buffers: Mapping[str, Tensor | None] | None = None,
    parts: Mapping[str, Thing] | None = None,
    args: tuple[object, ...] = (),
    kwargs: Mapping[str, object] | None = None,
) -> Thing:
    """A persistent object: a torch module's attributes, and what it was built with."""
    parameters = {key: nn.Parameter(alone(item), requires_grad=False) for key, item in (weights or {}).items()}
    kept = {key: None if item is None else alone(item) for key, item in (buffers or {}).items()}
    hooks: Attributes = {f"_{kind}_hooks": OrderedDict() for kind in HOOKS}
    hooks |= {f"_forward_{kind}": OrderedDict() for kind in ("hooks_with_kwargs", "hooks_always_called")}
    hooks |= {"_forward_pre_hooks_with_kwargs": OrderedDict(), "_is_full_backward_hook": None}
    state: Attributes = {"training": False, "_parameters": parameters, "_buffers": kept}
    state |= {"_non_persistent_buffers_set": set(), **hooks, "_modules": dict(parts or {}), **attributes}
    return Thing(name, {**state, "_init_args": args, "_init_kwargs": dict(kwargs or {})})


def dense(state: Weights, name: str, *, rate: float = 1.0, activation: str = "linear") -> Thing:
    """A dense layer."""
    weights = {key: state[f"{name}.{key}"] for key in ("weight", "bias")}
    outputs, inputs = weights["weight"].shape
    own: Attributes = {"in_features": inputs, "out_features": outputs, "activation": activation}
    own |= {"weight_gain": rate / math.sqrt(inputs), "bias_gain": rate}
    kwargs: Attributes = {"activation": activation, "lr_multiplier": rate}
    return module("FullyConnectedLayer", own, weights=weights, args=(inputs, outputs), kwargs=kwargs)
