"""Our own safetensors: what `Generator.save` writes."""

import json
from collections.abc import Mapping

from wplus.core.errors import GeneratorError
from wplus.core.tensorfile import KEY
from wplus.models.architectures import ARCHITECTURES
from wplus.models.checkpoints.tables import Converted, weights_in

NAME = "wplus"


def matches(tree: object) -> str | None:
    """None for a file of this format, else why it is none."""
    metadata = tree.get("__metadata__") if isinstance(tree, Mapping) else None
    return None if isinstance(metadata, Mapping) and KEY in metadata else f"no '{KEY}' header"


def convert(tree: object) -> Converted:
    """Sizes, weights and card.

    Raises:
        GeneratorError: it holds something else, or its header is incomplete.
        ValueError: its header is no JSON, or its sizes make no network.
    """
    assert isinstance(tree, Mapping)
    header = json.loads(tree["__metadata__"][KEY])
    if not isinstance(header, dict):
        raise GeneratorError("its header is no JSON object")
    kind, architecture = header.get("kind", "unknown content"), header.get("architecture")
    if kind != "generator":
        raise GeneratorError(f"holds a {kind}, expected a generator")
    if architecture not in ARCHITECTURES:
        raise GeneratorError(f"of architecture {architecture!r}, expected one of {', '.join(ARCHITECTURES)}")
    config = ARCHITECTURES[architecture][0].from_json(header["config"])
    return Converted(config, weights_in(tree), dict(header["card"]))
