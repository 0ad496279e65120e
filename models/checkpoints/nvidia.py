"""NVIDIA's pickles of StyleGAN2-ADA and StyleGAN3 (both architectures), and state dicts in their names.

Files: a snapshot {'G_ema', 'G', 'D', ...} of persistent objects, one such object (PTI's `torch.save(G)`), or its state
dict. The objects' source is never read; what they were built with stands in their attributes.
"""

from collections.abc import Iterator, Mapping

from torch import Tensor

from wplus.core.errors import GeneratorError
from wplus.models.checkpoints import nvidia_sizes
from wplus.models.checkpoints.foreign import Thing
from wplus.models.checkpoints.tables import NO_MEAN, Converted, some, weights_in

NAME = "nvidia"

MODULES = 2000  # more than any generator has: a tree may hold one object a thousand times
"""How many modules a file may have."""


def matches(tree: object) -> str | None:
    """None for a file of this format, else why it is none."""
    thing = _generator(tree)
    if thing is None:
        return None if _bare(tree) else "no G_ema, no 'synthesis.b4.const'"
    children = _children(thing)
    if not {"mapping", "synthesis"} <= set(children):
        return f"its {thing.name} has the parts {some(children)}, not mapping and synthesis"
    return None


def convert(tree: object) -> Converted:
    """Sizes and weights under our names, which are NVIDIA's.

    Raises:
        GeneratorError: it is another network, or a variant that cannot be rendered exactly.
    """
    thing = _generator(tree)
    if thing is None:
        weights, modules = _bare(tree), {}
    else:
        modules = dict(_walk(thing))
        weights = {name: tensor for prefix, module in modules.items() for name, tensor in _tensors(prefix, module)}
    origin = f"NVIDIA's {thing.name}" if thing else "weights in NVIDIA's names"
    sizes = nvidia_sizes.stylegan3 if "synthesis.input.freqs" in weights else nvidia_sizes.stylegan2
    config, state = sizes(weights, modules)
    if "mapping.w_avg" not in state:
        origin += f"; {NO_MEAN}"
    return Converted(config, state, {"origin": origin})


def _generator(tree: object) -> Thing | None:
    """The exponential average of a snapshot's generator, or the object itself."""
    if isinstance(tree, Mapping):
        tree = next((tree[name] for name in ("G_ema", "G") if isinstance(tree.get(name), Thing)), None)
    return tree if isinstance(tree, Thing) and "_modules" in _attributes(tree) else None


def _bare(tree: object) -> dict[str, Tensor]:
    """A state dict in NVIDIA's names, on top or under a usual name; nothing if there is none."""
    places = [tree, *(tree.get(name) for name in ("G_ema", "g_ema", "state_dict"))] if isinstance(tree, Mapping) else []
    found = (weights_in(place) for place in places)
    return next((item for item in found if {"synthesis.b4.const", "synthesis.input.freqs"} & set(item)), {})


def _attributes(thing: Thing) -> dict[str, object]:
    """The `__dict__` of a module."""
    return thing.state if isinstance(thing.state, dict) else {}


def _children(thing: Thing) -> dict[str, Thing]:
    """The modules in a module."""
    modules = _attributes(thing).get("_modules")
    return (
        {name: item for name, item in modules.items() if isinstance(item, Thing)} if isinstance(modules, dict) else {}
    )


def _walk(thing: Thing) -> Iterator[tuple[str, dict[str, object]]]:
    """Every module's dotted name and attributes, parents first."""
    open_, seen = [("", thing)], 0
    while open_:
        name, item = open_.pop()
        seen += 1
        if seen > MODULES:
            raise GeneratorError(f"it has more than {MODULES} modules")
        yield name, _attributes(item)
        open_ += [(f"{name}.{child}" if name else child, value) for child, value in _children(item).items()]


def _tensors(prefix: str, module: dict[str, object]) -> Iterator[tuple[str, Tensor]]:
    """A module's own parameters and buffers."""
    for kind in ("_parameters", "_buffers"):
        group = module.get(kind)
        for name, value in group.items() if isinstance(group, dict) else ():
            if isinstance(value, Tensor):
                yield f"{prefix}.{name}" if prefix else name, value.detach()
